"""Images a second out of tf.data: decode, augment, batch.

Run:  python bench/peer_stream.py FILES_OR_FOLDERS... --pipeline article|eval|eval224|rrc|cached [--epochs 2] [--warmup 1]
  article  shuffle(1000), decode, resize 256, random flip, brightness (0.2 of 255 levels), contrast 0.8-1.2, random crop 224, to [-1, 1]
  eval     decode, resize 256, central crop 0.875, to [-1, 1]
  eval224  decode, resize 224, to [-1, 1]
  rrc      shuffle(1000), random resized crop through decode_and_crop_jpeg, resize 224, random flip, to [-1, 1]
  cached   decode, resize 256, cache as uint8, shuffle(1000), the rest of article; --warmup 2 leaves out the epochs that fill it
f32 batches of 32. Prints {"images", "seconds", "images_per_second", "epochs"}. Process start, tracing and the warm-up epochs
(in which tf.data tunes itself) are left out. tf.data chooses its threads itself: --threads has no effect.
"""

from common import run_epochs, stream_args, tensorflow, tf_image_pipeline


def main():
    dct = {"default": "", "choices": ["", "INTEGER_FAST", "INTEGER_ACCURATE"]}
    args = stream_args(__doc__, ["article", "eval", "eval224", "rrc", "cached"], dct=dct)
    tf = tensorflow()
    ds = tf_image_pipeline(tf, args.files, args.pipeline, args.batch, decode_dct=args.dct)
    assert ds.element_spec[0].dtype == tf.float32 and ds.element_spec[0].shape[1:] == (224, 224, 3)
    run_epochs(args, lambda: (int(images.shape[0]) for images, _ in ds))


if __name__ == "__main__":
    main()
