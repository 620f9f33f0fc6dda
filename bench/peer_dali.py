"""Images a second out of DALI's CPU pipeline, from shards with index files.

Run:  python bench/peer_dali.py FILES_OR_FOLDERS... --pipeline article|eval|eval224|rrc [--epochs 2] [--threads N]
The pipelines are those of peer_stream.py; DALI's contrast turns about 127.5 and not about the image's mean. f32 batches of 32, HWC.
Index files are made in a temporary folder. Prints {"images", "seconds", "images_per_second"}.
"""

import os
import struct
import tempfile

from common import run_epochs, stream_args


def write_index(shard, path):
    """`offset size` lines, as tfrecord2idx writes them."""
    with open(shard, "rb") as f, open(path, "w") as out:
        size, at = os.path.getsize(shard), 0
        while at < size:
            f.seek(at)
            (n,) = struct.unpack("<Q", f.read(8))
            out.write(f"{at} {n + 16}\n")
            at += n + 16


def main():
    args = stream_args(__doc__, ["article", "eval", "eval224", "rrc"])
    files = args.files
    from nvidia.dali import fn, pipeline_def, types
    from nvidia.dali import tfrecord as tfrec

    with tempfile.TemporaryDirectory() as tmp:
        index = [os.path.join(tmp, f"{i}.idx") for i in range(len(files))]
        for f, i in zip(files, index):
            write_index(f, i)

        @pipeline_def(batch_size=args.batch, num_threads=args.threads, device_id=None, prefetch_queue_depth=2)
        def pipe():
            train = args.pipeline in ("article", "rrc")
            f = fn.readers.tfrecord(name="reader", path=files, index_path=index, random_shuffle=train, initial_fill=1000,
                                    features={"image/encoded": tfrec.FixedLenFeature((), tfrec.string, ""),
                                              "image/class/label": tfrec.FixedLenFeature([1], tfrec.int64, -1)})
            if args.pipeline == "rrc":
                image = fn.decoders.image_random_crop(f["image/encoded"], device="cpu", output_type=types.RGB,
                                                      random_area=[0.08, 1.0], random_aspect_ratio=[0.75, 4 / 3], num_attempts=10)
            else:
                image = fn.decoders.image(f["image/encoded"], device="cpu", output_type=types.RGB)
            side = 256 if args.pipeline in ("article", "eval") else 224
            image = fn.resize(image, size=[side, side], antialias=False,
                              dtype=types.FLOAT if args.pipeline == "article" else types.UINT8)
            crop = {"crop": (224, 224)} if side == 256 else {}
            if args.pipeline == "article":
                image = fn.brightness_contrast(image, brightness_shift=fn.random.uniform(range=[-0.2, 0.2]) * 255.0,
                                               contrast=fn.random.uniform(range=[0.8, 1.2]), contrast_center=127.5)
                crop.update(crop_pos_x=fn.random.uniform(range=[0, 1]), crop_pos_y=fn.random.uniform(range=[0, 1]))
            if train:
                crop["mirror"] = fn.random.coin_flip()
            image = fn.crop_mirror_normalize(image, dtype=types.FLOAT, output_layout="HWC",
                                             mean=[127.5] * 3, std=[127.5] * 3, **crop)
            return image, f["image/class/label"]

        p = pipe()
        p.build()
        steps = -(-p.epoch_size("reader") // args.batch)
        images, _ = p.run()
        assert tuple(images.as_tensor().shape()) == (args.batch, 224, 224, 3)
        run_epochs(args, lambda: (len(p.run()[0]) for _ in range(steps)))


if __name__ == "__main__":
    main()
