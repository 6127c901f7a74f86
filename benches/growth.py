# SPDX-License-Identifier: Apache-2.0
"""How the time of a start grows: with mounts on the host, with containers that run, with mounts in the config; how many
start in a second side by side; and how little memory one starts in."""

import contextlib
import copy
import ctypes
import os
import statistics
import subprocess
import time

import machine
import measure
import runtimes

HOST_MOUNTS, CONTAINERS, CONFIG_MOUNTS, PARALLEL = (0, 1000, 5000), (0, 200, 1000), (0, 50, 500), (1, 2, 8)
LIMITS_KIB = (128, 192, 256, 384, 512, 768, 1024, 2048, 3072, 4096, 8192, 16384)
MS_BIND = 4096


def table(tool, everyone, directory, config):
    names = [runtime.name for runtime in everyone]
    peers = [runtime for runtime in everyone if runtime.name != "floor"]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]

    def row(title, cells):
        lines.append(f"| {title} | {' | '.join(str(cells.get(name, '-')) for name in names)} |")
        print(lines[-1], flush=True)

    for title, cells in _grown("mounts on the host", HOST_MOUNTS, everyone, tool, lambda n: _host_mounts(directory, n)):
        row(title, cells)
    for title, cells in _grown("containers running", CONTAINERS, everyone, tool, lambda n: _containers(peers, n)):
        row(title, cells)
    for title, cells in _grown("more mounts in the config", CONFIG_MOUNTS, peers, tool, lambda n: _config(directory, config, n)):
        row(title, cells)
    for n in PARALLEL:
        row(f"containers per second, {n} at a time", {r.name: _per_second(r, n) for r in peers})
    row("lowest memory limit, 5 of 5 starts, KiB", {r.name: _lowest(tool, r, directory, config) for r in peers})
    return "\n".join(lines)


def _grown(what, counts, runtimes, tool, world):
    """The median of warm runs in each world, and as a multiple of the first."""
    first = {}
    for n in counts:
        with world(n):
            rounds = measure.warm(tool, runtimes, "run", 3)
        median = {name: statistics.median(r.ms for r in some) for name, some in rounds.items() if some}
        first = first or median
        yield f"{n} {what}, ms", {name: f"{ms:.2f} ({ms / first[name]:.2f})" for name, ms in median.items() if name in first}


@contextlib.contextmanager
def _host_mounts(directory, count):
    """In a mount namespace that is the bench's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    top = directory / "host-mounts"
    top.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top], check=True)
    try:
        for number in range(count):
            place = str(top / str(number)).encode()
            os.mkdir(place)
            if libc.mount(place, place, None, MS_BIND, None):
                raise OSError(ctypes.get_errno(), "unable to mount")
        yield
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", top], check=True)


@contextlib.contextmanager
def _containers(peers, count):
    """So many in all, of each runtime as many."""
    made = []
    try:
        for runtime in peers:
            for number in range(round(count / len(peers))):
                runtime.start(f"n{number}")
                made.append((runtime, f"n{number}"))
        yield
    finally:
        for runtime, name in made:
            runtime.stop(name)


@contextlib.contextmanager
def _config(directory, config, count):
    """The bundle that `run` runs, with so many more."""
    more = copy.deepcopy(config)
    for number in range(count):
        options = ["nosuid", "nodev", "size=4k"]
        more["mounts"].append({"destination": f"/dev/m{number}", "type": "tmpfs", "source": "tmpfs", "options": options})
    _bundle(directory, more)
    try:
        yield
    finally:
        _bundle(directory, config)


def _bundle(directory, config):
    runtimes.write(directory / "true", directory / "rootfs", config)


def _per_second(runtime, at_a_time, seconds=4):
    """Each of so many loops runs one container after the other, for some seconds."""
    loop = 'end=$(($(date +%s%N) + $1 * 1000000000)); shift; n=0; while [ $(date +%s%N) -lt $end ]; do "$@" >/dev/null 2>&1 && n=$((n+1)); done; echo $n'
    start = time.monotonic()
    loops = []
    for number in range(at_a_time):
        [command] = runtime.commands("run")
        command = [*command[:-1], f"{command[-1]}-{number}"]
        loops.append(subprocess.Popen(["sh", "-c", loop, "sh", str(seconds), *command], stdout=subprocess.PIPE, text=True))
    done = sum(int(loop.communicate()[0]) for loop in loops)
    return f"{done / (time.monotonic() - start):.0f}"


def _lowest(tool, runtime, directory, config):
    for kib in LIMITS_KIB:
        limited = copy.deepcopy(config)
        limited["linux"].setdefault("resources", {})["memory"] = {"limit": kib << 10}
        _bundle(directory, limited)
        try:
            measure.stopwatch(tool, runtime.commands("run"), rounds=5)
            return kib
        except RuntimeError:
            runtime.clear()
        finally:
            _bundle(directory, config)
    return "more"
