# SPDX-License-Identifier: Apache-2.0
"""Measures container starts: RUNTIME (tare) beside PEER=, crun, runc and the floor, interleaved, in one run.

Load comes and goes: trust the ratios of one run, and the counts of system calls.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys

import chart
import growth
import machine
import measure
import report
import runtimes


def arguments():
    parser = argparse.ArgumentParser(prog="hack/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few samples: under a minute")
    parser.add_argument("--syscalls", action="store_true", help="no times: system calls by process and name, and RSS")
    parser.add_argument("--growth", action="store_true", help="how a start grows with the host and the config; in parallel")
    parser.add_argument("--readme", action="store_true", help="write the table and the chart into README.md and docs/")
    parser.add_argument("--only", metavar="OPERATION", nargs="+", choices=list(runtimes.OPERATIONS), help="just these")
    parser.add_argument("--seccomp", action="store_true", help="the seccomp filters alone; must come first")
    parser.add_argument("--json", metavar="FILE", help="write all samples there as well")
    return parser.parse_args()


def able(tool, operation, everyone):
    """Those that manage the operation, with their first rounds; these also make the mount points in the rootfs."""
    rounds = {}
    for runtime in (runtime for runtime in everyone if operation in runtime.operations):
        try:
            if operation in runtimes.IN_A_CONTAINER:
                runtime.stop()
                runtime.start()
        except (RuntimeError, OSError) as error:
            print(f"{runtime.name}: no container to exec into: {error}", file=sys.stderr)
            continue
        if first := measure.attempt(tool, runtime, operation, rounds=3):
            rounds[runtime] = first
    return rounds


def measured(options, tool, everyone, directory):
    cold, warm = (4, 3) if options.quick else (20, 10)
    results = {}
    for operation in options.only or runtimes.OPERATIONS:
        first = able(tool, operation, everyone)
        one = results[operation] = {"rss": {runtime.name: rounds for runtime, rounds in first.items()}}
        if not options.syscalls:
            one["cold"] = measure.cold(tool, list(first), operation, cold)
            one["warm"] = measure.warm(tool, list(first), operation, warm)
        one["syscalls"] = {runtime.name: measure.syscalls(tool, runtime, operation, directory) for runtime in first}
        one["instructions"] = {runtime.name: measure.instructions(tool, runtime, operation) for runtime in first}
    return results


def main():
    options = arguments()
    # A polite end runs the clean-up below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(machine.work_directory())
        stack.enter_context(machine.whole_v1())
        stack.enter_context(machine.states(directory))
        tool = machine.compile("stopwatch.c", directory / "stopwatch")
        everyone = runtimes.candidates(os.environ, directory)
        config = runtimes.bundles(directory, everyone)
        everyone.append(runtimes.Floor(directory, config))
        for runtime in everyone:
            stack.callback(runtime.stop)
        names = [runtime.name for runtime in everyone]
        if options.growth:
            print(f"{report.machine(everyone)}\n\n{growth.table(tool, everyone, directory, config)}")
            return
        results = measured(options, tool, everyone, directory)
        print(f"{report.machine(everyone)}\n\n{report.table(names, results)}")
        if options.readme:
            chart.into_readme(report.machine(everyone), report.summary(names, results), chart.svg(names, results))
        if options.syscalls:
            print(report.breakdown(names, results))
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report.as_json(everyone, results), indent=1) + "\n")
    if any(names[0] not in measured["rss"] for measured in results.values()):
        sys.exit(f"{names[0]} failed: see above")


main()
