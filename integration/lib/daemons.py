# SPDX-License-Identifier: Apache-2.0
"""The clients' daemons, as an administrator would start them without systemd. They have the machine for themselves
(machine.py), so that every path is their default one."""
import os
import re
import subprocess
import time
from pathlib import Path

import machine


class Daemon:
    def __init__(self, *command, ready, **environment):
        name = Path(command[0]).name
        self.name, self.log = name, machine.STORE / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                          env={**os.environ, **environment})
        for _ in range(300):
            if subprocess.run(["bash", "-c", ready], capture_output=True).returncode == 0:
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.1)
        self.child.kill()
        raise SystemExit(f"{name} did not start:\n" + "\n".join(self.log.read_text().splitlines()[-40:]))

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise SystemExit(f"{self.name} did not end within 30 s of SIGTERM")


def version(program):
    """Of a client, as numbers: what it says of a failure changes from one to the next."""
    said = subprocess.check_output([program, "--version"], text=True)
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", said).groups()))


def snippet(document, name):
    """The code block of the document under docs/ whose first line is a comment or a title with this file name."""
    text = (machine.TOP / "docs" / document).read_text()
    found = re.search(rf"^`{re.escape(name)}`[^\n]*\n+```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise SystemExit(f"docs/{document} has no block for {name}")
    return found[1]


def configure(path, text):
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def containerd(configuration=""):
    """With what docs/clients.md adds to its configuration, and with what this machine needs besides."""
    configure("/etc/containerd/config.toml", "version = 2\noom_score = 0\n" + configuration)
    cri = "io.containerd.grpc.v1.cri" not in configuration.partition("disabled_plugins")[2]
    return Daemon("containerd", ready="ctr plugins ls | grep -E ' cri .* ok *$'" if cri else "ctr version")


def dockerd(*flags):
    return Daemon("dockerd", "--containerd", "/run/containerd/containerd.sock", "--exec-opt", "native.cgroupdriver=cgroupfs",
                  "--storage-driver", "overlay2", *flags, ready="docker version")


def registry():
    configure("/etc/docker/registry/config.yml", "version: 0.1\nlog: {level: error}\n"
              "storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}\nhttp: {addr: '127.0.0.1:5000'}\n")
    return Daemon("docker-registry", "serve", "/etc/docker/registry/config.yml", ready="curl -fs http://127.0.0.1:5000/v2/",
                  OTEL_TRACES_EXPORTER="none")


def bridge(name, address):
    machine.sh(f"ip link add {name} type bridge; ip address add {address} dev {name}; ip link set {name} up")
