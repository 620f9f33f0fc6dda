"""Does `tfr apply` give TensorFlow's pixels, for the article's pipeline (article.toml)?

Run:  python bench/check_pipeline.py IMAGES_FOLDER --tfr target/release/tfr [--n 50] [--seed 7] [--decoder pure|turbojpeg]
Eval: decode, resize 256, central crop 0.875, (x - 127.5) / 127.5. Train: the seed pairs that --show-draws prints are given to
tf.image.stateless_random_*. Each is compared twice:
- on PNGs that hold TensorFlow's decoded pixels, so that only the ops differ: at most 1e-5 of the range (2e-5 in [-1, 1]);
- on the JPEGs themselves, against both of TensorFlow's DCTs. With --decoder turbojpeg the bound is the same as above, for the
  default DCT; with pure (the pure-Rust decoder) the mean difference must stay below 2 levels of 255.
Prints max and mean absolute difference of each; exit code 1 if one is beyond its bound.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from common import sniff, tensorflow, walk_images

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = os.path.join(HERE, "article.toml")
OPS_BOUND = 2e-5              # 1e-5 x R, R = 2
PURE_MEAN_BOUND = 2 / 127.5   # two levels


def apply(tfr, images, out, *flags):
    argv = [tfr, "apply", *images, "--pipeline", SPEC, "-o", out, *flags]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"tfr apply {' '.join(flags)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    array = np.load(out)
    if array.ndim == 3:
        array = array[None]
    if array.shape != (len(images), 224, 224, 3) or array.dtype != np.float32:
        raise RuntimeError(f"tfr apply wrote {array.shape} {array.dtype}, wanted {(len(images), 224, 224, 3)} float32")
    return array, done.stdout


def seed_pair(pair):
    """Two int64, also where the JSON holds them as unsigned or as text."""
    return [(int(v) + (1 << 63)) % (1 << 64) - (1 << 63) for v in pair]


def draws_by_image(text, count):
    """[(op name, seed pair, values), ...] for each image, in op order."""
    groups = {}
    for d in json.loads(text)["draws"]:
        groups.setdefault(d["image"], []).append((d["op"].split("#")[0], seed_pair(d["seed"]), d.get("values", {})))
    if len(groups) != count:
        raise RuntimeError(f"--show-draws lists {len(groups)} images of {count}")
    return list(groups.values())


def finish(x):
    return (x - 127.5) / 127.5


def eval_in_tf(tf, pixels):
    image = tf.image.resize(pixels, [256, 256])
    return finish(tf.image.central_crop(image, 0.875)).numpy()


def train_in_tf(tf, pixels, draws):
    image = tf.image.resize(pixels, [256, 256])
    for op, seed, _ in draws:
        if op == "random_flip_left_right":
            image = tf.image.stateless_random_flip_left_right(image, seed)
        elif op == "random_brightness":
            image = tf.image.stateless_random_brightness(image, 0.2 * 255, seed)
        elif op == "random_contrast":
            image = tf.image.stateless_random_contrast(image, 0.8, 1.2, seed)
        elif op == "random_crop":
            image = tf.image.stateless_random_crop(image, [224, 224, 3], seed)
        else:
            raise RuntimeError(f"--show-draws names an op that article.toml has not: {op}")
    return finish(image).numpy()


class Checks:
    failed = 0

    def compare(self, name, ours, theirs, max_bound=None, mean_bound=None):
        diff = np.abs(ours.astype(np.float64) - theirs)
        worst = int(diff.reshape(len(diff), -1).max(1).argmax())
        bad = (max_bound is not None and not diff.max() <= max_bound) or (mean_bound is not None and not diff.mean() <= mean_bound)
        self.failed += bad
        bound = f" (bound: max {max_bound:g})" if max_bound is not None else f" (bound: mean {mean_bound:.3g})" if mean_bound is not None else ""
        word = "FAIL" if bad else "ok  " if bound else "note"
        print(f"{word}  {name}: max abs {diff.max():.3g}, mean abs {diff.mean():.3g}; "
              f"in levels {diff.max() * 127.5:.4g}, {diff.mean() * 127.5:.3g}; worst is image {worst}{bound}", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("images", help="folder with JPEGs, at any depth")
    ap.add_argument("--tfr", required=True)
    ap.add_argument("--n", type=int, default=50, help="how many images, spread over the folder")
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--decoder", choices=["pure", "turbojpeg"], default="pure", help="how the binary was built")
    ap.add_argument("--show", action="store_true", help="print the draws of the first image")
    args = ap.parse_args()
    tf = tensorflow()
    jpegs = [full for _, full in walk_images(args.images) if sniff(open(full, "rb").read(8)) == "JPEG"]
    if not jpegs:
        sys.exit(f"no JPEGs below {args.images}")
    jpegs = jpegs[::max(1, len(jpegs) // args.n)][:args.n]
    pixels = {dct: [tf.io.decode_jpeg(tf.io.read_file(p), channels=3, dct_method=dct) for p in jpegs]
              for dct in ("INTEGER_FAST", "INTEGER_ACCURATE")}
    checks = Checks()
    with tempfile.TemporaryDirectory() as tmp:
        pngs = []
        for i, p in enumerate(pixels["INTEGER_FAST"]):
            pngs.append(os.path.join(tmp, f"{i:05d}.png"))
            tf.io.write_file(pngs[-1], tf.io.encode_png(p))
        out = os.path.join(tmp, "out.npy")
        runs = [("PNG", pngs, ["INTEGER_FAST"]), ("JPEG", jpegs, ["INTEGER_FAST", "INTEGER_ACCURATE"])]
        for kind, files, dcts in runs:
            for mode in ("eval", "train"):
                name = f"{mode}, {len(files)} {kind}s"
                try:
                    if mode == "eval":
                        ours, _ = apply(args.tfr, files, out, "--mode", "eval")
                        draws = [None] * len(files)
                    else:
                        ours, text = apply(args.tfr, files, out, "--mode", "train", "--seed", str(args.seed), "--show-draws", "--json")
                        draws = draws_by_image(text, len(files))
                        if args.show and kind == "PNG":
                            print("note  draws of image 0:", *draws[0], sep="\n        ")
                        again, _ = apply(args.tfr, files, out, "--mode", "train", "--seed", str(args.seed))
                        other, _ = apply(args.tfr, files, out, "--mode", "train", "--seed", str(args.seed + 1))
                        good = np.array_equal(ours, again) and not np.array_equal(ours, other)
                        checks.failed += not good
                        print(f"{'ok  ' if good else 'FAIL'}  {name}: the seed alone decides the pixels", flush=True)
                except (RuntimeError, OSError, ValueError, KeyError) as e:
                    checks.failed += 1
                    print(f"FAIL  {name}: {e}", flush=True)
                    continue
                for dct in dcts:
                    theirs = np.stack([eval_in_tf(tf, p) if mode == "eval" else train_in_tf(tf, p, d)
                                       for p, d in zip(pixels[dct], draws)])
                    label = name + (f" against {dct}" + (" (TensorFlow's default)" if dct == "INTEGER_FAST" else "") if kind == "JPEG" else "")
                    if kind == "PNG" or (args.decoder == "turbojpeg" and dct == "INTEGER_FAST"):
                        checks.compare(label, ours, theirs, max_bound=OPS_BOUND)
                    elif args.decoder == "pure":
                        checks.compare(label, ours, theirs, mean_bound=PURE_MEAN_BOUND)
                    else:
                        checks.compare(label, ours, theirs)
    print(f"{checks.failed} failed" if checks.failed else "all passed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
