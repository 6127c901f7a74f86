# SPDX-License-Identifier: Apache-2.0
"""What the bench changes on this machine, and takes back: a work directory, and v1 mounts of stray v2 controllers."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).parent
CGROUP = pathlib.Path("/sys/fs/cgroup")
CLONE_NEWNS, MS_REC_PRIVATE = 0x20000, 0x4000 | 1 << 18


@contextlib.contextmanager
def work_directory():
    # The pid lets hack/clean find what a killed bench left.
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"tare-bench-{os.getpid()}."))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def states(directory):
    """Where the runtimes keep what they know of their containers: a tmpfs, as /run is wherever systemd is."""
    path = directory / "state"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tare-bench", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextlib.contextmanager
def whole_v1():
    """crun refuses a hybrid machine with a controller left in the unified hierarchy ("hybrid mode not supported").

    Such a controller is mounted as v1 while the bench runs, in a mount namespace of our own.
    """
    left = CGROUP / "unified/cgroup.controllers"
    names = left.read_text().split() if left.exists() else []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "unable to leave the host's mount namespace")
    with contextlib.ExitStack() as stack:
        for name in names:
            path = CGROUP / name
            if not path.exists():
                path.mkdir()
                stack.callback(path.rmdir)
            _mount(name, path)
            stack.callback(_give_back, name, path)
        yield


def _mount(controller, path):
    subprocess.run(["mount", "-t", "cgroup", "-o", controller, "cgroup", path], check=True)


def _give_back(controller, path):
    """Ends a hierarchy. One that still has a dying cgroup in it outlives its last mount: then mount and unmount again."""
    for _ in range(20):
        subprocess.run(["umount", path], check=True)
        for _ in range(10):
            time.sleep(0.1)  # the kernel ends it asynchronously
            if f"{controller}\t0\t" in pathlib.Path("/proc/cgroups").read_text():
                return
        _mount(controller, path)
    subprocess.run(["umount", path], check=True)


def compile(source, output, *flags):
    command = ["gcc", "-O2", "-static", *flags, "-o", output, HERE / source]
    subprocess.run(command, check=True)
    return str(output)
