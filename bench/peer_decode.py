"""Images a second that simplejpeg (libjpeg-turbo) decodes on all cores, and nothing else.

Run:  python bench/peer_decode.py FILES_OR_FOLDERS... [--seconds 3] [--threads N]
Fast DCT and exact upsampling, the transform of tf.io.decode_jpeg's default. The records lie in memory before the clock starts.
Prints {"images", "threads", "seconds", "images_per_second"}.
"""

import argparse
import itertools
import os
import threading
import time

from common import emit, encoded_images, shard_args


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--seconds", type=float, default=3.0)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    args = ap.parse_args()
    images = encoded_images(shard_args(args.files))
    from simplejpeg import decode_jpeg

    def work(n):
        done = 0
        for image in itertools.cycle(images[n::args.threads]):
            if time.perf_counter() >= end:
                break
            decode_jpeg(image, "RGB", fastdct=True, fastupsample=False)
            done += 1
        counts[n] = done

    counts = [0] * args.threads
    threads = [threading.Thread(target=work, args=(n,)) for n in range(args.threads)]
    start = time.perf_counter()
    end = start + args.seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    emit(images=sum(counts), threads=args.threads, seconds=seconds, images_per_second=sum(counts) / seconds)


if __name__ == "__main__":
    main()
