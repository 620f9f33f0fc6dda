"""Kills `tfr convert --force` while it puts a new set in the place of an earlier one, and asks every reader what it sees.

    python3 bench/kill_swap.py TFR SRC [KILLS]

SRC is a folder of class folders. Each reader must read one set alone, or say that the replacement has not ended; then
`tfr index` must end it. Ends with 1 where one does not.
"""

import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

VERBS = [["info"], ["cat", "-n", "1"], ["stats"], ["schema"], ["validate"], ["stream", "--steps", "1"],
         ["preview", "-o", "p.png"], ["report", "-o", "r.html"], ["extract", "-o", "x"], ["reshard", "-o", "y"],
         ["repair", "-o", "z"]]


def shards(folder):
    return {os.path.basename(f): open(f, "rb").read() for f in glob.glob(f"{folder}/*.tfrecord")}


def main():
    tfr, src = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    os.chdir(tempfile.mkdtemp())
    run = lambda *args: subprocess.run([tfr, *args], capture_output=True, text=True, errors="replace")
    for name, seed in (("a", "1"), ("b", "2")):
        assert run("convert", src, name, "--seed", seed, "--shards", "300").returncode == 0
    old, new = shards("a"), shards("b")
    mixed = silent = unended = 0
    for kill in range(kills):
        shutil.rmtree("o", ignore_errors=True)
        shutil.copytree("a", "o")
        process = subprocess.Popen([tfr, "convert", src, "o", "--seed", "2", "--shards", "300", "--force", "--quiet"])
        while process.poll() is None and not os.path.exists("o/.swap.json"):
            time.sleep(0.0002)
        time.sleep(random.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = shards("o")
        is_one = found in (old, new)
        mixed += not is_one
        for verb, *args in VERBS:
            for out in ("x", "y", "z"):
                shutil.rmtree(out, ignore_errors=True)
            done = run(verb, "o", *args, *(["--force"] if os.path.exists("r.html") and verb in ("report", "preview") else []))
            if not is_one and "replacing the set" not in done.stdout + done.stderr:
                silent += 1
                print("silent:", verb, done.returncode, done.stderr[-300:])
        if run("index", "o").returncode != 0 or shards("o") != new and not (is_one and found == old):
            unended += 1
            print("not ended by index")
    print(f"{kills} kills: {mixed} with shards of two sets, {silent} silent readers, {unended} that `tfr index` did not end")
    shutil.rmtree(os.getcwd())
    return 1 if silent or unended else 0


if __name__ == "__main__":
    sys.exit(main())
