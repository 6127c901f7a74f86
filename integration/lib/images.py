# SPDX-License-Identifier: Apache-2.0
"""The images of all walks, from Debian's busybox: an OCI layout, which lade loads and saves in the forms clients read.

    busybox     a shell, users, a web page
    layered     on top of it: a changed file, a whiteout, an opaque directory; user, entrypoint, environment, volume
    pause       sleeps: the first container of a pod
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

import machine

LAYOUT = machine.STORE / "layout"
ARCHIVES = machine.STORE / "images"
PREFIX = "docker.io/library/"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USERS = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
GROUPS = "root:x:0:\ntty:x:5:\napp:x:1000:\nextra:x:2000:app\nnogroup:x:65534:\n"
OCI = "application/vnd.oci.image."


def blob(kind, data):
    digest = hashlib.sha256(data).hexdigest()
    (LAYOUT / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": OCI + kind, "digest": f"sha256:{digest}", "size": len(data)}


def layer(files):
    """Name to content; a pair is a link and its target, None a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = {"tmp": 0o1777, "bin/busybox": 0o755}.get(name, 0o755 if content is None else 0o644)
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(content, tuple):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[1]
            else:
                content = content.encode() if isinstance(content, str) else content
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content) if entry.isreg() else None)
    data = buffer.getvalue()
    return blob("layer.v1.tar+gzip", gzip.compress(data, 6, mtime=0)), "sha256:" + hashlib.sha256(data).hexdigest()


def image(name, layers, **config):
    text = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux", "created": "2020-01-01T00:00:00Z",
            "config": {"Env": [PATH], **config}, "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
            "history": [{"created_by": "walk"} for _ in layers]}
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": blob("config.v1+json", json.dumps(text).encode()), "layers": [data for data, _ in layers]}
    entry = blob("manifest.v1+json", json.dumps(manifest).encode())
    return {**entry, "annotations": {"org.opencontainers.image.ref.name": name}}


def busybox():
    applets = subprocess.check_output(["busybox", "--list"], text=True).split()
    files = {name: None for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var", "var/www")}
    files["bin/busybox"] = open("/bin/busybox", "rb").read()
    files.update({f"bin/{name}": ("->", "busybox") for name in applets if name != "busybox"})
    return layer({**files, "etc/passwd": USERS, "etc/group": GROUPS, "var/www/index.html": "hello\n"})


def make():
    """The archives: NAME.oci.tar and NAME.docker.tar of each."""
    (LAYOUT / "blobs/sha256").mkdir(parents=True)
    ARCHIVES.mkdir()
    os.environ["LADE_ROOT"] = str(machine.STORE / "lade")
    base = busybox()
    data = {"data": None, "data/a": "one\n", "data/gone": "x\n", "data/sub": None, "data/sub/old": "x\n"}
    change = {"data/a": "changed\n", "data/.wh.gone": "", "data/sub/.wh..wh..opq": "", "data/sub/new": "new\n"}
    manifests = [
        image("busybox", [base], Cmd=["/bin/sh"]),
        image("layered", [base, layer(data), layer(change)], User="app", Env=[PATH, "FOO=bar"], Entrypoint=["/bin/echo"],
              Cmd=["hi"], Volumes={"/vol": {}}, ExposedPorts={"80/tcp": {}}, StopSignal="SIGUSR1", Labels={"who": "layered"}),
        image("pause", [base], Entrypoint=["/bin/sleep", "2147483647"]),
    ]
    (LAYOUT / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (LAYOUT / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    for name in ("busybox", "layered", "pause"):
        whole = f"{PREFIX}{name}:latest"
        machine.sh(f"lade pull -q --name {whole} oci:{LAYOUT}:{name} >/dev/null")
        for form in ("oci", "docker"):
            machine.sh(f"lade save {whole} -o {form}-archive:{ARCHIVES}/{name}.{form}.tar")
