"""Draws the streams of bench/RESULTS.json as bars, images a second: docs/bench.svg, readable on light and on dark pages.

Run:  python bench/chart.py [bench/RESULTS.json] [docs/bench.svg]
"""

import json
import os
import statistics
import sys
from html import escape

from harness import HERE

TITLES = {"article": ("training", "decode, resize, augment, crop"), "rrc": ("training", "decode, random resized crop, flip"),
          "eval224": ("evaluation", "decode, resize 224"), "cached": ("from the memory cache", "augmentation only")}
BARS = ("tfr", "tf.data", "DALI", "OpenCV")
WIDTH, LEFT, RIGHT = 760, 280, 120
TOP, BAR, GAP, GROUP = 66, 15, 3, 20
STYLE = """
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.strong { font-weight: 600 }
.dim { fill: #59636e; font-size: 12px }
.tfr { fill: #c2410c } .tfdata { fill: #64748b } .dali { fill: #8b9bb0 } .opencv { fill: #b3c0d0 }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .dim { fill: #9198a1 }
  .tfr { fill: #f0803c } .tfdata { fill: #8796ab } .dali { fill: #66758a } .opencv { fill: #4b586a }
  .axis { stroke: #3d444d }
}
"""


def groups(found):
    """[(row's key, {program: (median rate, median ratio of tfr's to it)})] of what was measured, in the order of TITLES."""
    measured = {}
    for row in found["rows"]:
        if row["ratio"] and row["other"] in BARS:
            bars = measured.setdefault(row["key"], {"tfr": (statistics.median(v for v in row["ours"] if v), 1.0)})
            bars[row["other"]] = (statistics.median(v for v in row["theirs"] if v), row["ratio"]["median"])
    return [(key, measured[key]) for key in TITLES if key in measured]


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def draw(found):
    measured = groups(found)
    if not measured:
        sys.exit("no stream was measured beside a peer")
    cores, rounds = found["machine"]["cores"], found["rounds"]
    parts = [text(0, 18, f"Images a second into f32 batches of 32, {cores} CPU cores", "title"),
             text(0, 38, f"The same shards and the same work, measured in turn: medians, rounds: {rounds}. Each group has its own scale.", "dim")]
    y = TOP
    for key, bars in measured:
        title, detail = TITLES[key]
        parts += [text(0, y + 12, title), text(0, y + 29, detail, "dim")]
        top, scale = y, (WIDTH - LEFT - RIGHT) / max(rate for rate, _ in bars.values())
        for name in BARS:
            if name not in bars:
                continue
            (rate, ratio), mine = bars[name], name == "tfr"
            label = f"{rate:,.0f}" + ("" if mine else f" (tfr: {ratio:.1f}x)")
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{max(rate * scale, 1):.1f}" height="{BAR}" class="{name.replace(".", "").lower()}"/>')
            parts += [text(LEFT - 8, y + 12, name, "strong" if mine else "dim", "end"),
                      text(LEFT + rate * scale + 7, y + 12, label, "strong" if mine else "dim")]
            y += BAR + GAP
        parts.append(f'<line x1="{LEFT}" x2="{LEFT}" y1="{top - 4}" y2="{y + 1}" class="axis"/>')
        y = max(y, top + 36) + GROUP
    height = y - GROUP + 8
    summary = "; ".join(f"{TITLES[key][1]}: " + ", ".join(f"{n} {bars[n][0]:,.0f}" for n in BARS if n in bars) for key, bars in measured)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">\n'
            f"<title>{escape('Images a second. ' + summary)}</title>\n<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n")


def main():
    source, target = [*sys.argv[1:], *[os.path.join(HERE, "RESULTS.json"), os.path.join(HERE, "..", "docs", "bench.svg")][len(sys.argv) - 1:]][:2]
    with open(source, encoding="utf-8") as f:
        found = json.load(f)
    with open(target, "w", encoding="utf-8") as f:
        f.write(draw(found))


if __name__ == "__main__":
    main()
