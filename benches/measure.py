# SPDX-License-Identifier: Apache-2.0
"""One measurement each: time and peak memory by stopwatch.c, system calls by strace."""

import collections
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

Round = collections.namedtuple("Round", "ms rss_kib")


def stopwatch(tool, commands, rounds=1, limit=30, before=()):
    """Runs the commands one after the other, `rounds` times, and kills them all at the limit."""
    words = [word for command in commands for word in (";", *command)][1:]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*before, tool, str(rounds), *words], stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise RuntimeError(f"still running after {limit} s") from None
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(errors.read().strip() or f"exit status {process.returncode}")
    return [Round(int(ns) / 1e6, int(kib)) for ns, kib in map(str.split, output.splitlines())]


def attempt(tool, runtime, operation, rounds=1):
    """Its rounds, or none and a note: a runtime that fails or hangs now and then spoils its own figures only."""
    try:
        return stopwatch(tool, runtime.commands(operation), rounds)
    except RuntimeError as error:
        print(f"{runtime.name} {operation}: {error}", file=sys.stderr)
        runtime.clear()
        return []


def cold(tool, runtimes, operation, samples):
    """Half a second of quiet before each sample, as on a machine that starts a container now and then."""
    results = collections.defaultdict(list)
    for runtime in _interleaved(runtimes, samples):
        time.sleep(0.5)
        results[runtime.name] += attempt(tool, runtime, operation)
    return results


def warm(tool, runtimes, operation, samples):
    """Back to back, five at a time and then the next runtime's turn; the first of each turn only warms up."""
    results = collections.defaultdict(list)
    for runtime in _interleaved(runtimes, samples):
        results[runtime.name] += attempt(tool, runtime, operation, rounds=6)[1:]
    return results


def _interleaved(runtimes, samples):
    """Each has its turn, in another order each time: none always comes after the same other."""
    for turn in range(samples):
        for place in range(len(runtimes)):
            yield runtimes[(turn + place) % len(runtimes)]


def syscalls(tool, runtime, operation, directory):
    """A Counter of system calls for each process (or thread) of one operation, in the order they started; none for an
    operation that needs others done first."""
    if any("+" in command for command in runtime.commands(operation)):
        return []
    with tempfile.TemporaryDirectory(dir=directory) as traces:
        strace = ["strace", "-ff", "-qq", "-o", f"{traces}/trace"]
        stopwatch(tool, runtime.commands(operation), before=strace)
        files = sorted(os.scandir(traces), key=lambda entry: int(entry.name.split(".")[-1]))
        counts = [_count(entry.path) for entry in files]
    # The stopwatch itself is not part of the operation; calls that never return (exit_group) are not counted by -c either.
    return counts[1:]


def _count(path):
    counts = collections.Counter()
    for line in open(path, errors="replace"):
        call = re.match(r"(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
        if call and "<unfinished" not in line and not line.endswith("= ?\n"):
            counts[call[1]] += 1
    return counts


def instructions(tool, runtime, operation):
    """Of all processes, in user space, by perf stat; None where the machine has no such counter."""
    with tempfile.NamedTemporaryFile("r") as output:
        perf = ["perf", "stat", "-x", ",", "-e", "instructions:u", "-o", output.name]
        try:
            stopwatch(tool, runtime.commands(operation), before=perf)
        except (RuntimeError, FileNotFoundError):
            return None
        counted = re.search(r"^(\d+),", output.read(), re.MULTILINE)
        return int(counted[1]) if counted else None
