# SPDX-License-Identifier: Apache-2.0
"""Steps of a walk: a line of shell and what must come of it.

    walk = Walk("docker")
    walk.step("exit status", "docker run --rm busybox sh -c 'exit 7'", 7)            this exit status
    walk.step("hostname", "docker run --rm --hostname h busybox hostname", "^h$")    0, and stdout matches
    walk.step("no file", "docker run --rm busybox cat /x", (1, "No such file"))      both; stdout and stderr match
    walk.soon("logs", "docker logs c", "ready")                                      tried again for ten seconds
    walk.end()                                                                       says what is left; exits

integration/expected-failures names the steps that fail on another runtime, with the reason. One that passes is a failure.
"""
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

LIMIT = 90


class Walk:
    def __init__(self, client, lossy=None):
        """Lossy: a command that now and then loses all output of what ends at once, and is then run again."""
        self.client, self.lossy = client, lossy
        self.runtime = Path(os.environ["WALK_RUNTIME"]).name
        self.passed = self.failed = 0
        self.expected = expected_failures(client, self.runtime)
        print(f"== {client} on {self.runtime}")

    def steps(self, table):
        for row in table:
            self.step(*row)

    def step(self, name, line, want=0, within=0, limit=LIMIT):
        deadline, losses = time.monotonic() + within, 2
        while True:
            status, out, err = run(line, limit)
            fault = judge(want, status, out, err)
            if fault.startswith("no match") and not out and self.lossy and self.lossy in line and losses:
                losses -= 1
                continue
            if not fault or time.monotonic() > deadline:
                return self.count(name, fault, f"{line}\n{err}{out}")
            time.sleep(0.2)

    def soon(self, name, line, want):
        return self.step(name, line, want, within=10)

    def check(self, name, fault, detail=""):
        """A step that is no command: fault says what is wrong, if anything."""
        return self.count(name, fault, detail)

    def skip(self, name, reason):
        print(f"skip  {name}: {reason}")

    def count(self, name, fault, detail):
        reason = self.expected.pop(name, None)
        if reason and fault:
            print(f"known {name}: {reason}")
            return False
        if reason:
            fault = f"passed, though expected-failures says: {reason}"
        if fault:
            self.failed += 1
            print(f"FAIL  {name}: {fault}")
            print("\n".join("      " + text for text in detail.strip().splitlines()[:12]))
        else:
            self.passed += 1
            print(f"ok    {name}")
        return not fault

    def end(self, *borne):
        """Borne: paths that the client itself leaves, whatever the runtime."""
        found = machine.leftovers(*borne)
        for _ in range(20):  # a shim goes some time after its daemon
            if not found:
                break
            time.sleep(0.5)
            found = machine.leftovers(*borne)
        self.check("nothing is left", f"{len(found)} things" if found else "", "\n".join(found))
        for name in self.expected:
            self.check(name, "in expected-failures, but no such step")
        print(f"{self.client} on {self.runtime}: {self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def judge(want, status, out, err):
    """What is wrong, if anything."""
    if isinstance(want, int):
        want = (want, "")
    elif isinstance(want, str):
        want, err = (0, want), ""
    code, pattern = want
    if status != code:
        return f"exit status {status}, not {code}"
    if not re.search(pattern, out + err, re.MULTILINE):
        return f"no match for {pattern!r}"
    return ""


def run(line, limit=LIMIT):
    """Status, stdout, stderr of a line of bash. Files, since what it leaves behind would hold a pipe open. Not where we
    are: there conmon would leave its mark that a container was out of memory."""
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        child = subprocess.Popen(["bash", "-c", line], cwd="/tmp", stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 start_new_session=True)
        try:
            status = child.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # clients pass SIGTERM on, and stay
            child.wait()
            status = f"none after {limit} s"
        out.seek(0)
        err.seek(0)
        return status, out.read().replace("\r", ""), err.read()


def terminal(line):
    """The line, on a terminal."""
    return f"script --quiet --return --command {shlex.quote(line)} /dev/null </dev/null"


def expected_failures(client, runtime):
    """Lines of `client runtime: step # reason`."""
    found = {}
    for line in (machine.TOP / "integration/expected-failures").read_text().splitlines():
        match = re.fullmatch(r"(\S+) (\S+): (.*\S)\s+# (.+)", line)
        if match and match[1] == client and match[2] == runtime:
            found[match[3]] = match[4]
    return found
