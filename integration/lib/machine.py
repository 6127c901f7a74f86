# SPDX-License-Identifier: Apache-2.0
"""A private machine for a client and its daemons: own network, mount, pid, ipc, uts and cgroup namespaces, own /run,
/etc, /usr/local, /var/lib and homes. In it every daemon runs with its default paths, configured as docs/clients.md says, and
nothing of it can reach or outlive the real machine.

    machine.enter("docker.io", ...)     restarts the calling script in there, as the child of a PID 1 that reaps
    machine.leftovers()                 what a client left, to be called at the end
"""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
STORE = Path("/mnt")  # on a tmpfs: the layers, images and logs of everything that runs in there
TARE = "/usr/local/bin/tare"
PRIVATE = ("/etc", "/home", "/opt", "/root", "/var/lib")  # as they are, but what is changed in them stays here
EMPTY = ("/run", "/tmp", "/usr/local", "/dev/shm", "/var/lib/containerd", "/var/lib/containers", "/var/lib/docker",
         "/var/lib/tare")
CLIENTS = os.environ.get("WALK_CLIENTS")  # newer packages, unpacked: they lie over this machine's own


def sh(line):
    subprocess.run(["bash", "-ec", line], check=True)


def enter(*packages):
    """Returns only in the private machine. With --install, the packages are all."""
    if os.environ.get("WALK_MACHINE"):
        return
    subprocess.run([TOP / "hack/install", "busybox-static", "python3", "iproute2", "util-linux", *packages], check=True)
    if "--install" not in sys.argv:
        sys.exit(outside())
    sys.exit()


# ----------------------------------------------------------------------------------------------------- outside

def outside():
    name = f"tare-walk-{os.getpid()}"  # hack/clean knows it, should this process be killed
    runtime, lade = binaries()
    # Its end, however it comes, ends everything in the machine with it.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup",
               "--fork", "--kill-child=KILL", "--mount-proc", sys.executable, __file__, *map(os.path.abspath, sys.argv[:1]),
               *sys.argv[1:]]
    places = [hierarchy / name for hierarchy, _ in hierarchies()]
    for place in places:
        make_cgroup(place)
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "WALK_MACHINE": name,
                   "WALK_RUNTIME": runtime, "WALK_LADE": lade, "WALK_CLIENTS": os.environ.get("CLIENTS", ""),
                   "LONG": os.environ.get("LONG", ""), "HOME": "/root", "TERM": "xterm", "LC_ALL": "C.UTF-8",
                   "PODMAN_IGNORE_CGROUPSV1_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, preexec_fn=lambda: join(places))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: child.kill())
    status = child.wait()
    left = [path for place in places for path in remove_cgroup(place)]
    for path in left:
        print(f"left: cgroup {path}")
    return 1 if left else status if status >= 0 else 128 - status


def binaries():
    """The absolute paths of the runtime under test and of lade."""
    target = subprocess.check_output([TOP / "hack/target-dir"], text=True).strip()
    built = os.environ.get("PROFILE", "debug")
    runtime = os.environ.get("RUNTIME") or f"{target}/{built}/tare"
    if "/" not in runtime:
        runtime = subprocess.check_output(["sh", "-c", 'PATH=$PATH:/usr/sbin:/sbin; command -v "$0"', runtime], text=True).strip()
    lade = os.environ.get("LADE") or f"{target}/{built}/lade"
    for path in (runtime, lade):
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is not there; build it (cargo build --workspace), or name another with RUNTIME= or LADE=")
    return os.path.realpath(runtime), os.path.realpath(lade)


def hierarchies():
    """Every mounted cgroup hierarchy: its directory, and the option that mounts it again."""
    found = []
    for line in open("/proc/self/mounts"):
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found.append((Path(where), None))
        elif kind == "cgroup":
            own = [o for o in options.split(",") if o.startswith("name=") or o in controllers()]
            found.append((Path(where), ",".join(["none"] * own[0].startswith("name=") + own)))
    return found


def controllers():
    return [line.split()[0] for line in open("/proc/cgroups") if not line.startswith("#")]


def make_cgroup(place):
    place.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # on v1 these start empty, and nothing may join
        file = place / name
        if file.exists() and (place / "cgroup.clone_children").exists():
            file.write_text((place.parent / name).read_text())


def join(places):
    for place in places:
        (place / "cgroup.procs").write_text("0")


def remove_cgroup(place):
    """Removes the tree, all processes in it being dead; its directories below are what somebody left."""
    below = [Path(d) for d, _, _ in os.walk(place, topdown=False)]
    for path in below:
        for _ in range(100):  # the last of the dead may still be on their way out
            try:
                path.rmdir()
                break
            except OSError:
                time.sleep(0.1)
    return [path for path in below if path != place and path.name != "walk"]


# ----------------------------------------------------------------------------------------------------- inside

def set_up():
    sh(f"mount --make-rprivate /; mount -t tmpfs -o mode=755 walk {STORE}")
    for path in ("/etc", "/usr") if CLIENTS else ():
        sh(f"mount -t overlay walk {path} -o lowerdir={CLIENTS}{path}:{path}")
    for path in PRIVATE:
        layer = STORE / path.strip("/").replace("/", "-")
        sh(f"mkdir -p {layer}/upper {layer}/work; mount -t overlay walk {path} "
           f"-o lowerdir={path},upperdir={layer}/upper,workdir={layer}/work")
    show_cgroups()
    # Opened before anything is covered: they may lie there.
    binaries = {name: os.open(os.environ[f"WALK_{name.upper()}"], os.O_RDONLY) for name in ("lade", "runtime")}
    checkout = STORE / "checkout"
    sh(f"mkdir {checkout}; mount --bind {TOP} {checkout}")
    for path in EMPTY:
        mode = "1777" if path in ("/tmp", "/dev/shm") else "755"
        sh(f"mkdir -p {path}; mount -t tmpfs -o mode={mode} walk {path}")
    if not TOP.exists():
        TOP.mkdir(parents=True)
        sh(f"mount --bind {checkout} {TOP}")
    sh(f"umount {checkout}; rmdir {checkout}")
    sh("mkdir /usr/local/bin /usr/local/sbin")
    # Another runtime goes by the name tare too: one configuration for all.
    for source, target in ((binaries["lade"], "/usr/local/bin/lade"), (binaries["runtime"], TARE)):
        with os.fdopen(source, "rb") as binary, open(target, "wb") as copy:
            shutil.copyfileobj(binary, copy)
            os.fchmod(copy.fileno(), 0o755)
    # As udev and systemd leave a machine: shared mounts, devices that anybody may open.
    sh("mount --make-rshared /; hostname walk; ip link set lo up; mkdir /run/lock")
    for name, major, minor in (("net/tun", 10, 200), ("fuse", 10, 229)):
        node = STORE / name.replace("/", "-")
        sh(f"test -e /dev/{name} || exit 0; mknod -m 666 {node} c {major} {minor}; mount --bind {node} /dev/{name}")


def show_cgroups():
    mounts = hierarchies()
    if os.environ["WALK_RUNTIME"].endswith("crun"):  # 1.8.1 refuses a hybrid whose v2 hierarchy has any controller
        mounts = [(where, option) for where, option in mounts if option] or mounts
    if len(mounts) > 1 or mounts[0][1]:
        sh("mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup")
    for where, option in mounts:
        where.mkdir(exist_ok=True)
        sh(f"mount -t cgroup -o {option} cgroup {where}" if option else f"mount -t cgroup2 cgroup2 {where}")
    for where, option in mounts:  # on v2 a cgroup with processes in it gives its children no controllers
        if option is None and len(mounts) == 1:
            (where / "walk").mkdir()
            (where / "walk/cgroup.procs").write_text("0")
            given = (where / "cgroup.controllers").read_text().split()
            (where / "cgroup.subtree_control").write_text(" ".join("+" + name for name in given))


def reap(script):
    """PID 1: runs the script, buries whoever is orphaned, ends with it."""
    child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *script])
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def bounding_set():
    """In hexadecimal digits. A virtual machine may have fewer capabilities than its kernel knows."""
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapBnd"))


def all_capabilities():
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return int(bounding_set(), 16) == (2 << last) - 1


# ----------------------------------------------------------------------------------------------------- leftovers

BEFORE = {}


def mount_points():
    return {line.split()[4] for line in open("/proc/self/mountinfo")}


def remember():
    BEFORE["mounts"] = mount_points()
    BEFORE["links"] = set(os.listdir("/sys/class/net"))


def processes():
    own, found = {1, os.getpid()}, []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if int(pid) not in own and state != "Z":
            found.append(f"process {pid} {words}")
    return found


def leftovers(*borne):
    """What is still there after a client has removed all and its daemons have stopped, but for paths that begin with one
    of those borne."""
    found = processes()
    found += [f"mount {path}" for path in sorted(mount_points() - BEFORE["mounts"])]
    found += [f"network link {name}" for name in sorted(set(os.listdir("/sys/class/net")) - BEFORE["links"])]
    found += [f"network namespace {path}" for d in ("/run/netns", "/run/docker/netns") for path in Path(d).glob("*")]
    found += [f"state {path}" for path in Path("/run").rglob("state.json")]
    found += [f"container {path}" for root in ("/run/tare", "/run/runc", "/run/crun") for path in Path(root).glob("*")]
    mounted = mount_points()
    for where, _ in hierarchies():
        found += [f"cgroup {d}" for d, _, _ in os.walk(where) if d not in mounted and d != f"{where}/walk"]
    return [thing for thing in found if not any(f" {path}" in thing for path in borne)]


if __name__ == "__main__":
    set_up()
    sys.exit(reap(sys.argv[1:]))
