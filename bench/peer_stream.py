"""Images a second out of tf.data: decode, augment, batch.

Run:  python bench/peer_stream.py FILES_OR_FOLDERS... --pipeline article|eval|eval224|rrc --epochs 2 [--warmup 1]
  article  shuffle(1000), decode, resize 256, random flip, brightness (0.2 of 255 levels), contrast 0.8-1.2, random crop 224, to [-1, 1]
  eval     decode, resize 256, central crop 0.875, to [-1, 1]
  eval224  decode, resize 224, to [-1, 1]
  rrc      shuffle(1000), random resized crop through decode_and_crop_jpeg, resize 224, random flip, to [-1, 1]
f32 batches of 32. Prints {"images", "batches", "seconds", "images_per_second", "epochs"}. Process start, tracing and the
warm-up epochs (in which tf.data tunes itself) are left out.
"""

import argparse
import time

from common import emit, shard_args, tensorflow, tf_image_pipeline


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--pipeline", choices=["article", "eval", "eval224", "rrc"], default="article")
    ap.add_argument("--epochs", type=int, default=2)
    ap.add_argument("--warmup", type=int, default=1, help="epochs run before the clock starts")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--dct", default="", choices=["", "INTEGER_FAST", "INTEGER_ACCURATE"])
    args = ap.parse_args()
    files = shard_args(args.files)
    tf = tensorflow()
    ds = tf_image_pipeline(tf, files, args.pipeline, args.batch, decode_dct=args.dct)
    epochs = []
    for epoch in range(args.warmup + args.epochs):
        images = batches = 0
        t = time.perf_counter()
        for x, _ in ds:
            images += x.shape[0]
            batches += 1
        if epoch >= args.warmup:
            epochs.append((images, batches, time.perf_counter() - t))
    images, batches, seconds = (sum(c) for c in zip(*epochs))
    assert x.dtype == tf.float32 and x.shape[1:] == (224, 224, 3)
    emit(images=images, batches=batches, seconds=seconds, images_per_second=images / seconds,
         epochs=[n / s for n, _, s in epochs])


if __name__ == "__main__":
    main()
