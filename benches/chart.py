# SPDX-License-Identifier: Apache-2.0
"""The medians of cold starts as bars, in SVG, and the place of table and chart in README.md."""

import statistics

import machine
from runtimes import OPERATIONS

COLOURS = ("#0b7a75", "#b0a8b9", "#8a8f98", "#5f6b7a", "#d9d4cf", "#c0b283")
BAR, GAP, LEFT, WIDTH = 14, 18, 190, 720
README = machine.HERE.parent / "README.md"
CHART = machine.HERE.parent / "docs/bench.svg"
BEGIN, END = "<!-- hack/bench --readme -->", "<!-- end -->"


def svg(names, results):
    """One group of bars an operation, each as long as its median, all to one scale."""
    groups = []
    for operation, measured in results.items():
        times = measured.get("cold", {})
        median = {name: statistics.median(r.ms for r in times[name]) for name in names if times.get(name)}
        if median:
            groups.append((OPERATIONS[operation], median))
    longest = max((max(median.values()) for _, median in groups), default=1)
    rows, y = [], GAP
    for title, median in groups:
        rows.append(_text(LEFT - 10, y + BAR, title, "end"))
        for name, ms in median.items():
            length = max(1, ms / longest * (WIDTH - LEFT - 130))
            colour = COLOURS[names.index(name) % len(COLOURS)]
            rows.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{colour}"/>')
            rows.append(_text(LEFT + length + 6, y + BAR - 4, f"{name} {ms:.1f} ms", "start"))
            y += BAR
        y += GAP
    frame = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="11"'
    background = f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>', background, *rows, "</svg>"]) + "\n"


def _text(x, y, text, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333333">{text}</text>'


def into_readme(machine_text, table, chart):
    """Between the two marks, which stay."""
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    picture = "![Cold starts: the median time of each operation](docs/bench.svg)"
    README.write_text(f"{before}{BEGIN}\n{machine_text}\n\n{table}\n\n{picture}\n{END}{after}")
    CHART.write_text(chart)
