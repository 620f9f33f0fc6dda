"""Do TensorFlow, TFDS, DALI and the Python `tfrecord` package read what `tfr convert SRC OUT` wrote, and is it right?

Run:  python bench/check_interop.py SRC OUT [--compression none|gzip|zlib] [--set train] [--skipped N] [--boxes]
With --boxes, of what was made of COCO, VOC or a list with boxes: do the features of the Object Detection API parse, and
does TFDS give back every feature that it is told of?
One line a check (ok, FAIL or skip, the last where a package is missing or a check does not apply); exit code 1 if any failed.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

from common import SHARD, class_of, shards_in, split_folders, tensorflow, walk_images

EXT = {"none": "", "gzip": ".gz", "zlib": ".zlib"}
KEYS = {
    "image/channels": int, "image/class/label": int, "image/class/text": bytes, "image/colorspace": bytes,
    "image/encoded": bytes, "image/filename": bytes, "image/format": bytes, "image/height": int,
    "image/key/sha256": bytes, "image/width": int,
}


class Report:
    def __init__(self):
        self.failed = 0

    def line(self, good, name, detail=""):
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'}  {name}" + (f": {detail}" if detail else ""), flush=True)

    def skip(self, name, why):
        print(f"skip  {name}: {why}", flush=True)

    def problems(self, name, problems, detail):
        """A check over many things: fine when the list of problems is empty."""
        first = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        self.line(not problems, name, first or detail)

    def run(self, name, check, *args):
        """Other people's code may raise anything: that is a failed check, not the end of the others."""
        try:
            check(self, *args)
        except Exception as e:  # noqa: BLE001
            self.line(False, name, f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"[:300])


def value(example, key):
    """The one value of a feature, or None."""
    feature = example.features.feature.get(key)
    kind = feature.WhichOneof("kind") if feature is not None else None
    values = list(getattr(feature, kind).value) if kind else []
    return values[0] if len(values) == 1 else None


def check_records(report, tf, src, out, sets, compression, splits, skipped, whole):
    """Everything that can be said of a record on its own, and of its source file. Gives {filename: label}."""
    fast = {k: tf.io.FixedLenFeature([], tf.int64 if t is int else tf.string) for k, t in KEYS.items()}
    labels_file = os.path.join(out, "labels.txt")
    names = open(labels_file, encoding="utf-8").read().splitlines() if os.path.exists(labels_file) else None
    counts, shapes, hashes, labels, keys, canonical, parser = Counter(), [], [], [], [], [], []
    by_name, offsets, order, unreadable = {}, set(), {}, []
    kind = "" if compression == "none" else compression.upper()

    def records(shard):
        try:
            yield from enumerate(tf.data.TFRecordDataset(shard, compression_type=kind).as_numpy_iterator())
        except tf.errors.OpError as e:
            unreadable.append(f"{os.path.basename(shard)} after {counts[shard]} records: {e.message.splitlines()[0][-100:]}")

    for set_name, shards in sets.items():
        for shard in shards:
            for i, raw in records(shard):
                counts[shard] += 1
                where = f"{os.path.basename(shard)} record {i}"
                ex = tf.train.Example.FromString(raw)
                got = {k: value(ex, k) for k in KEYS}
                wrong = [k for k, t in KEYS.items() if not isinstance(got[k], t)]
                if wrong:
                    keys.append(f"{where}: {', '.join(wrong)} missing or of another kind")
                    continue
                try:
                    parsed = tf.io.parse_single_example(raw, fast)
                    if any(parsed[k].numpy() != got[k] for k in KEYS):
                        parser.append(f"{where}: parse_single_example differs")
                except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
                    parser.append(f"{where}: parse_single_example refuses it")
                if ex.SerializeToString(deterministic=True) != raw:
                    canonical.append(where)
                rel = got["image/filename"].decode()
                if rel in by_name:
                    hashes.append(f"{where}: {rel} occurs twice")
                by_name[rel] = got["image/class/label"]
                order.setdefault(set_name, []).append(rel)

                # the bytes
                encoded = got["image/encoded"]
                digest = hashlib.sha256(encoded).hexdigest()
                path = os.path.join(src, rel)
                if digest != got["image/key/sha256"].decode():
                    hashes.append(f"{where}: image/key/sha256 is not that of image/encoded")
                elif not os.path.isfile(path):
                    hashes.append(f"{where}: no file {rel} below the source")
                elif hashlib.sha256(open(path, "rb").read()).hexdigest() != digest:
                    hashes.append(f"{where}: differs from the file {rel}")

                # the shape
                try:
                    shape = tf.io.decode_image(encoded, expand_animations=False).shape
                except tf.errors.InvalidArgumentError as e:
                    shapes.append(f"{where}: TensorFlow does not decode {rel}: {e.message[:80]}")
                    continue
                channels, space = got["image/channels"], got["image/colorspace"].decode()
                seen = 4 if (space, shape[2]) == ("CMYK", 3) else shape[2]       # TensorFlow gives CMYK as RGB
                if (got["image/height"], got["image/width"], channels) != (shape[0], shape[1], seen):
                    shapes.append(f"{where}: {rel} is {tuple(shape)}, the record says "
                                  f"{(got['image/height'], got['image/width'], channels)}")
                magic = "JPEG" if encoded[:2] == b"\xff\xd8" else "PNG"
                if got["image/format"].decode() != magic:
                    shapes.append(f"{where}: format {got['image/format']!r}, the bytes are {magic}")
                want_spaces = {1: {"Grayscale"}, 2: {"Grayscale", "GrayscaleAlpha", "LA"}, 3: {"RGB"}, 4: {"RGBA", "CMYK"}}
                if space not in want_spaces.get(channels, set()):
                    shapes.append(f"{where}: colour space {space!r} with {channels} channels")

                # the label
                text = got["image/class/text"].decode()
                if text != class_of(rel, splits):
                    labels.append(f"{where}: text {text!r}, but the folder of {rel} is {class_of(rel, splits)!r}")
                if names is not None:
                    if text not in names:
                        labels.append(f"{where}: {text!r} is not in labels.txt")
                    else:
                        offsets.add(got["image/class/label"] - names.index(text))
                if splits and rel.split("/")[0] != set_name:
                    labels.append(f"{where}: {rel} is in set {set_name}")

    total = sum(counts.values())
    if not total:
        unreadable.append("no records")
    report.problems("TensorFlow reads every shard", unreadable, f"{total} records in {sum(map(len, sets.values()))} shards")
    images = [rel for rel, _ in walk_images(src) if whole or not splits or rel.split("/")[0] in sets]
    if whole or splits:
        report.line(total == len(images) - skipped, "record count equals image files", f"{total} records, {len(images)} images"
                    + (f", {skipped} skipped" if skipped else ""))
        missing = sorted(set(images) - set(by_name))
        report.line(len(missing) == skipped, "every image file has its record", f"{len(missing)} without, e.g. {missing[0]}"
                    if missing else f"{len(images)} of {len(images)}")
    else:
        report.skip("record count equals image files", "only one of several sets of one source is checked")
    report.problems("features and kinds", keys, f"{len(KEYS)} features in each record")
    report.problems("tf.io.parse_single_example agrees", parser, f"{total} records")
    report.problems("bytes are the deterministic serialisation (sorted keys)", canonical, f"{total} records")
    report.problems("image/encoded is the file named by image/filename", hashes, f"{len(by_name)} files")
    report.problems("height, width, channels, format as decoded", shapes, f"{total} images")
    if names is None:
        report.line(False, "labels.txt", "missing")
    else:
        if len(offsets) > 1:
            labels.append(f"label - line number is not one constant but {sorted(offsets)[:5]}")
        report.problems("labels, labels.txt and folder names agree", labels,
                        f"{len(names)} names, label offset {next(iter(offsets), 0)}")
    for set_name, rels in order.items():
        runs = 1 + sum(class_of(a, splits) != class_of(b, splits) for a, b in zip(rels, rels[1:]))
        print(f"note  set {set_name}: {len(rels)} records in {runs} runs of one class (shuffled sets have many)", flush=True)
    return by_name, counts


def check_names(report, tf, out, sets, compression):
    problems = []
    for set_name, shards in sets.items():
        wrong = [s for s in shards if (SHARD.match(os.path.basename(s))["ext"] or "") != EXT[compression]]
        problems += [f"{os.path.basename(s)} has not the extension of {compression}" for s in wrong]
        n = {int(SHARD.match(os.path.basename(s))["n"]) for s in shards}
        if n != {len(shards)}:
            problems.append(f"set {set_name} has {len(shards)} shards, the names say {sorted(n)}")
        seen = sorted(os.path.basename(p) for p in tf.io.gfile.glob(os.path.join(out, set_name + "*")))
        if seen != sorted(os.path.basename(s) for s in shards):
            problems.append(f"glob {set_name}* finds {[s for s in seen if not SHARD.match(s)][:3] or seen}")
    leftovers = [n for n in os.listdir(out) if n.startswith(".")]
    if leftovers:
        problems.append(f"left over: {leftovers[:3]}")
    report.problems("names: a glob SET* finds the set's shards only", problems, f"{sum(map(len, sets.values()))} shards")


def check_manifest(report, out, sets, counts):
    path = os.path.join(out, "manifest.json")
    if not os.path.exists(path):
        return report.line(False, "manifest.json", "missing")
    manifest = json.load(open(path, encoding="utf-8"))
    problems = []
    for set_name, shards in sets.items():
        entry = manifest["sets"].get(set_name)
        if entry is None:
            problems.append(f"set {set_name} is not in it")
            continue
        listed = {os.path.basename(s["path"]): s for s in entry["shards"]}
        if entry["records"] != sum(counts[s] for s in shards):
            problems.append(f"set {set_name}: {entry['records']} records")
        for s in shards:
            m = listed.get(os.path.basename(s))
            if m is None or m["records"] != counts[s] or m["bytes"] != os.path.getsize(s):
                problems.append(f"{os.path.basename(s)}: {m}")
    report.problems("manifest.json agrees with the shards", problems, ", ".join(sets))


def index_tool():
    """(name, function shard -> index text), or None. DALI's own command comes first."""
    for beside in (os.path.join(os.path.dirname(sys.executable), "tfrecord2idx"), shutil.which("tfrecord2idx")):
        if beside and os.path.exists(beside):
            def by_command(shard, target):
                subprocess.run([sys.executable, beside, shard, target], check=True, capture_output=True)
            return "DALI's tfrecord2idx", by_command
    if importlib.util.find_spec("tfrecord") is None:
        return None

    def by_package(shard, target):      # in a process of its own: its message types clash with TensorFlow's
        subprocess.run([sys.executable, "-m", "tfrecord.tools.tfrecord2idx", shard, target], check=True, capture_output=True)
    return "tfrecord2idx of the Python package", by_package


def index_path(out, shard):
    return os.path.join(out, "idx", os.path.basename(shard).removesuffix(".tfrecord") + ".idx")


def check_index(report, out, sets):
    tool = index_tool()
    if tool is None:
        return report.skip("index files", "neither nvidia-dali nor tfrecord is installed")
    problems, n = [], 0
    wanted = {os.path.basename(index_path(out, s)) for shards in shards_in(out).values() for s in shards}
    extra = set(os.listdir(os.path.join(out, "idx"))) - wanted
    if extra:
        problems.append(f"idx/ also holds {sorted(extra)[:3]}")
    with tempfile.TemporaryDirectory() as tmp:
        for shard in (s for shards in sets.values() for s in shards):
            target = os.path.join(tmp, "idx")
            tool[1](shard, target)
            ours = index_path(out, shard)
            n += 1
            if not os.path.exists(ours):
                problems.append(f"{os.path.basename(ours)} is missing")
            elif open(ours, "rb").read() != open(target, "rb").read():
                problems.append(f"{os.path.basename(ours)} differs")
    report.problems(f"index files equal those of {tool[0]}", problems, f"{n} files, byte for byte")


def check_tfds(report, tf, out, sets, by_name):
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        return report.skip("tfds.builder_from_directory", "tensorflow-datasets is not installed")
    builder = tfds.builder_from_directory(out)
    for set_name in sets:
        declared = {k: v.num_examples for k, v in builder.info.splits.items()}
        label = builder.info.features["image/class/label"]
        problems, n, names = [], 0, label.names
        for ex in tfds.as_numpy(builder.as_dataset(split=set_name)):
            n += 1
            rel = ex["image/filename"].decode()
            if by_name.get(rel) != ex["image/class/label"]:
                problems.append(f"{rel}: label {ex['image/class/label']}, the record says {by_name.get(rel)}")
            elif names[ex["image/class/label"]] != ex["image/class/text"].decode():
                problems.append(f"{rel}: name {names[ex['image/class/label']]!r}, text {ex['image/class/text']!r}")
            image = ex["image/encoded"]
            if image.shape[:2] != (ex["image/height"], ex["image/width"]) or image.dtype != "uint8":
                problems.append(f"{rel}: decoded to {image.shape} {image.dtype}")
        want = sum(1 for _ in tf.data.TFRecordDataset(sets[set_name]))
        if not n == want == declared.get(set_name):
            problems.append(f"{n} examples read, {want} records, {declared.get(set_name)} declared")
        skip = {"image/encoded": tfds.decode.SkipDecoding()}
        half = sum(1 for _ in builder.as_dataset(split=f"{set_name}[:50%]", decoders=skip))
        if abs(half - want / 2) > 1:
            problems.append(f"[:50%] gives {half} of {want}")
        report.problems(f"tfds.builder_from_directory, split {set_name}", problems,
                        f"{n} examples, {len(names)} names, images decoded, [:50%] gives {half}")


def check_dali(report, out, sets, by_name):
    try:
        from nvidia.dali import fn, pipeline_def
        from nvidia.dali import tfrecord as tfrec
    except ImportError:
        return report.skip("DALI's tfrecord reader", "nvidia-dali is not installed")
    for set_name, shards in sets.items():
        @pipeline_def(batch_size=1, num_threads=2, device_id=None)
        def pipe():
            f = fn.readers.tfrecord(
                name="reader", path=shards, index_path=[index_path(out, s) for s in shards],
                features={"image/encoded": tfrec.FixedLenFeature((), tfrec.string, ""),
                          "image/filename": tfrec.FixedLenFeature((), tfrec.string, ""),
                          "image/key/sha256": tfrec.FixedLenFeature((), tfrec.string, ""),
                          "image/class/label": tfrec.FixedLenFeature([1], tfrec.int64, -1)})
            return f["image/encoded"], f["image/filename"], f["image/key/sha256"], f["image/class/label"]

        p = pipe()
        p.build()
        size = p.epoch_size("reader")
        seen, problems = Counter(), []
        for _ in range(size):
            encoded, rel, digest, label = (o.at(0) for o in p.run())
            rel = bytes(rel).decode()
            seen[rel] += 1
            if hashlib.sha256(bytes(encoded)).hexdigest() != bytes(digest).decode():
                problems.append(f"{rel}: other bytes")
            if by_name.get(rel) != int(label[0]):
                problems.append(f"{rel}: label {int(label[0])}")
        if len(seen) != size:
            problems.append(f"{len(seen)} different files in {size} records")
        report.problems(f"DALI's tfrecord reader, set {set_name}", problems, f"{size} records")


def check_boxes(report, tf, out, sets, compression):
    """The features by which the Object Detection API's decoder reads a record."""
    fixed = {"image/encoded": tf.string, "image/format": tf.string, "image/filename": tf.string, "image/key/sha256": tf.string,
             "image/source_id": tf.string, "image/height": tf.int64, "image/width": tf.int64}
    lists = {"bbox/xmin": tf.float32, "bbox/xmax": tf.float32, "bbox/ymin": tf.float32, "bbox/ymax": tf.float32,
             "class/label": tf.int64, "class/text": tf.string, "area": tf.float32, "is_crowd": tf.int64,
             "difficult": tf.int64, "truncated": tf.int64, "view": tf.string, "group_of": tf.int64, "weight": tf.float32}
    spec = {k: tf.io.FixedLenFeature((), t, "" if t == tf.string else 1) for k, t in fixed.items()}
    spec |= {f"image/object/{k}": tf.io.VarLenFeature(t) for k, t in lists.items()}
    with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    classes, first = manifest["classes"], manifest.get("label_offset", 0)
    kind = "" if compression == "none" else compression.upper()
    problems, n, boxes = [], 0, 0
    for shard in (s for shards in sets.values() for s in shards):
        for i, raw in enumerate(tf.data.TFRecordDataset(shard, compression_type=kind)):
            where = f"{os.path.basename(shard)} record {i}"
            got = tf.io.parse_single_example(raw, spec)
            objects = {k: tf.sparse.to_dense(got[f"image/object/{k}"]).numpy() for k in lists}
            sides = [objects[f"bbox/{s}"] for s in ("xmin", "xmax", "ymin", "ymax")]
            labels, names = objects["class/label"], [t.decode() for t in objects["class/text"]]
            n, boxes = n + 1, boxes + len(labels)
            if any(len(v) not in (0, len(labels)) for v in objects.values()) or any(len(s) != len(labels) for s in sides):
                problems.append(f"{where}: lists of {[len(v) for v in objects.values()]}")
            elif not all(((0 <= lo) & (lo <= hi) & (hi <= 1)).all() for lo, hi in (sides[:2], sides[2:])):
                problems.append(f"{where}: a box outside 0 to 1")
            elif [classes[k - first] for k in labels] != names:
                problems.append(f"{where}: labels {labels}, names {names}")
            elif tf.io.decode_image(got["image/encoded"]).shape[:2] != (got["image/height"], got["image/width"]):
                problems.append(f"{where}: another size")
    report.problems("the Object Detection API's features parse", problems, f"{n} records, {boxes} boxes")


def check_tfds_features(report, tf, out, sets):
    """Every feature that TFDS is told of has the values of the record."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        return report.skip("TFDS gives back every feature", "tensorflow-datasets is not installed")
    builder = tfds.builder_from_directory(out)
    names = [k for k in builder.info.features if k != "image/encoded"]
    for set_name, shards in sets.items():
        problems, n = [], 0
        config = tfds.ReadConfig(interleave_cycle_length=1)
        dataset = builder.as_dataset(split=set_name, read_config=config, decoders={"image/encoded": tfds.decode.SkipDecoding()})
        for raw, ex in zip(tf.data.TFRecordDataset(sorted(shards)).as_numpy_iterator(), tfds.as_numpy(dataset), strict=True):
            n += 1
            features = tf.train.Example.FromString(raw).features.feature
            for k in names:
                values = getattr(features[k], features[k].WhichOneof("kind")).value
                read = ex[k].tolist() if hasattr(ex[k], "tolist") else ex[k]
                if list(values) != (read if isinstance(read, list) else [read]):
                    problems.append(f"record {n - 1}: {k} is {list(values)[:3]}, read as {read}")
        report.problems(f"TFDS gives back every feature, split {set_name}", problems, f"{n} examples, {len(names)} features")


PACKAGE_READER = """
import json, sys
from tfrecord.reader import tfrecord_loader
for shard in sys.argv[1:]:
    for r in tfrecord_loader(shard, None, {"image/encoded": "byte", "image/filename": "byte", "image/class/label": "int"}):
        print(json.dumps([bytes(r["image/filename"]).decode(), int(r["image/class/label"][0]), len(bytes(r["image/encoded"]))]))
"""


def check_python_package(report, src, sets, by_name):
    if importlib.util.find_spec("tfrecord") is None:
        return report.skip("the Python package tfrecord reads it", "not installed")
    shards = [s for shards in sets.values() for s in shards]
    done = subprocess.run([sys.executable, "-c", PACKAGE_READER, *shards], capture_output=True, text=True)
    problems, seen = [], set()
    for rel, label, size in map(json.loads, done.stdout.splitlines()):
        seen.add(rel)
        if by_name.get(rel) != label:
            problems.append(f"{rel}: label {label}")
        elif size != os.path.getsize(os.path.join(src, rel)):
            problems.append(f"{rel}: {size} bytes")
    if done.returncode:
        problems.append((done.stderr.strip().splitlines() or ["no message"])[-1])
    if seen != set(by_name):
        problems.append(f"{len(seen)} of {len(by_name)} records read")
    report.problems("the Python package tfrecord reads it", problems, f"{len(seen)} records")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("src")
    ap.add_argument("out")
    ap.add_argument("--compression", choices=EXT, default="none")
    ap.add_argument("--set", action="append", help="check this set only (may be repeated); all sets by default")
    ap.add_argument("--skipped", type=int, default=0, help="images that convert was told to skip and named")
    ap.add_argument("--boxes", action="store_true", help="the source is annotated with boxes: check those instead of folders")
    args = ap.parse_args()
    tf = tensorflow()
    report = Report()
    every = shards_in(args.out)
    sets = {s: every[s] for s in (args.set or every) if s in every}
    if not sets or len(sets) < len(args.set or []):
        sys.exit(f"no shards of {args.set or 'any set'} in {args.out}; there are: {', '.join(every) or 'none'}")
    if args.boxes:
        report.run("the Object Detection API's features", check_boxes, tf, args.out, sets, args.compression)
        if args.compression == "none":
            report.run("index files", check_index, args.out, sets)
            report.run("TFDS", check_tfds_features, tf, args.out, sets)
        print(f"{report.failed} failed" if report.failed else "all passed")
        sys.exit(1 if report.failed else 0)
    splits = split_folders(args.src)
    by_name, counts = check_records(report, tf, args.src, args.out, sets, args.compression, splits, args.skipped,
                                    whole=set(sets) == set(every))
    report.run("names", check_names, tf, args.out, sets, args.compression)
    report.run("manifest.json", check_manifest, args.out, sets, counts)
    if args.compression == "none":
        report.run("index files", check_index, args.out, sets)
        report.run("the Python package tfrecord reads it", check_python_package, args.src, sets, by_name)
        report.run("DALI's tfrecord reader", check_dali, args.out, sets, by_name)
        report.run("tfds.builder_from_directory", check_tfds, tf, args.out, sets, by_name)
    else:
        left = [n for n in ("idx", "dataset_info.json", "features.json") if os.path.exists(os.path.join(args.out, n))]
        report.line(not left, "no index and no TFDS metadata beside compressed shards", ", ".join(left))
    print(f"{report.failed} failed" if report.failed else "all passed")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
