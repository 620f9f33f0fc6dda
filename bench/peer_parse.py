"""How many records a second tf.io.parse_example takes image and label out of.

Run:  python bench/peer_parse.py FILES_OR_FOLDERS... [--rounds 3]
Batches of 256 are parsed, sequential and parallel reads are both timed and the better one counts. Prints
{"records", "seconds", "records_per_second", "way"}; a warm-up pass is left out.
"""

import argparse
import time

from common import AUTOTUNE, compression_of, emit, shard_args, tensorflow


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    files = shard_args(args.files)
    tf = tensorflow()
    spec = {"image/encoded": tf.io.FixedLenFeature([], tf.string), "image/class/label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(reads, calls):
        ds = tf.data.TFRecordDataset(files, compression_type=compression_of(files[0]), num_parallel_reads=reads,
                                     buffer_size=8 << 20)
        ds = ds.batch(256).map(lambda r: tf.io.parse_example(r, spec), num_parallel_calls=calls)
        t = time.perf_counter()
        n = ds.reduce(tf.constant(0, tf.int64), lambda n, b: n + tf.size(b["image/class/label"], tf.int64)).numpy()
        return time.perf_counter() - t, int(n)

    best = None
    for way, settings in {"sequential": (None, None), "parallel map": (None, AUTOTUNE), "parallel": (AUTOTUNE, AUTOTUNE)}.items():
        parse(*settings)
        seconds, records = min(parse(*settings) for _ in range(args.rounds))
        if best is None or seconds < best[0]:
            best = (seconds, records, way)
    seconds, records, way = best
    emit(records=records, seconds=seconds, records_per_second=records / seconds, way=way)


if __name__ == "__main__":
    main()
