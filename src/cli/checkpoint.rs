// SPDX-License-Identifier: Apache-2.0
//! `checkpoint` and `restore`, which are not here yet: they parse and have help, as Podman asks for both
//! to learn what a runtime can do, and say clearly that they cannot.

use clap::Command;

use super::flags::{command, switch, value, values};
use crate::error::Error;

pub(super) fn refuse(name: &str) -> Error {
    Error::new(format!("{name} is not supported yet"))
}

const ID: &str = "[options] <container-id>";

pub(super) fn checkpoint() -> Command {
    with_criu_flags(command("checkpoint", "Save a running container to disk (not supported yet)", ID))
        .arg(value("parent-path", "DIR", "earlier images, relative to the image path"))
        .arg(switch("leave-running", "keep the container running"))
        .arg(switch("tcp-skip-in-flight", "skip connections that are not established yet"))
        .arg(switch("link-remap", "allow unlinked files that are open"))
        .arg(value("status-fd", "FD", "descriptor to tell that lazy pages are ready"))
        .arg(value("page-server", "ADDRESS:PORT", "server that takes the pages"))
        .arg(switch("pre-dump", "save the memory only"))
}

pub(super) fn restore() -> Command {
    with_criu_flags(command("restore", "Start a container from a checkpoint (not supported yet)", ID))
        .arg(value("bundle", "DIR", "the bundle; default: the working directory").short('b'))
        .arg(value("console-socket", "SOCKET", "socket that receives the terminal"))
        .arg(value("pid-file", "FILE", "file to write the process id to"))
        .arg(switch("detach", "do not wait for the container's process").short('d'))
        .arg(switch("no-subreaper", "do not adopt orphaned processes"))
        .arg(switch("no-pivot", "do not use pivot_root"))
        .arg(value("lsm-profile", "TYPE:NAME", "security profile of the restored processes"))
        .arg(value("lsm-mount-context", "CONTEXT", "security context of the restored mounts"))
}

fn with_criu_flags(command: Command) -> Command {
    command
        .arg(value("image-path", "DIR", "where the images are"))
        .arg(value("work-path", "DIR", "where CRIU puts its log"))
        .arg(switch("tcp-established", "allow open TCP connections"))
        .arg(switch("ext-unix-sk", "allow external unix sockets"))
        .arg(switch("shell-job", "allow shell jobs"))
        .arg(switch("lazy-pages", "transfer memory on demand"))
        .arg(switch("file-locks", "allow file locks"))
        .arg(value("manage-cgroups-mode", "MODE", "soft, full, strict or ignore"))
        .arg(values("empty-ns", "NAMESPACE", "make it anew, do not restore it"))
        .arg(switch("auto-dedup", "drop memory images that are superseded"))
}
