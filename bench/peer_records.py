"""How fast the Python package `tfrecord` goes through shards. It verifies no CRC; one thread, as the package has no other way.

Run:  python bench/peer_records.py scan|parse FILES_OR_FOLDERS... [--rounds 3]
`parse` takes image and label out. Prints {"records", "bytes", "seconds", "records_per_second", "gb_per_second"}; the best round,
behind a warm-up pass.
"""

import argparse
import os
import time

from common import emit, shard_args

FEATURES = {"image/encoded": "byte", "image/class/label": "int"}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("what", choices=["scan", "parse"])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    files = shard_args(args.files)
    from tfrecord.reader import tfrecord_iterator, tfrecord_loader

    def records(path):
        return tfrecord_iterator(path) if args.what == "scan" else tfrecord_loader(path, None, FEATURES)

    def once():
        t = time.perf_counter()
        n = sum(1 for path in files for _ in records(path))
        return time.perf_counter() - t, n

    once()
    seconds, n = min(once() for _ in range(args.rounds))
    size = sum(map(os.path.getsize, files))
    emit(records=n, bytes=size, seconds=seconds, records_per_second=n / seconds, gb_per_second=size / seconds / 1e9)


if __name__ == "__main__":
    main()
