"""Does the memory of a stream grow with the set? Peak anonymous memory of `tfr stream` on a set and on copies of it.

Run:  python bench/memory.py --tfr target/release/tfr --data SRC [--copies 1,10] [--pipeline bench/article.toml] [--threads 2]
SRC is a folder of class folders with JPEGs; tfr converts it, the copies are links to its shards under further names. Anonymous
memory (RssAnon in /proc/PID/status, read every few milliseconds) is what the process has allocated; pages of mapped shards,
which the system takes back at will, are not in it. Prints a table; ends with 1 if the greatest set takes over --limit MB, or over
a fifth more than the smallest and 48 bytes a record. Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from common import shards_in
from harness import HERE

# The documented 8 bytes a record, with room for the allocator.
BYTES_A_RECORD = 48


def peak_anonymous(argv):
    """(the JSON that a program printed, its peak anonymous memory and its peak resident memory in MB)."""
    anonymous = resident = 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(argv, stdout=out)
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status") as f:
                    status = dict(line.split(":", 1) for line in f)
            except OSError:
                break
            kb = {k: int(status[k].split()[0]) for k in ("RssAnon", "VmHWM") if k in status}
            anonymous = max(anonymous, kb.get("RssAnon", 0))
            resident = max(resident, kb.get("VmHWM", 0))
            time.sleep(0.005)
        if process.wait():
            sys.exit(f"{' '.join(argv)}: exit code {process.returncode}")
        out.seek(0)
        return json.load(out), anonymous * 1024 / 1e6, resident * 1024 / 1e6


def link_copies(shards, folder, copies):
    os.makedirs(folder)
    total = copies * len(shards)
    for i in range(total):
        os.link(shards[i % len(shards)], os.path.join(folder, f"train-{i:05d}-of-{total:05d}.tfrecord"))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--tfr", required=True)
    ap.add_argument("--data", required=True)
    ap.add_argument("--copies", default="1,10")
    ap.add_argument("--pipeline", default=os.path.join(HERE, "article.toml"))
    ap.add_argument("--threads", default=str(os.cpu_count()))
    ap.add_argument("--limit", type=float, default=400.0, help="MB")
    args = ap.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "shards")
        subprocess.run([args.tfr, "convert", args.data, out, "--shards", "8", "--quiet", "--on-error", "skip"],
                       stdout=subprocess.DEVNULL, check=False)
        sets = shards_in(out) if os.path.isdir(out) else {}
        if not sets:
            sys.exit("tfr convert wrote no shards")
        shards = max(sets.values(), key=lambda s: sum(map(os.path.getsize, s)))
        for copies in map(int, args.copies.split(",")):
            folder = os.path.join(work, f"x{copies}")
            link_copies(shards, folder, copies)
            found, anonymous, resident = peak_anonymous([
                args.tfr, "stream", folder, "--pipeline", args.pipeline, "--batch", "32", "--threads", args.threads, "--json"])
            size = copies * sum(map(os.path.getsize, shards)) / 1e6
            rows.append((copies, found["images"], size, anonymous, resident))
    print("| copies | images | shards, MB | peak anonymous, MB | peak resident with mapped pages, MB |\n|---|---|---|---|---|")
    for copies, images, size, anonymous, resident in rows:
        print(f"| {copies} | {images:,} | {size:,.0f} | {anonymous:,.1f} | {resident:,.1f} |")
    first, last = min(rows), max(rows)
    allowed = 1.2 * first[3] + BYTES_A_RECORD * (last[1] - first[1]) / 1e6
    grows, over = last[3] > allowed, last[3] > args.limit
    print(f"\nIt {'grows' if grows else 'does not grow'} with the set: {last[3] - first[3]:+.1f} MB for {last[1] - first[1]:,} more images"
          + (f"; over {args.limit:,.0f} MB." if over else "."))
    sys.exit(1 if grows or over else 0)


if __name__ == "__main__":
    main()
