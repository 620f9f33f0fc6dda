"""How fast tf.data's TFRecordDataset goes through shards (it verifies every CRC).

Run:  python bench/peer_scan.py FILES_OR_FOLDERS... [--rounds 3]
Both ways are timed, one file after the other and with parallel reads; the better one is the peer's figure. Prints
{"records", "bytes", "seconds", "gb_per_second", "way", "ways"}; bytes are those of the files, GB is 10^9, a warm-up pass is left out.
"""

import argparse
import os
import time

from common import AUTOTUNE, compression_of, emit, shard_args, tensorflow

WAYS = {"sequential": None, "parallel": AUTOTUNE}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    files = shard_args(args.files)
    size = sum(os.path.getsize(f) for f in files)
    tf = tensorflow()

    def scan(way):
        ds = tf.data.TFRecordDataset(files, compression_type=compression_of(files[0]), num_parallel_reads=WAYS[way],
                                     buffer_size=8 << 20)
        t = time.perf_counter()
        n = ds.batch(256).reduce(tf.constant(0, tf.int64), lambda n, b: n + tf.size(b, tf.int64)).numpy()
        return time.perf_counter() - t, int(n)

    ways, records = {}, 0
    for way in WAYS:
        scan(way)
        ways[way] = min((scan(way) for _ in range(args.rounds)))
        records = ways[way][1]
    way = min(ways, key=lambda w: ways[w][0])
    seconds = ways[way][0]
    emit(records=records, bytes=size, seconds=seconds, gb_per_second=size / seconds / 1e9, way=way,
         ways={w: size / s / 1e9 for w, (s, _) in ways.items()})


if __name__ == "__main__":
    main()
