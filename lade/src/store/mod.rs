// SPDX-License-Identifier: Apache-2.0
//! The store: an OCI layout (`oci-layout`, `index.json`, `blobs/`) that other tools can read, and beside it the
//! unpacked layers. Private to its owner; what appears under its final name has been verified first.
//!
//! Locks are flocks on files in `locks/`: one per layer and per blob while it is made, `index` around a change of the
//! index, and `use`, shared by all who add and taken whole by the collector of garbage.

mod blobs;
mod gc;
mod images;
mod journal;
mod layers;
mod lock;
mod verify;

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

pub use blobs::{Part, read_bounded};
pub use gc::Bundle;
pub use images::{Image, Name};
pub use layers::{Layer, LayerRecord, Staged};
pub use lock::Lock;
pub use verify::Damage;

use crate::bail;
use crate::error::{Context, Error, Result};
use crate::unpack::OverlayXattr;

pub struct Store {
    root: PathBuf,
    marks: OverlayXattr,
}

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const EMPTY_INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

impl Store {
    /// Root's store is the system's; a user's is in the user's data directory.
    pub fn default_root() -> Result<PathBuf> {
        if geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/lade"));
        }
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|h| h.join(".local/share")))
            .map(|d| d.join("lade"))
            .ok_or_else(|| {
                Error::new("neither XDG_DATA_HOME nor HOME is set").hint("name a store with --root DIR")
            })
    }

    pub fn open(root: &Path) -> Result<Self> {
        let what = || format!("unable to open the store {}", root.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).context(what)?;
        let root = root.canonicalize().context(what)?;
        // CVE-2021-41103: what is unpacked here keeps its set-id bits, so nobody else may walk in.
        let meta = fs::metadata(&root).context(what)?;
        if meta.uid() != geteuid().as_raw() {
            bail!("{}: it belongs to another user (uid {})", what(), meta.uid());
        }
        // With the set-group-id bit (of /var/local, say) all that is unpacked here would have the directory's group.
        if meta.permissions().mode() & 0o7077 != 0 {
            fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).context(what)?;
        }
        for dir in ["blobs/sha256", "blobs/sha512", "layers", "tmp", "locks", "bundles"] {
            fs::create_dir_all(root.join(dir)).context(what)?;
        }
        let mut store = Store { root, marks: OverlayXattr::Trusted };
        store.marks = store.probe_marks()?;
        for (name, text) in [("oci-layout", LAYOUT), ("index.json", EMPTY_INDEX)] {
            if !store.path(name).exists() {
                let _lock = store.lock("index")?;
                if !store.path(name).exists() {
                    store.write_atomic(name, text.as_bytes())?;
                }
            }
        }
        store.recover()?;
        Ok(store)
    }

    /// Which overlay attributes this process may set is remembered: asking costs a directory.
    fn probe_marks(&self) -> Result<OverlayXattr> {
        let path = self.path("overlay-xattr");
        match fs::read_to_string(&path).as_deref() {
            Ok("trusted") => return Ok(OverlayXattr::Trusted),
            Ok("user") => return Ok(OverlayXattr::User),
            _ => {}
        }
        let _lock = self.lock("index")?;
        let dir = open_dir(&self.path("tmp"))?;
        let marks = OverlayXattr::probe(&dir)?;
        let name = if marks == OverlayXattr::Trusted { "trusted" } else { "user" };
        self.write_atomic("overlay-xattr", name.as_bytes())?;
        Ok(marks)
    }

    pub fn marks(&self) -> OverlayXattr {
        self.marks
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where large temporary files belong.
    pub fn spool_dir(&self) -> PathBuf {
        self.path("tmp")
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// Bytes a caller may still write, and what a full filesystem would be called.
    pub fn free_space(&self) -> Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.root).context(|| "unable to ask for the free space")?;
        Ok(stat.blocks_available() * stat.fragment_size())
    }

    /// Replaces a file of the store whole or not at all, whatever happens to the power, and has it on the disk when it
    /// returns: what comes after `dirty` must not get there before it.
    fn write_atomic(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.replace(name, bytes, fs::File::sync_data)?;
        let path = self.path(name);
        let dir = path.parent().unwrap_or(&self.root);
        fs::File::open(dir)
            .and_then(|dir| dir.sync_all())
            .context(|| format!("unable to write {name} in the store"))
    }

    /// The same for what means nothing before the next `sync`.
    fn write_unsynced(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.replace(name, bytes, |_| Ok(()))
    }

    fn replace(&self, name: &str, bytes: &[u8], settle: fn(&fs::File) -> std::io::Result<()>) -> Result<()> {
        let what = || format!("unable to write {name} in the store");
        let temporary = self.path("tmp").join(format!("{}-{}", name.replace('/', "-"), std::process::id()));
        let mut file = fs::File::create(&temporary).context(what)?;
        file.write_all(bytes).and_then(|()| settle(&file)).context(what)?;
        fs::rename(&temporary, self.path(name)).context(what)
    }
}

pub fn open_dir(path: &Path) -> Result<OwnedFd> {
    use nix::fcntl::{OFlag, open};
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    open(path, flags, nix::sys::stat::Mode::empty()).context(|| format!("unable to open {}", path.display()))
}
