// SPDX-License-Identifier: Apache-2.0
//! What a person may want to know of a command beyond its flags: the end of its help and of its man page.
//! Nothing of it is touched where no help is asked for.

pub(super) const TARE: &str = "\
Any flag may be written with one dash or two, its value after a space or an equals sign.
`tare help COMMAND` tells of one command.

The state of containers is kept in /run/tare, or for who is not root in $XDG_RUNTIME_DIR/tare.

The exit status of `run` and `exec` is that of the process, 128 and the signal's number when a
signal has ended it. When `exec` itself fails it is 255; an unknown command is 3; all else is 1.
Errors go to standard error, one line each, and to the file of --log.";

/// By the name of the command.
pub(super) fn of(name: &str) -> Option<&'static str> {
    Some(match name {
        "checkpoint" | "restore" => "They parse, so that a client can ask for their flags, and then fail.",
        "create" => CREATE,
        "delete" => DELETE,
        "events" => EVENTS,
        "exec" => EXEC,
        "explain" => {
            "Takes what `create` takes and prints its plan; nothing is made. The same as `create --dry-run`."
        }
        "features" => "For the runtime as built: the running kernel may have less.",
        "kill" => KILL,
        "list" => "JSON is one array of the objects that `state` prints, on one line; null for no container.",
        "pause" => {
            "Their processes stay where they are until `resume`; `kill KILL` and `delete --force` reach them."
        }
        "ps" => PS,
        "run" => RUN,
        "spec" => SPEC,
        "start" => "Its hooks run; then the user's program takes the place of the waiting process.",
        "state" => STATE,
        "update" => UPDATE,
        _ => return None,
    })
}

const CREATE: &str = "\
Makes what config.json asks for, and a process that waits in it for `tare start`. An id consists of
letters, digits and the characters _ + - . and is anyone's to choose.

A process with a terminal needs --console-socket: a unix socket where a descriptor of its master
side is sent to. When anything fails, all that was made is removed.";

const DELETE: &str = "\
Removes the cgroups, runs the poststop hooks, forgets the state. A container that runs or is paused
is refused without --force. With --force it is no error that there is no such container.";

const EVENTS: &str = "\
One JSON object a line, {\"type\":\"stats\",\"id\":ID,\"data\":{...}} at every interval and
{\"type\":\"oom\",\"id\":ID} whenever memory runs out, until the container ends. An interval is a number
with a unit: 500ms, 5s, 1m30s. Times are in nanoseconds, sizes in bytes; the names are those of
cgroup v1 on every host. Pressure (psi) is there when the kernel has a v2 hierarchy.";

const EXEC: &str = "\
Flags end at the container's id: the rest is the command and its own flags. The process is that of
config.json, as it was at `create`, with what the flags say put over it; with --process it is what
the file says, a process object as in config.json.

--cgroup PATH is below the container's cgroup, in every hierarchy; on cgroup v1 it may be given for
single controllers, as `--cgroup cpu,memory:PATH`, and several times.

The exit status is that of the process, 128 and the number of the signal that ended it, or 255 when
it could not be started.";

const KILL: &str = "\
A signal is a number, or a name in any case, with SIG or without; 0 only asks whether there is a
process. Other signals go to the container's first process. KILL ends every process of a container
that has no pid namespace of its own.";

const PS: &str = "\
The table is made by ps(1) with these options, or -ef, less the lines of other processes; it must
have a column PID. JSON is one array of pids, as the host has them.";

const RUN: &str = "\
`create` and `start` in one. In the foreground it waits for the process, passes signals on to it,
deletes the container in the end unless there is --keep, and ends with the exit status of the
process. With --detach it ends at once and leaves the container to `delete`.";

const SPEC: &str = "\
A shell with a terminal, in namespaces of its own, on the read-only directory rootfs. No file is
written over. With --rootless there is a user namespace too that maps root to the caller.";

const STATE: &str = "\
A JSON object: ociVersion, id, pid (0 when there is no process), status (creating, created, running,
paused or stopped), bundle, rootfs, created, annotations, owner.";

const UPDATE: &str = "\
What is not given stays as it is. BYTES may end in b, k, m, g, t or p. With --resources all other
flags are ignored; its device rules come after those that the container has, so that a list which
begins with a rule for all devices takes their place. When the kernel refuses a value, the old ones
are put back and nothing has changed.";
