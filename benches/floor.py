# SPDX-License-Identifier: Apache-2.0
"""Turns config.json into plan.h, the tables that floor.c walks: only the kernel calls that the config itself demands."""

import json
import os

MOUNT_FLAGS = {
    "ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "sync": 16, "mand": 64, "dirsync": 128, "noatime": 1024,
    "nodiratime": 2048, "bind": 4096, "rbind": 4096 | 16384, "relatime": 1 << 21, "strictatime": 1 << 24,
}  # fmt: skip
NAMESPACES = {
    "pid": 0x20000000, "network": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000, "mount": 0x00020000,
    "cgroup": 0x02000000,
}  # fmt: skip
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()


def hierarchies():
    """(mount point, options for `mount -o`, directory of our own cgroup) of each v1 hierarchy, as mounted here."""
    own = {}
    for line in open("/proc/self/cgroup"):
        _, controllers, path = line.rstrip("\n").split(":", 2)
        own[controllers] = path
    found = []
    for line in open("/proc/self/mountinfo"):
        before, after = line.split(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split()
        controllers = next((c for c in own if c and set(c.split(",")) <= set(options.split(","))), None)
        if kind == "cgroup" and controllers:
            inner = os.path.relpath(own[controllers], root)
            found.append((point, controllers, os.path.normpath(os.path.join(point, inner))))
    return found


def _c(text):
    # A JSON string is a C string, but for escapes that no config of the bench has.
    return "NULL" if text is None else json.dumps(text)


def _mounts(config, cgroups, private):
    """Rows of struct mount. A target below an earlier mount has to be made first."""
    covered = []
    for mount in config["mounts"]:
        target = mount["destination"].lstrip("/")
        options = mount.get("options", [])
        flags = sum(MOUNT_FLAGS.get(option, 0) for option in options)
        data = ",".join(option for option in options if option not in MOUNT_FLAGS)
        make = any(target.startswith(c + "/") for c in covered)
        if mount["type"] != "cgroup":
            yield mount["type"], mount["source"], target, flags, data, make
        elif not cgroups:
            yield "cgroup2", "cgroup", target, flags, "", False
        else:
            yield "tmpfs", "tmpfs", target, flags & ~1, "mode=755", make
            for point, controllers, own in cgroups:
                inner = f"{target}/{os.path.basename(point)}"
                if private:
                    yield "cgroup", "cgroup", inner, flags, controllers, True
                else:
                    yield None, own, inner, flags | MOUNT_FLAGS["bind"], "", True
        if mount["type"] == "tmpfs":
            covered.append(target)


def plan(config):
    """The text of plan.h."""
    process, linux = config["process"], config["linux"]
    clone = sum(NAMESPACES[namespace["type"]] for namespace in linux["namespaces"])
    cgroups = hierarchies()
    out = [f"#define CLONE_FLAGS {clone:#x}", f"#define HOSTNAME {_c(config['hostname'])}"]
    out.append(f"#define READONLY_ROOT {int(config['root'].get('readonly', False))}")
    out.append(f"#define NO_NEW_PRIVILEGES {int(process.get('noNewPrivileges', False))}")
    for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        held = process["capabilities"].get(name, [])
        out.append(f"#define {name.upper()} {sum(1 << CAPABILITIES.index(cap[4:]) for cap in held):#x}ULL")

    def table(kind, name, rows, end="0"):
        out.append(f"static const {kind} {name}[] = {{{' '.join(rows)} {end}}};")

    def quoted(rows):
        return (_c(row) + "," for row in rows)

    table("char *const", "cgroups", quoted(own for _, _, own in cgroups))
    table("char *const", "masked", quoted(linux.get("maskedPaths", [])))
    table("char *const", "readonly", quoted(linux.get("readonlyPaths", [])))
    table("char *const", "environment", quoted(process["env"]))
    rows = _mounts(config, cgroups, bool(clone & NAMESPACES["cgroup"]))
    table("struct mount", "mounts", (
        f"{{{_c(kind)}, {_c(source)}, {_c(target)}, {flags:#x}, {_c(data)}, {int(make)}}},"
        for kind, source, target, flags, data, make in rows
    ), end="{.target = NULL}")  # fmt: skip
    limits = (f"{{{r['type']}, {{{r['soft']}, {r['hard']}}}}}," for r in process.get("rlimits", []))
    table("struct limit", "limits", limits, end="{.resource = -1}")
    return "\n".join(out) + "\n"
