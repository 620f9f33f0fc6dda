"""The usual Python way to make TFRecord shards: read a file, build a tf.train.Example, write it; one loop, one thread.

Run:  python bench/peer_convert.py SRC OUT --shards 8 [--compression none|gzip|zlib] [--name train]
SRC holds class folders, or split folders (train, validation, ...) of class folders. The features are those of `tfr convert`, SHA-256 included; height and width come from the file's
header (scripts that decode the image for them are several times slower). Prints {"records", "bytes", "seconds", "records_per_second"};
the seconds leave out the process start and the import of TensorFlow.
"""

import argparse
import hashlib
import os
import random
import time

from common import class_of, classes_of, emit, image_header, split_folders, tensorflow, walk_images

EXT = {"none": "", "gzip": ".gz", "zlib": ".zlib"}


def make_example(tf, data, rel, label, text):
    kind, height, width, channels, space = image_header(data)

    def text_feature(v):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[v if isinstance(v, bytes) else v.encode()]))

    def int_feature(v):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[v]))

    return tf.train.Example(features=tf.train.Features(feature={
        "image/encoded": text_feature(data),
        "image/format": text_feature(kind),
        "image/height": int_feature(height),
        "image/width": int_feature(width),
        "image/channels": int_feature(channels),
        "image/colorspace": text_feature(space),
        "image/filename": text_feature(rel),
        "image/key/sha256": text_feature(hashlib.sha256(data).hexdigest()),
        "image/class/label": int_feature(label),
        "image/class/text": text_feature(text),
    }))


def convert(tf, src, out, shards=8, name="train", compression="none", seed=0, label_offset=0, only=None):
    """Writes one set and gives (records, bytes)."""
    os.makedirs(out, exist_ok=True)
    splits = split_folders(src)
    numbers = {c: i + label_offset for i, c in enumerate(classes_of(src, splits))}
    files = [f for f in walk_images(src) if class_of(f[0], splits) and (only is None or f[0].startswith(only + "/"))]
    random.Random(seed).shuffle(files)
    total = 0
    for s in range(shards):
        part = files[len(files) * s // shards:len(files) * (s + 1) // shards]
        path = os.path.join(out, f"{name}-{s:05d}-of-{shards:05d}.tfrecord{EXT[compression]}")
        with tf.io.TFRecordWriter(path, "" if compression == "none" else compression.upper()) as writer:
            for rel, full in part:
                with open(full, "rb") as f:
                    data = f.read()
                text = class_of(rel, splits)
                writer.write(make_example(tf, data, rel, numbers[text], text).SerializeToString())
        total += os.path.getsize(path)
    return len(files), total


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("src")
    ap.add_argument("out")
    ap.add_argument("--shards", type=int, default=8)
    ap.add_argument("--name", default="train")
    ap.add_argument("--compression", choices=EXT, default="none")
    args = ap.parse_args()
    tf = tensorflow()
    t = time.perf_counter()
    records = size = 0
    for split in split_folders(args.src) or [None]:
        n, b = convert(tf, args.src, args.out, args.shards, split or args.name, args.compression, only=split)
        records, size = records + n, size + b
    seconds = time.perf_counter() - t
    emit(records=records, bytes=size, seconds=seconds, records_per_second=records / seconds)


if __name__ == "__main__":
    main()
