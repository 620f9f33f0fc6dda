"""What the scripts of this folder share: finding images and shards, reading image headers, the tf.data pipelines.

Not run by itself.
"""

import argparse
import json
import os
import re
import struct
import sys
import time
from pathlib import Path

IGNORED = {"Thumbs.db", "desktop.ini"}
SPLIT_NAMES = {"train", "val", "valid", "validation", "test"}
SHARD = re.compile(r"^(?P<set>[A-Za-z][\w-]*)-(?P<i>\d{5,})-of-(?P<n>\d{5,})\.tfrecord(?P<ext>\.gz|\.zlib)?$")
AUTOTUNE = -1


def tensorflow():
    """TensorFlow on the CPU, without its start-up talk on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        import tensorflow as tf
        tf.constant(0)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
    return tf


# --- sources ---

def sniff(head):
    if head[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    return None


def walk_images(root):
    """Image files below root as (path with '/' below root, full path), in byte order; the type is told by content."""
    found = []
    seen = set()
    for folder, dirs, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            dirs[:] = []
            continue
        seen.add(real)
        dirs[:] = [d for d in dirs if not d.startswith(".")]
        for name in names:
            if name.startswith(".") or name in IGNORED:
                continue
            full = os.path.join(folder, name)
            with open(full, "rb") as f:
                if sniff(f.read(8)) is None:
                    continue
            found.append((os.path.relpath(full, root).replace(os.sep, "/"), full))
    return sorted(found, key=lambda p: os.fsencode(p[0]))


def split_folders(root):
    """The split folders of a source (train, val, ...), or [] when its folders are classes."""
    tops = sorted(e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith("."))
    if not tops or any(t not in SPLIT_NAMES for t in tops):
        return []
    has_classes = all(any(e.is_dir() for e in os.scandir(os.path.join(root, t))) for t in tops)
    return tops if has_classes else []


def class_of(rel, splits):
    """The class folder in a path below the source."""
    parts = rel.split("/")
    if splits and parts[0] in splits:
        parts = parts[1:]
    return parts[0] if len(parts) > 1 else None


def classes_of(root, splits):
    """Class names of a source, in byte order; an empty class folder counts."""
    roots = [os.path.join(root, s) for s in splits] or [root]
    names = {e.name for r in roots for e in os.scandir(r) if e.is_dir() and not e.name.startswith(".")}
    return sorted(names, key=os.fsencode)


def image_header(data):
    """(format, height, width, channels, colour space) from the header alone; no pixel is decoded."""
    kind = sniff(data)
    if kind == "PNG":
        width, height, _depth, colour = struct.unpack_from(">IIBB", data, 16)
        channels, space = {0: (1, "Grayscale"), 2: (3, "RGB"), 3: (3, "RGB"), 4: (2, "GrayscaleAlpha"), 6: (4, "RGBA")}[colour]
        if colour == 3 and b"tRNS" in data[:4096]:
            channels, space = 4, "RGBA"
        return kind, height, width, channels, space
    if kind == "JPEG":
        at = 2
        while at + 9 < len(data):
            if data[at] != 0xFF:
                break
            marker = data[at + 1]
            if marker == 0xFF:
                at += 1
                continue
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width, channels = struct.unpack_from(">HHB", data, at + 5)
                return kind, height, width, channels, {1: "Grayscale", 3: "RGB", 4: "CMYK"}.get(channels, "")
            at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
    raise ValueError("no JPEG or PNG header")


# --- shards ---

def shards_in(out):
    """Finished shards of a folder: {set: [paths in order]}."""
    sets = {}
    for name in sorted(os.listdir(out)):
        m = SHARD.match(name)
        if m:
            sets.setdefault(m["set"], []).append(os.path.join(out, name))
    return sets


def shard_args(paths):
    """Shards named on a command line: files, or folders whose shards are taken."""
    files = []
    for p in paths:
        if os.path.isdir(p):
            files += [s for shards in shards_in(p).values() for s in shards]
        else:
            files.append(p)
    if not files:
        sys.exit("no shards given")
    return files


def compression_of(path):
    """The name that tf.data takes for a shard's compression, by its extension."""
    return {".gz": "GZIP", ".zlib": "ZLIB"}.get(Path(path).suffix, "")


def encoded_images(files):
    """The JPEGs of shards as byte strings, by the Python package `tfrecord`."""
    from tfrecord.reader import tfrecord_loader
    return [bytes(r["image/encoded"]) for f in files for r in tfrecord_loader(f, None, {"image/encoded": "byte"})]


# --- the peers that stream ---

def stream_args(doc, pipelines, **extra):
    """What every peer that streams takes; `extra` adds flags with their settings."""
    ap = argparse.ArgumentParser(description=doc.splitlines()[0])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--pipeline", choices=list(pipelines), default="article")
    ap.add_argument("--epochs", type=int, default=2)
    ap.add_argument("--warmup", type=int, default=1, help="epochs run before the clock starts")
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--batch", type=int, default=32)
    for name, settings in extra.items():
        ap.add_argument(f"--{name}", **settings)
    args = ap.parse_args()
    args.files = shard_args(args.files)
    return args


def run_epochs(args, epoch):
    """Runs epochs, each of which yields the sizes of its batches, and prints what those behind the warm-up came to."""
    images = seconds = 0
    rates = []
    for i in range(args.warmup + args.epochs):
        t = time.perf_counter()
        n = sum(epoch())
        t = time.perf_counter() - t
        if i >= args.warmup:
            images, seconds = images + n, seconds + t
            rates.append(n / t)
    emit(images=images, seconds=seconds, images_per_second=images / seconds, epochs=rates)


# --- output ---

def emit(**fields):
    print(json.dumps(fields), flush=True)


# --- the peer's pipelines, as PEERS says they are run fairly ---

def tf_image_pipeline(tf, files, pipeline, batch=32, shuffle=1000, decode_dct=""):
    """tf.data from shards to f32 batches: 'article', 'eval', 'eval224', 'rrc' or 'cached' (see peer_stream.py)."""
    spec = {"image/encoded": tf.io.FixedLenFeature([], tf.string), "image/class/label": tf.io.FixedLenFeature([], tf.int64)}

    def finish(image):
        return (image - 127.5) / 127.5

    def article(record):
        ex = tf.io.parse_single_example(record, spec)
        image = tf.io.decode_jpeg(ex["image/encoded"], channels=3, dct_method=decode_dct)
        image = tf.image.resize(image, [256, 256])                 # f32, levels 0..255
        return augment(image, ex["image/class/label"])

    def augment(image, label):
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_brightness(image, 0.2 * 255)
        image = tf.image.random_contrast(image, 0.8, 1.2)
        image = tf.image.random_crop(image, [224, 224, 3])
        return finish(image), label

    def resized(record):
        ex = tf.io.parse_single_example(record, spec)
        image = tf.io.decode_jpeg(ex["image/encoded"], channels=3, dct_method=decode_dct)
        return tf.cast(tf.round(tf.image.resize(image, [256, 256])), tf.uint8), ex["image/class/label"]

    def evaluate(record):
        ex = tf.io.parse_single_example(record, spec)
        image = tf.io.decode_jpeg(ex["image/encoded"], channels=3, dct_method=decode_dct)
        image = tf.image.resize(image, [256, 256])
        image = tf.image.central_crop(image, 0.875)                # 224 x 224
        return finish(image), ex["image/class/label"]

    def evaluate224(record):
        ex = tf.io.parse_single_example(record, spec)
        image = tf.io.decode_jpeg(ex["image/encoded"], channels=3, dct_method=decode_dct)
        return finish(tf.image.resize(image, [224, 224])), ex["image/class/label"]

    def rrc(record):
        ex = tf.io.parse_single_example(record, spec)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(ex["image/encoded"]), tf.zeros([1, 0, 4]), area_range=(0.08, 1.0),
            aspect_ratio_range=(0.75, 4 / 3), max_attempts=10, min_object_covered=0.0, use_image_if_no_bounding_boxes=True)
        window = tf.concat([begin[:2], size[:2]], 0)
        image = tf.io.decode_and_crop_jpeg(ex["image/encoded"], window, channels=3, dct_method=decode_dct)
        image = tf.image.resize(image, [224, 224])
        return finish(tf.image.random_flip_left_right(image)), ex["image/class/label"]

    ds = tf.data.TFRecordDataset(files, compression_type=compression_of(files[0]), num_parallel_reads=AUTOTUNE,
                                 buffer_size=8 << 20)
    if pipeline == "cached":
        ds = ds.map(resized, num_parallel_calls=AUTOTUNE).cache()
        fn = lambda image, label: augment(tf.cast(image, tf.float32), label)  # noqa: E731
    else:
        fn = {"article": article, "eval": evaluate, "eval224": evaluate224, "rrc": rrc}[pipeline]
    if pipeline in ("article", "rrc", "cached"):
        ds = ds.shuffle(shuffle)
    return ds.map(fn, num_parallel_calls=AUTOTUNE).batch(batch).prefetch(AUTOTUNE)
