"""Measures tfr beside the peers, in turn, on one machine, and writes a table of the ratios.

Run:  python bench/run.py --tfr target/release/tfr --data SRC [--rounds 3] [--only convert,scan,article]
SRC is a folder of class folders with JPEGs. Writes bench/RESULTS.md (or --output), the same as JSON beside it, and prints it.
Needs the venv of README.md; a peer that is not installed, or a feature that the binary does not have yet, gives a row that says
so, and the others go on.

What is timed: each program's own count of seconds (process start left out of all), wall clock where it gives none.
Scan and streams read the shards that TensorFlow wrote. The scan set is copied up to --scan-mb, so that it is no cache's size.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from common import shards_in, walk_images
from harness import HERE, Failed, command, compare, machine, peer, versions

# Epochs that fill and warm the caches.
CACHE_WARMUP = 2


def warm(paths):
    for p in paths:
        with open(p, "rb") as f:
            while f.read(1 << 22):
                pass


class Bench:
    ROWS = ("convert", "scan", "parse", "decode", "article", "eval", "eval224", "rrc", "cached")

    def __init__(self, args, work):
        self.args, self.work, self.tfr = args, work, args.tfr
        self.images = [full for _, full in walk_images(args.data)]
        if not self.images:
            sys.exit(f"no images below {args.data}")
        warm(self.images)
        self.rss, self.outside = {}, {}
        self.shard_dir = os.path.join(work, "shards")
        peer("peer_convert.py", args.data, self.shard_dir, "--shards", 8)
        sets = shards_in(self.shard_dir)
        self.set = "train" if "train" in sets else next(iter(sets))
        self.shards = sets[self.set]
        self.set_args = ["--set", self.set] if len(sets) > 1 else []

    def ours(self, key, argv, accept=(0,)):
        """Runs tfr; gives what it printed, with its seconds."""
        found, wall, rss = command([self.tfr, *argv, "--json"], accept)
        self.rss[key] = max(self.rss.get(key, 0), rss)
        self.outside.setdefault(key, []).append(wall - found["seconds"])
        return found

    def beside(self, *parts):
        """A program that was built beside the binary."""
        return os.path.join(os.path.dirname(self.tfr), *parts)

    def crate(self, what, paths):
        # A package of its own: its target folder is another one, unless CARGO_TARGET_DIR names one for all.
        own = os.path.join(HERE, "tfrecord-crate", "target", "release", "tfrecord-crate")
        shared = self.beside("tfrecord-crate")
        return command([shared if os.path.exists(shared) else own, what, *paths])[0]

    def compare(self, key, work, unit, ours, others):
        return compare(self.args.rounds, key, work, unit, ours, others)

    # --- the comparisons ---

    def convert(self):
        n = len(self.images)
        listing = os.path.join(self.work, "files")
        with open(listing, "wb") as f:
            f.write(b"".join(os.fsencode(p) + b"\0" for p in self.images))

        def fresh(name):
            path = os.path.join(self.work, name)
            shutil.rmtree(path, ignore_errors=True)
            return path

        def ours():
            found = self.ours("convert", ["convert", self.args.data, fresh("ours"), "--shards", "8", "--on-error", "skip"], (0, 1))
            return found["records"] / found["seconds"]

        def theirs():
            return peer("peer_convert.py", self.args.data, fresh("theirs"), "--shards", 8)["records_per_second"]

        def cat():
            target = os.path.join(fresh("cat"), "all")
            os.makedirs(os.path.dirname(target))
            _, wall, _ = command(["sh", "-c", 'xargs -0 cat < "$0" > "$1"', listing, target])
            return n / wall

        rows = self.compare("convert", "convert a folder", "records/s", ours,
                            {"Python TFRecordWriter loop": (theirs, ">= 3"), "`cat` of the files into one": (cat, ">= 0.5")})
        for name in ("ours", "theirs", "cat"):
            fresh(name)
        return rows

    def scan(self):
        folder = os.path.join(self.work, "scan")
        os.makedirs(folder)
        times = max(1, round(self.args.scan_mb * 1e6 / sum(map(os.path.getsize, self.shards))))
        total = times * len(self.shards)
        for i in range(total):
            shutil.copyfile(self.shards[i % len(self.shards)], os.path.join(folder, f"scan-{i:05d}-of-{total:05d}.tfrecord"))
        files = shards_in(folder)["scan"]
        size = sum(map(os.path.getsize, files))
        warm(files)

        def ours():
            best = None
            for _ in range(3):              # as the peers: the best of three
                found = self.ours("scan", ["validate", folder])
                if found["findings_total"]:
                    raise Failed(f"tfr validate has {found['findings_total']} findings on good shards")
                best = min(best or found["seconds"], found["seconds"])
            return size / best / 1e9

        rows = self.compare("scan", f"scan, every CRC verified ({size / 1e6:,.0f} MB)", "GB/s", ours, {
            "TFRecordDataset": (lambda: peer("peer_scan.py", folder)["gb_per_second"], ">= 5"),
            "crate tfrecord": (lambda: self.crate("scan", files)["gb_per_second"], ">= 13"),
            "Python tfrecord, no CRC": (lambda: peer("peer_records.py", "scan", folder)["gb_per_second"], ""),
        })
        shutil.rmtree(folder)
        return rows

    def parse(self):
        return self.compare(
            "parse", "parse image and label", "records/s",
            lambda: command([self.beside("examples", "parse"), *self.shards])[0]["records_per_second"], {
                "tf.io.parse_example": (lambda: peer("peer_parse.py", *self.shards)["records_per_second"], ">= 5"),
                "crate tfrecord": (lambda: self.crate("parse", self.shards)["records_per_second"], ""),
                "Python tfrecord": (lambda: peer("peer_records.py", "parse", *self.shards)["records_per_second"], ""),
            })

    def bare_decode(self):
        return command([self.beside("examples", "decode"), "--seconds", str(self.args.decode_seconds),
                        *self.shards])[0]["images_per_second"]

    def decode(self):
        def theirs():
            return peer("peer_decode.py", *self.shards, "--seconds", self.args.decode_seconds)["images_per_second"]

        return self.compare("decode", "decode alone", "images/s", self.bare_decode, {"simplejpeg": (theirs, "")})

    def stream(self, key, work, spec, mode, others, warmup=0):
        """`others` are goals by name; of ours, the epochs behind the warm-up count."""
        epochs = warmup + self.args.epochs

        def ours():
            found = self.ours(key, ["stream", self.shard_dir, *self.set_args, "--pipeline", os.path.join(HERE, spec), "--mode", mode,
                                    "--epochs", str(epochs), "--batch", "32", "--threads", str(os.cpu_count())])
            if not warmup:
                return found["images_per_second"]
            later = found["epochs"][warmup:]
            return sum(e["images"] for e in later) / sum(e["seconds"] for e in later)

        def script(name):
            return lambda: peer(name, *self.shards, "--pipeline", key, "--epochs", self.args.epochs,
                                "--warmup", max(1, warmup))["images_per_second"]

        sides = {"tf.data": script("peer_stream.py"), "DALI": script("peer_dali.py"), "OpenCV": script("peer_opencv.py"),
                 "tfr, decode alone": self.bare_decode}
        return self.compare(key, work, "images/s", ours, {name: (sides[name], goal) for name, goal in others.items()})

    def article(self):
        return self.stream("article", "stream, the article's train pipeline", "article.toml", "train",
                           {"tf.data": ">= 2", "DALI": "", "OpenCV": "", "tfr, decode alone": ">= 0.75"})

    def eval(self):
        return self.stream("eval", "stream, eval: resize 256, central crop", "article.toml", "eval",
                           {"tf.data": ">= 1.6", "DALI": "", "OpenCV": ""})

    def eval224(self):
        return self.stream("eval224", "stream, eval: resize 224", "eval224.toml", "eval",
                           {"tf.data": ">= 1.6", "DALI": "", "OpenCV": ""})

    def rrc(self):
        return self.stream("rrc", "stream, random resized crop, flip", "rrc.toml", "train",
                           {"tf.data": ">= 1.4", "DALI": "", "OpenCV": ""})

    def cached(self):
        return self.stream("cached", "stream from the memory cache", "cached.toml", "train", {"tf.data": ">= 3"}, CACHE_WARMUP)


def report(found, rows):
    """The table and what was around it, as markdown."""
    here = found["machine"]
    load = "" if here["load"] is None else f", load {here['load']:.1f} at the start"
    lines = [
        "# Results", "",
        f"{found['date']}, {here['cores']} cores ({here['cpu']}), {here['system']}{load}. {', '.join(found['versions'])}.",
        f"Data: {found['images']:,} images, {found['bytes'] / 1e6:,.0f} MB, page cache warm. Ours and the others in turn, rounds: "
        f"{found['rounds']}; process start of all and a warm-up epoch of the peers' left out. Rates are medians, the ratio is ours / "
        "the other's within one round. `convert` flushes its shards to disk, the others do not.", "",
        "| work | unit | tfr | other | ratio min / median / max | goal |", "|---|---|---|---|---|---|",
        *[r.markdown() for r in rows], "",
    ]
    if found["peak_rss_mb"]:
        lines += ["Peak resident memory of tfr (mapped pages and caches counted): "
                  + ", ".join(f"{k} {v:,.0f} MB" for k, v in found["peak_rss_mb"].items()) + ".", ""]
    if found["outside_ms"]:
        lines += ["Wall clock outside tfr's own count (start and end of the process, median): "
                  + ", ".join(f"{k} {v:,.0f} ms" for k, v in found["outside_ms"].items()) + ".", ""]
    for title, what in (("Failed:", "failed"), ("Not there yet:", "absent")):
        notes = [f"- {r.work}: {getattr(r, what)}" for r in rows if getattr(r, what)]
        lines += [title, *dict.fromkeys(notes), ""] if notes else []
    return "\n".join([*lines, "Made by `bench/run.sh SRC`; what each row does is said in bench/README.md.", ""])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--tfr", required=True, help="the tfr binary (a release build)")
    ap.add_argument("--data", required=True, help="folder of class folders with JPEGs")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--epochs", type=int, default=2, help="epochs of each stream")
    ap.add_argument("--decode-seconds", type=float, default=3.0)
    ap.add_argument("--scan-mb", type=float, default=1000)
    ap.add_argument("--only", default=",".join(Bench.ROWS))
    ap.add_argument("--work", help="folder for the temporary shards (default: the system's)")
    ap.add_argument("--output", default=os.path.join(HERE, "RESULTS.md"))
    args = ap.parse_args()
    args.tfr = os.path.abspath(args.tfr)
    wanted = args.only.split(",")
    unknown = [w for w in wanted if w not in Bench.ROWS]
    if unknown:
        ap.error(f"--only does not know {', '.join(unknown)}")

    rows, here = [], machine()
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        try:
            bench = Bench(args, work)
        except Failed as e:
            sys.exit(f"the peer's shards could not be made: {e}")
        for name in wanted:
            print(name, file=sys.stderr, flush=True)
            rows += getattr(bench, name)()
    found = {
        "date": time.strftime("%Y-%m-%d"), "machine": here, "versions": versions(args.tfr), "rounds": args.rounds,
        "images": len(bench.images), "bytes": sum(map(os.path.getsize, bench.images)), "peak_rss_mb": bench.rss,
        "outside_ms": {k: statistics.median(v) * 1e3 for k, v in bench.outside.items()}, "rows": [r.to_json() for r in rows],
    }
    text = report(found, rows)
    with open(args.output, "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.splitext(args.output)[0] + ".json", "w", encoding="utf-8") as f:
        json.dump(found, f, indent=1)
        f.write("\n")
    print(text)
    sys.exit(1 if any(r.failed for r in rows) else 0)


if __name__ == "__main__":
    main()
