"""Does TensorFlow Data Validation read the schema that `tfr schema --format pbtxt` writes, and find the shards to fit it?

Run:  python bench/check_tfdv.py SHARD... [--tfr target/release/tfr]

Needs a Python environment of its own (tensorflow-data-validation 1.16.1 brings an older TensorFlow along). The shards are one set of
Examples. One line a check; exit code 1 if any failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
import tensorflow_data_validation as tfdv  # noqa: E402


def statistics(folder, files):
    """TFDV's statistics of shards, which it wants under one pattern."""
    for i, path in enumerate(files):
        os.symlink(os.path.abspath(path), os.path.join(folder, f"shard-{i:05d}"))
    return tfdv.generate_statistics_from_tfrecord(os.path.join(folder, "shard-*"))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("shards", nargs="+")
    ap.add_argument("--tfr", default="target/release/tfr")
    args = ap.parse_args()
    failed = 0

    def line(good, name, detail=""):
        nonlocal failed
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'}  {name}" + (f": {detail}" if detail else ""), flush=True)

    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "schema.pbtxt")
        subprocess.run([args.tfr, "schema", *args.shards, "--format", "pbtxt", "-o", path], check=True)
        schema = tfdv.load_schema_text(path)
        line(len(schema.feature) > 0, "TFDV reads the schema", f"{len(schema.feature)} features")

        os.mkdir(os.path.join(tmp, "whole"))
        stats = statistics(os.path.join(tmp, "whole"), args.shards)
        found = dict(tfdv.validate_statistics(stats, schema).anomaly_info)
        line(not found, "TFDV finds the set to fit it", str({k: v.description for k, v in found.items()} if found else ""))
        theirs = {f.path.step[0] for f in stats.datasets[0].features}
        ours = {f.name for f in schema.feature}
        line(theirs == ours, "the same features", str(sorted(theirs ^ ours)))

        # Records that lack a feature, and have one of another kind, must not fit.
        records = [tf.train.Example.FromString(r) for r in tf.data.TFRecordDataset(args.shards[0]).as_numpy_iterator()]
        names = sorted(ours)
        for record in records:
            del record.features.feature[names[0]]
            record.features.feature[names[-1]].CopyFrom(tf.train.Feature(float_list=tf.train.FloatList(value=[0.5])))
        changed = os.path.join(tmp, "changed.tfrecord")
        with tf.io.TFRecordWriter(changed) as writer:
            for record in records:
                writer.write(record.SerializeToString())
        os.mkdir(os.path.join(tmp, "other"))
        found = tfdv.validate_statistics(statistics(os.path.join(tmp, "other"), [changed]), schema).anomaly_info
        line(set(found) == {names[0], names[-1]}, "TFDV finds what was changed", str(sorted(found)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
