# SPDX-License-Identifier: Apache-2.0
"""The figures as a markdown table; the subject's ratio to each of the others beside them."""

import collections
import os
import platform
import statistics

from runtimes import OPERATIONS


def table(names, results):
    """`results`: operation -> {"cold" | "warm" | "rss": name -> [Round], "syscalls": name -> [Counter]}"""
    ratios = [f"{names[0]}/{name}" for name in names[1:]]
    lines = [f"| | {' | '.join([*names, *ratios])} |", "|---" * (2 * len(names)) + "|"]
    for operation, measured in results.items():
        title = OPERATIONS[operation]
        for how in ("cold", "warm"):
            if how in measured:
                ms = {name: [r.ms for r in rounds] for name, rounds in measured[how].items() if rounds}
                median = {name: statistics.median(all) for name, all in ms.items()}
                cells = {name: f"{median[name]:.2f} ({min(ms[name]):.2f})" for name in ms}
                lines.append(_row(f"{title}, {how}, ms: median (minimum)", names, cells, median))
        peak = {name: max(r.rss_kib for r in rounds) / 1024 for name, rounds in measured["rss"].items()}
        lines.append(_row(f"{title}, peak RSS, MiB", names, {name: f"{v:.1f}" for name, v in peak.items()}, peak))
        calls = _calls(measured)
        if calls:
            lines.append(_row(f"{title}, system calls", names, calls, calls))
        counted = {name: n for name, n in measured["instructions"].items() if n}
        if counted:
            cells = {name: f"{n / 1e6:.2f}" for name, n in counted.items()}
            lines.append(_row(f"{title}, instructions in user space, millions", names, cells, counted))
    return "\n".join(lines)


def _calls(measured):
    calls = {name: sum(c.total() for c in processes) for name, processes in measured["syscalls"].items()}
    return {name: count for name, count in calls.items() if count}


def summary(names, results):
    """What the README shows: how long in the others' time, and the counts of a run."""
    others = names[1:]
    lines = [f"| {names[0]}, as a part of | {' | '.join(others)} |", "|---" * (1 + len(others)) + "|"]
    for operation, measured in results.items():
        for how in ("cold", "warm"):
            if how in measured:
                median = {name: statistics.median(r.ms for r in rounds) for name, rounds in measured[how].items() if rounds}
                cells = [f"{median[names[0]] / median[n]:.2f}" if n in median else "" for n in others]
                lines.append(f"| {OPERATIONS[operation]}, {how} | {' | '.join(cells)} |")
    lines += ["", f"| `run` | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for title, values in (
        ("system calls, all processes", _calls(results["run"])),
        ("peak memory, MiB", {n: f"{max(r.rss_kib for r in m) / 1024:.1f}" for n, m in results["run"]["rss"].items()}),
    ):
        lines.append(f"| {title} | {' | '.join(str(values.get(n, '')) for n in names)} |")
    return "\n".join(lines)


def _row(label, names, cells, values):
    def ratio(name):
        return f"{values[names[0]] / values[name]:.2f}" if names[0] in values and name in values else "-"

    return "| " + " | ".join([label, *(str(cells.get(n, "-")) for n in names), *map(ratio, names[1:])]) + " |"


def breakdown(names, results):
    """Where the system calls are, by name: each process of the subject, and the whole of the others."""
    lines = []
    for operation, measured in results.items():
        lines.append(f"\n{OPERATIONS[operation]}")
        for index, counts in enumerate(measured["syscalls"].get(names[0], []), 1):
            lines.append(f"  {names[0]}, process {index}: {_names(counts)}")
        for name in names:
            all = sum(measured["syscalls"].get(name, []), collections.Counter())
            lines.append(f"  {name}, all: {_names(all)}")
    return "\n".join(lines)


def _names(counts):
    return f"{counts.total()} = " + " ".join(f"{name}:{count}" for name, count in counts.most_common())


def machine(runtimes):
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [f"Linux {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, load {load}"]
    for runtime in runtimes:
        size = os.path.getsize(runtime.path) / 2**20
        lines.append(f"- {runtime.name}: {runtime.version()}, {size:.1f} MiB")
    return "\n".join(lines)


def as_json(runtimes, results):
    def samples(rounds):
        return {"ms": [round(r.ms, 3) for r in rounds], "rss_kib": [r.rss_kib for r in rounds]}

    def plain(measured):
        times = {how: {n: samples(r) for n, r in measured[how].items()} for how in ("cold", "warm") if how in measured}
        return times | {"syscalls": measured["syscalls"]}

    return {
        "machine": {"kernel": platform.release(), "arch": platform.machine(), "cpus": os.cpu_count()},
        "runtimes": {runtime.name: {"path": runtime.path, "version": runtime.version()} for runtime in runtimes},
        "operations": {operation: plain(measured) for operation, measured in results.items()},
    }
