"""Ours against the peers, in turn and in the same run, so that a noisy machine is noisy for both.

Run:  python bench/run.py --tfr target/release/tfr --data SRC [--rounds 3] [--only convert,scan,article,eval,eval224,parse]
SRC is a folder of class folders with JPEGs. Writes bench/RESULTS.md (or --output) and prints it. Needs the venv of README.md;
a peer that fails, or a verb that the binary does not have yet, gives a row that says so, and the others go on.

What is timed: each program's own count of seconds (process start left out of all), wall clock where it gives none.
Scan and streams read the shards that TensorFlow wrote. The scan set is copied up to --scan-mb, so that it is no cache's size.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from common import shards_in, split_folders, walk_images

HERE = os.path.dirname(os.path.abspath(__file__))
GOALS = {"convert": ">= 3", "convert / cat": ">= 0.5", "scan": ">= 5", "article": ">= 2", "eval": ">= 1.6", "eval224": ">= 1.6",
         "parse": ">= 5"}


class Failed(Exception):
    pass


def command(argv, accept=(0,), env=None):
    """Runs a program; gives (JSON object that it printed or {}, wall seconds, peak resident MB)."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        t = time.perf_counter()
        try:
            p = subprocess.Popen(argv, stdout=out, stderr=err, env=env)
        except OSError as e:
            raise Failed(str(e)) from None
        _, status, usage = os.wait4(p.pid, 0)
        wall = time.perf_counter() - t
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, errors = out.read(), err.read()
    found = {}
    for candidate in [text, *reversed(text.splitlines())]:
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            break
        found = {}
    if p.returncode not in accept:
        message = found.get("error", {}).get("message") if isinstance(found.get("error"), dict) else None
        lines = [line for line in errors.splitlines() if line.strip()]
        raise Failed(f"{os.path.basename(argv[0])} {argv[1] if len(argv) > 1 else ''}: exit code {p.returncode}"
                     f": {message or (lines[-1] if lines else 'no message')}"[:200])
    scale = 1 if platform.system() == "Darwin" else 1024
    return found, wall, usage.ru_maxrss * scale / 1e6


def peer(script, *args):
    return command([sys.executable, os.path.join(HERE, script), *map(str, args)])


class Row:
    """One comparison: the rates of each round, for ours and for the other."""

    def __init__(self, key, work, unit, other):
        self.key, self.work, self.unit, self.other_name = key, work, unit, other
        self.ours, self.theirs, self.notes = [], [], []

    def fail(self, why):
        if str(why) not in self.notes:
            self.notes.append(str(why))

    def markdown(self):
        def rate(values):
            return f"{statistics.median(values):,.2f}" if self.unit == "GB/s" and values else \
                f"{statistics.median(values):,.0f}" if values else "failed" if self.notes else "-"
        ratios = [a / b for a, b in zip(self.ours, self.theirs) if a and b]
        three = f"{min(ratios):.2f} / {statistics.median(ratios):.2f} / {max(ratios):.2f}" if ratios else ""
        return (f"| {self.work} | {self.unit} | {rate([v for v in self.ours if v])} | {rate([v for v in self.theirs if v])} "
                f"({self.other_name}) | {three} | {GOALS.get(self.key, '')} |")


def warm(paths):
    for p in paths:
        with open(p, "rb") as f:
            while f.read(1 << 22):
                pass


class Bench:
    def __init__(self, args, work):
        self.args, self.work, self.tfr = args, work, args.tfr
        self.splits = split_folders(args.data)
        self.images = [full for _, full in walk_images(args.data)]
        if not self.images:
            sys.exit(f"no images below {args.data}")
        warm(self.images)
        self.rss, self.outside, self.uncounted = {}, {}, set()
        self.shard_dir = os.path.join(work, "shards")
        peer("peer_convert.py", args.data, self.shard_dir, "--shards", 8)
        sets = shards_in(self.shard_dir)
        self.set = "train" if "train" in sets else next(iter(sets))
        self.shards = sets[self.set]
        self.set_args = ["--set", self.set] if len(sets) > 1 else []

    def ours(self, key, argv, accept=(0,)):
        found, wall, rss = command([self.tfr, *argv], accept)
        self.rss[key] = max(self.rss.get(key, 0), rss)
        if found.get("seconds"):
            self.outside.setdefault(key, []).append(wall - found["seconds"])
        else:
            self.uncounted.add(key)
        return found, wall

    def rounds(self, row, ours, theirs, also=()):
        """Alternates who goes first. A side that fails once is not tried again."""
        rows = [(row, ours, theirs), *also]
        broken = set()
        for i in range(self.args.rounds):
            sides = [("ours", ours), ("theirs", theirs)] + [(r, f) for r, _, f in also]
            values = {}
            for name, side in (sides if i % 2 == 0 else reversed(sides)):
                if name in broken:
                    continue
                try:
                    values[name] = side()
                except (Failed, KeyError, TypeError, ZeroDivisionError) as e:
                    broken.add(name)
                    (name if isinstance(name, Row) else row).fail(e if isinstance(e, Failed) else f"{name}: no usable output ({e!r})")
            for r, _, _ in rows:
                r.ours.append(values.get("ours"))
                r.theirs.append(values.get("theirs" if r is row else r))
            print(f"  {row.key} round {i + 1}: " + ", ".join(
                f"{n.other_name if isinstance(n, Row) else n} {v:,.2f}" for n, v in values.items()), file=sys.stderr, flush=True)
        return [r for r, _, _ in rows]

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
            out = fresh("ours")
            found, wall = self.ours("convert", ["convert", self.args.data, out, "--shards", "8", "--json", "--on-error", "skip"], (0, 1))
            return (found.get("records") or n) / (found.get("seconds") or wall)

        def theirs():
            return peer("peer_convert.py", self.args.data, fresh("theirs"), "--shards", 8)[0]["records_per_second"]

        def cat():
            target = os.path.join(fresh("cat"), "all")
            os.makedirs(os.path.dirname(target))
            _, wall, _ = command(["sh", "-c", 'xargs -0 cat < "$0" > "$1"', listing, target])
            return n / wall

        row = Row("convert", "convert a folder", "records/s", "Python TFRecordWriter loop")
        bare = Row("convert / cat", "convert a folder", "records/s", "`cat` of the files into one")
        rows = self.rounds(row, ours, theirs, [(bare, None, cat)])
        for name in ("ours", "theirs", "cat"):
            fresh(name)
        return rows

    def scan(self):
        folder = os.path.join(self.work, "scan")
        os.makedirs(folder)
        size = sum(map(os.path.getsize, self.shards))
        times = max(1, round(self.args.scan_mb * 1e6 / size))
        total = times * len(self.shards)
        for i in range(total):
            shutil.copyfile(self.shards[i % len(self.shards)], os.path.join(folder, f"scan-{i:05d}-of-{total:05d}.tfrecord"))
        size *= times
        files = shards_in(folder)["scan"]
        warm(files)

        def ours():
            best = None
            for _ in range(3):              # as peer_scan.py: the best of three
                found, wall = self.ours("scan", ["validate", folder, "--json"])
                if found.get("findings_total"):
                    raise Failed(f"tfr validate has {found['findings_total']} findings on good shards")
                seconds = found.get("seconds") or wall
                best = min(best or seconds, seconds)
            return size / best / 1e9

        def theirs():
            return peer("peer_scan.py", folder)[0]["gb_per_second"]

        row = Row("scan", f"scan, every CRC verified ({size / 1e6:,.0f} MB)", "GB/s", "TFRecordDataset")
        rows = self.rounds(row, ours, theirs)
        shutil.rmtree(folder)
        return rows

    def parse(self):
        def ours():
            # The example lies beside the binary: target/release/tfr, target/release/examples/parse.
            program = os.path.join(os.path.dirname(self.args.tfr), "examples", "parse")
            try:
                out = subprocess.run([program, *self.shards], capture_output=True, text=True)
            except OSError as e:
                raise Failed(f"{program}: {e.strerror}; build it with cargo build --release --examples")
            if out.returncode:
                raise Failed(f"{program}: {out.stderr[-200:]}")
            return json.loads(out.stdout)["records_per_second"]

        row = Row("parse", "parse image and label", "records/s", "tf.io.parse_example")
        return self.rounds(row, ours, lambda: peer("peer_parse.py", *self.shards)[0]["records_per_second"])

    def stream(self, key, work, spec, mode):
        def ours():
            found, wall = self.ours(key, ["stream", self.shard_dir, *self.set_args, "--pipeline", os.path.join(HERE, spec), "--mode", mode,
                                          "--epochs", str(self.args.epochs), "--batch", "32", "--threads", str(os.cpu_count()), "--json"])
            return found.get("images_per_second") or found["images"] / (found.get("seconds") or wall)

        def theirs():
            return peer("peer_stream.py", *self.shards, "--pipeline", key, "--epochs", self.args.epochs)[0]["images_per_second"]

        def dali():
            return peer("peer_dali.py", *self.shards, "--pipeline", key, "--epochs", self.args.epochs)[0]["images_per_second"]

        also = [(Row(key + " / DALI", work, "images/s", "DALI on the CPU"), None, dali)] if self.args.dali else []
        return self.rounds(Row(key, work, "images/s", "tf.data"), ours, theirs, also)

    def article(self):
        return self.stream("article", "stream, the article's train pipeline", "article.toml", "train")

    def eval(self):
        return self.stream("eval", "stream, eval: resize 256, central crop", "article.toml", "eval")

    def eval224(self):
        return self.stream("eval224", "stream, eval: resize 224", "eval224.toml", "eval")


def cpu_name():
    try:
        with open("/proc/cpuinfo") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def versions(tfr):
    found = []
    try:
        out = subprocess.run([tfr, "--version"], capture_output=True, text=True)
        found.append(out.stdout.strip() or "tfr, version unknown")
    except OSError as e:
        found.append(f"tfr not run ({e.strerror})")
    from importlib import metadata
    for name in ("tensorflow-cpu", "tensorflow"):
        try:
            found.append(f"{name} {metadata.version(name)}")
            break
        except metadata.PackageNotFoundError:
            pass
    return ", ".join([*found, f"Python {platform.python_version()}"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--tfr", required=True, help="the tfr binary (a release build)")
    ap.add_argument("--data", required=True, help="folder of class folders with JPEGs")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--epochs", type=int, default=2, help="epochs of each stream")
    ap.add_argument("--scan-mb", type=float, default=1000)
    ap.add_argument("--only", default="convert,scan,parse,article,eval,eval224")
    ap.add_argument("--dali", action="store_true", help="measure DALI's CPU pipelines too")
    ap.add_argument("--work", help="folder for the temporary shards (default: the system's)")
    ap.add_argument("--output", default=os.path.join(HERE, "RESULTS.md"))
    args = ap.parse_args()
    if os.sep in args.tfr:
        args.tfr = os.path.abspath(args.tfr)
    wanted = args.only.split(",")
    unknown = [w for w in wanted if not callable(getattr(Bench, w, None)) or w not in GOALS]
    if unknown:
        ap.error(f"--only does not know {', '.join(unknown)}")

    rows = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        try:
            bench = Bench(args, work)
        except Failed as e:
            sys.exit(f"the peer's shards could not be made: {e}")
        for name in wanted:
            print(name, file=sys.stderr, flush=True)
            rows += getattr(bench, name)()
    size = sum(map(os.path.getsize, bench.images))
    lines = [
        "# Results", "",
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({cpu_name()}), {platform.system()}, load {load:.1f} at the start. "
        f"{versions(args.tfr)}.",
        f"Data: {len(bench.images):,} images, {size / 1e6:,.0f} MB, page cache warm. Ours and the peer in turn, {args.rounds} round{'s' * (args.rounds != 1)}; "
        "process start of all and a warm-up epoch of the peer's left out. Rates are medians, the ratio is ours / the other's within one round. "
        "`convert` flushes its shards to disk, the others do not.", "",
        "| work | unit | tfr | other | ratio min / median / max | goal |", "|---|---|---|---|---|---|",
        *[r.markdown() for r in rows], "",
    ]
    if bench.rss:
        lines += ["Peak resident memory of tfr (mapped pages counted): "
                  + ", ".join(f"{k} {v:,.0f} MB" for k, v in bench.rss.items()) + ".", ""]
    if bench.outside:
        lines += ["Wall clock outside tfr's own count (start and end of the process, median): "
                  + ", ".join(f"{k} {statistics.median(v) * 1e3:,.0f} ms" for k, v in bench.outside.items()) + ".", ""]
    if bench.uncounted:
        lines += [f"tfr gave no seconds, so its wall clock was taken: {', '.join(sorted(bench.uncounted))}.", ""]
    notes = [f"- {r.work}: {n}" for r in rows for n in r.notes]
    lines += (["Failed:", *notes, ""] if notes else [])
    lines += ["Made with `python bench/run.py --tfr target/release/tfr --data SRC`; what each row does is said in bench/README.md.", ""]
    text = "\n".join(lines)
    with open(args.output, "w", encoding="utf-8") as f:
        f.write(text)
    print(text)
    sys.exit(1 if notes else 0)


if __name__ == "__main__":
    main()
