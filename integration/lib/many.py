# SPDX-License-Identifier: Apache-2.0
"""Many containers, one after the other and at once: 10 and 10 in a row and together, or with LONG=1 500 and 50."""
import os

ROW, TOGETHER = (500, 50) if os.environ.get("LONG") else (10, 10)


def many(walk, run, what):
    """run: a line for one container, with $i in its name; it says `done-$i`."""
    # What is not as it should be is kept, to be shown: its number, exit status and output.
    one = f'out=$({run} 2>&1); s=$?; [ "$s $out" = "0 done-$i" ] && echo done || echo "$i: $s $out" >&2'
    row = f"for i in $(seq {ROW}); do {one}; done"
    together = f"for i in $(seq {TOGETHER}); do ({one}) & done; wait"
    for name, line, count in ((f"{ROW} in a row", row, ROW), (f"{TOGETHER} at once", together, TOGETHER)):
        walk.step(f"{name}: {what}", f"({line}) | grep -c done", f"^{count}$", limit=count * 3 + 60)


def many_of_ctr(walk, run, image):
    # ctr loses the output of what ends before it has opened the pipes.
    many(walk, f'{run} --rm {image} many-$BASHPID-$i sh -c "echo done-$i; sleep 0.2"', "ctr run --rm")
