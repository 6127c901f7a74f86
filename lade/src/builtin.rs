// SPDX-License-Identifier: Apache-2.0
//! An image that is always there: no registry, no network, nothing to download. It holds this machine's busybox if
//! that is static; else lade's own executable, which is, and which says where it runs when it is called `hello`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::json;

use crate::error::{Context, Result};
use crate::image::Platform;
use crate::import::{self, From};
use crate::progress::{Mode, Progress};
use crate::pull;
use crate::store::{Image, Store, open_dir};
use crate::unpack::Limits;
use crate::view::{Dir, Root};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";
const HELLO: &str = "hello";

/// The built-in image, made when it is first asked for.
pub fn image(store: &Store) -> Result<Image> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox"].iter().map(PathBuf::from);
    let busybox = busybox.into_iter().find(|path| is_static(path));
    let name = format!("localhost/{}:builtin", if busybox.is_some() { "busybox" } else { HELLO });
    if let Ok(image) = store.find(&name) {
        return Ok(image);
    }
    let _use = store.in_use()?;
    store.begin()?;
    let dir = store.spool_dir().join(format!("builtin-{}", std::process::id()));
    let what = || format!("unable to make the built-in image in {}", dir.display());
    fs::create_dir_all(&dir).context(what)?;
    let made = fill(&dir, busybox.as_deref()).context(what).and_then(|command| {
        let root = Root { fd: open_dir(&dir)?, mentioned: true };
        let view = Dir::root(vec![root], store.marks())?;
        let platform = Platform::host();
        let config = json!({"Cmd": [command], "Env": ["PATH=/bin"]});
        let (source, root) = import::import(store, From::Dir(&view), &platform, &config, "built in")?;
        let options = pull::Options {
            platform,
            limits: Limits::default(),
            jobs: 1,
            check_space: true,
            dry_run: false,
            max_download: None,
        };
        pull::pull(store, &source, root, Some(&name), &options, &Progress::new(Mode::None))
    });
    fs::remove_dir_all(&dir).context(what)?;
    store.load(&made?.descriptor)
}

/// A 64-bit ELF executable that names no interpreter.
fn is_static(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let number = |at: usize, len: usize| {
        bytes.get(at..at + len).map(|b| b.iter().rev().fold(0usize, |n, b| n << 8 | usize::from(*b)))
    };
    if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
        return false;
    }
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return false;
    };
    // PT_INTERP is 3.
    (0..count).all(|i| table.checked_add(i * size).and_then(|at| number(at, 4)).is_some_and(|kind| kind != 3))
}

/// Fills the root filesystem; returns what to run in it.
fn fill(dir: &Path, busybox: Option<&Path>) -> std::io::Result<&'static str> {
    for name in ["bin", "dev", "etc", "proc", "root", "sys", "tmp"] {
        fs::create_dir(dir.join(name))?;
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(dir.join("root"), fs::Permissions::from_mode(0o700))?;
    fs::set_permissions(dir.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::write(dir.join("etc/passwd"), PASSWD)?;
    fs::write(dir.join("etc/group"), GROUP)?;
    let Some(busybox) = busybox else {
        fs::copy("/proc/self/exe", dir.join("bin").join(HELLO))?;
        return Ok("/bin/hello");
    };
    fs::copy(busybox, dir.join("bin/busybox"))?;
    let list = Command::new(busybox).arg("--list").output()?;
    for applet in String::from_utf8_lossy(&list.stdout).lines() {
        if applet != "busybox" && !applet.contains('/') {
            symlink("busybox", dir.join("bin").join(applet))?;
        }
    }
    Ok("/bin/sh")
}

/// This process is the built-in image's program.
pub fn is_called() -> bool {
    std::env::args_os().next().is_some_and(|name| Path::new(&name).file_name().is_some_and(|n| n == HELLO))
}

/// Says where it runs.
pub fn hello() -> ExitCode {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let status = read("/proc/self/status");
    let of =
        |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default().trim().to_owned();
    let text = format!(
        "hello from a container\nhostname     {}\npid          {}\nuid          {}\ncapabilities {}\nseccomp      {}\nmounts       {}\n",
        read("/proc/sys/kernel/hostname"),
        std::process::id(),
        nix::unistd::getuid(),
        of("CapEff:"),
        of("Seccomp:"),
        read("/proc/self/mounts").lines().count(),
    );
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
