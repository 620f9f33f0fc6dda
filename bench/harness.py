"""Runs programs in turn and compares their rates. Not run by itself: see run.py."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    pass


class Absent(Failed):
    """What was to be measured is not there: a feature that the binary does not know yet, a package that is not installed."""


def command(argv, accept=(0,)):
    """Runs a program; gives (JSON object that it printed or {}, wall seconds, peak resident MB)."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        t = time.perf_counter()
        try:
            p = subprocess.Popen(argv, stdout=out, stderr=err)
        except OSError as e:
            raise Absent(f"{argv[0]}: {e.strerror}") from None
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
        last = message or (lines[-1] if lines else "no message")
        if "ModuleNotFoundError" in last:
            raise Absent(last)
        # 2 is wrong usage: a verb, a flag or a key that this binary does not know.
        kind = Absent if p.returncode == 2 else Failed
        raise kind(f"{os.path.basename(argv[0])} {argv[1] if len(argv) > 1 else ''}: exit code {p.returncode}: {last}"[:300])
    scale = 1 if platform.system() == "Darwin" else 1024
    return found, wall, usage.ru_maxrss * scale / 1e6


def peer(script, *args):
    """Runs a script of this folder; gives the object that it printed."""
    return command([sys.executable, os.path.join(HERE, script), *map(str, args)])[0]


class Row:
    """One comparison: the rates of each round, for ours and for one other."""

    def __init__(self, key, work, unit, other, goal=""):
        self.key, self.work, self.unit, self.other, self.goal = key, work, unit, other, goal
        self.ours, self.theirs = [], []
        self.absent, self.failed = None, None

    def ratios(self):
        return [a / b for a, b in zip(self.ours, self.theirs) if a and b]

    def ratio(self):
        ratios = self.ratios()
        return {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)} if ratios else None

    def rate(self, values):
        values = [v for v in values if v]
        if values:
            return f"{statistics.median(values):,.{2 if self.unit == 'GB/s' else 0}f}"
        return "failed" if self.failed else "not there yet"

    def markdown(self):
        ratio = self.ratio()
        three = " / ".join(f"{ratio[k]:.2f}" for k in ("min", "median", "max")) if ratio else ""
        return (f"| {self.work} | {self.unit} | {self.rate(self.ours)} | {self.rate(self.theirs)} ({self.other}) | {three} "
                f"| {self.goal} |")

    def to_json(self):
        return {"key": self.key, "work": self.work, "unit": self.unit, "other": self.other, "goal": self.goal, "ours": self.ours,
                "theirs": self.theirs, "ratio": self.ratio(), "absent": self.absent, "failed": self.failed}


def compare(rounds, key, work, unit, ours, others):
    """Runs ours and the others ({name: (function, goal)}) in turn, to and fro; each gives a rate. One row for each other.

    A side that fails is not tried again.
    """
    rows = {name: Row(key, work, unit, name, goal) for name, (_, goal) in others.items()}
    sides = {"tfr": ours, **{name: side for name, (side, _) in others.items()}}
    broken = {}
    for i in range(rounds):
        rates = {}
        for name in list(sides) if i % 2 == 0 else reversed(list(sides)):
            if name in broken:
                continue
            try:
                rates[name] = sides[name]()
            except (Failed, KeyError, TypeError, ZeroDivisionError) as e:
                broken[name] = e if isinstance(e, Failed) else Failed(f"no usable output ({e!r})")
        for name, row in rows.items():
            row.ours.append(rates.get("tfr"))
            row.theirs.append(rates.get(name))
        print(f"  {key} round {i + 1}: " + ", ".join(f"{n} {v:,.2f}" for n, v in rates.items()), file=sys.stderr, flush=True)
    for name, row in rows.items():
        for side in ("tfr", name):
            if side in broken:
                which = "absent" if isinstance(broken[side], Absent) else "failed"
                setattr(row, which, f"{side}: {broken[side]}")
    return list(rows.values())


# --- the machine ---

def machine():
    return {"cores": os.cpu_count(), "cpu": cpu_name(), "system": platform.system(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}


def cpu_name():
    try:
        with open("/proc/cpuinfo") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def versions(tfr):
    """What was measured, by name and version."""
    from importlib import metadata
    found = []
    try:
        out = subprocess.run([tfr, "--version"], capture_output=True, text=True)
        found.append(out.stdout.strip() or "tfr, version unknown")
    except OSError as e:
        found.append(f"tfr not run ({e.strerror})")
    for name in ("tensorflow-cpu", "nvidia-dali-cuda120", "opencv-python-headless", "simplejpeg", "tfrecord"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            pass
    return [*found, f"Python {platform.python_version()}"]
