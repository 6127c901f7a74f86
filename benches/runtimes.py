# SPDX-License-Identifier: Apache-2.0
"""The runtimes that are compared, and the command lines of each operation."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import floor
import machine

OPERATIONS = {
    "run": "run",
    "run-docker": "run, Docker's config",
    "run-kubernetes": "run, a pod's config",
    "life": "create + start + wait + delete",
    "exec": "exec",
    "state": "state",
    "kill": "kill",
    "delete": "delete",
}
# For these a container is up, from `start` to `stop`.
IN_A_CONTAINER = ("exec", "state", "kill")
LIMIT = 30


class Runtime:
    """A runtime with a state root of its own; a container of it is up from `start` to `stop`."""

    def __init__(self, name, path, bundles):
        self.name, self.path, self.bundles = name, path, bundles
        self.root = bundles / "state" / self.name
        self.id = f"tare-bench-{os.getpid()}-{self.name}"

    operations = tuple(OPERATIONS)

    def argv(self, *words):
        return [self.path, "--root", str(self.root), *map(str, words)]

    def commands(self, operation):
        verb, _, config = operation.partition("-")
        create = ["--bundle", self.bundles / (config or "true"), self.id]
        up = self.id + "-up"
        delete = self.argv("delete", self.id)
        return {
            "run": [self.argv("run", *create)],
            "life": [self.argv("create", *create), self.argv("start", self.id), ["wait"], delete],
            "exec": [self.argv("exec", up, "/true")],
            "state": [self.argv("state", up)],
            "kill": [self.argv("kill", up, "CONT")],
            "delete": [["+", *self.argv("create", *create)], ["+", *self.argv("start", self.id)], ["+", "wait"], delete],
        }[verb]

    def start(self, name="up"):
        self._call("run", "--detach", "--bundle", self.bundles / "pause", f"{self.id}-{name}")

    def clear(self):
        """Removes what a failed operation left."""
        self._delete(self.id)

    def stop(self, name="up"):
        self._delete(self.id)
        self._delete(f"{self.id}-{name}")

    def _delete(self, name):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(self.argv("delete", "--force", name), timeout=LIMIT, check=False, **silent)

    def version(self):
        return subprocess.run([self.path, "--version"], capture_output=True, text=True).stdout.split("\n")[0]

    def _call(self, *words):
        # Not a pipe: the container holds stderr for as long as it lives.
        with open(self.root.with_suffix(".log"), "w+") as log:
            call = subprocess.run(self.argv(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=LIMIT)
            if call.returncode:
                log.seek(0)
                raise RuntimeError(log.read().strip() or f"exit status {call.returncode}")


class Floor:
    """floor.c, which has no create and start: its `run` stands for them."""

    name = "floor"
    operations = ("run", "life", "exec")

    def __init__(self, bundles, config):
        self.running = None
        (bundles / "plan.h").write_text(floor.plan(config))
        self.path = machine.compile("floor.c", bundles / "floor", "-I", str(bundles))
        self.rootfs = str(bundles / "rootfs")
        self.id = f"tare-bench-{os.getpid()}-floor"

    def commands(self, operation):
        if operation == "exec":
            return [[self.path, "exec", self.id + "-up", str(self.init), "/true"]]
        return [[self.path, "run", self.id, self.rootfs, "/true"]]

    def start(self):
        self.running = subprocess.Popen([self.path, "run", self.id + "-up", self.rootfs, "/pause"])
        children = pathlib.Path(f"/proc/{self.running.pid}/task/{self.running.pid}/children")
        end = time.monotonic() + LIMIT
        while not (pids := children.read_text().split()) or "pause" not in _comm(pids[0]):
            if self.running.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the floor's container did not start")
            time.sleep(0.01)
        self.init = int(pids[0])

    def clear(self):
        """It removes its cgroups itself, even when its child fails."""

    def stop(self):
        if self.running and self.running.poll() is None:
            os.kill(self.init, 9)
            self.running.wait()

    def version(self):
        return "the kernel calls that the config demands (benches/floor.c)"


def _comm(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text()


def bundles(directory, candidates):
    """Bundles around one rootfs: of the config that the first `spec` prints one that ends at once (true) and one that
    stays (pause), and one for each of configs/. Returns the first's config."""
    rootfs = directory / "rootfs"
    for name in ("dev", "proc", "sys", "etc"):
        (rootfs / name).mkdir(parents=True)
    for name, flags in (("true", []), ("pause", ["-DPAUSE"])):
        machine.compile("payload.c", rootfs / name, "-nostartfiles", *flags)
        bundle = directory / name
        bundle.mkdir()
        for candidate in candidates:
            if subprocess.run([candidate.path, "spec", "--bundle", bundle], check=False).returncode == 0:
                break
        config = json.loads((bundle / "config.json").read_text())
        config["process"] |= {"terminal": False, "args": ["/" + name]}
        write(bundle, rootfs, config)
    for path in (machine.HERE / "configs").iterdir():
        config = json.loads(path.read_text())
        if path.stem == "docker":
            # As the tests have it: Docker's default profile, as it came to a runtime.
            config["linux"]["seccomp"] = json.loads((machine.HERE / "../tests/seccomp/profiles/docker.json").read_text())
        write(directory / path.stem, rootfs, config)
    return json.loads((directory / "true/config.json").read_text())


def write(bundle, rootfs, config):
    """A bundle of the config. A mount's source with @ is made beside it, a directory where it ends in a slash."""
    bundle.mkdir(exist_ok=True)
    for mount in config["mounts"]:
        if mount["source"].startswith("@"):
            source = bundle / mount["source"][1:]
            source.mkdir(exist_ok=True) if mount["source"].endswith("/") else source.touch()
            mount["source"] = str(source)
    config["root"]["path"] = str(rootfs)
    config["ociVersion"] = "1.0.0"  # crun 1.8 refuses what it does not know; the config has nothing newer
    (bundle / "config.json").write_text(json.dumps(config))


def candidates(environment, directory):
    """The runtime that is measured, then its peers, each under a name of its own."""
    debian = filter(None, map(shutil.which, ("crun", "runc")))
    paths = [environment["RUNTIME"], *environment.get("PEER", "").split(), *debian]
    found = {}
    for path in dict.fromkeys(os.path.realpath(path) for path in paths):
        name = os.path.basename(path)
        while name in found:
            name += "'"
        found[name] = Runtime(name, path, directory)
    return list(found.values())
