"""Images a second out of OpenCV and a pool of threads, as many as cores.

Run:  python bench/peer_opencv.py FILES_OR_FOLDERS... --pipeline article|eval|eval224|rrc [--epochs 2] [--threads N]
The pipelines are those of peer_stream.py. OpenCV's own threads are off; brightness, contrast and the normalisation are folded
into one factor and one summand a channel. The records lie in memory before the clock starts, which favours it. f32 batches, HWC,
two of them ahead. Prints {"images", "seconds", "images_per_second"}.
"""

import math
import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from common import encoded_images, run_epochs, stream_args


def article(cv2, image):
    image = cv2.resize(image, (256, 256)).astype(np.float32)
    mean = np.array(cv2.mean(image)[:3], np.float32)
    factor, delta = random.uniform(0.8, 1.2), random.uniform(-0.2, 0.2) * 255.0
    y, x = random.randint(0, 32), random.randint(0, 32)
    if random.random() < 0.5:
        image = image[:, ::-1]
    # (image + delta - (mean + delta)) * factor + mean + delta, then (x - 127.5) / 127.5
    return image[y:y + 224, x:x + 224], factor / 127.5, (mean * (1.0 - factor) + delta - 127.5) / 127.5


def evaluate(cv2, image):
    return cv2.resize(image, (256, 256))[16:240, 16:240], 1.0 / 127.5, -1.0


def evaluate224(cv2, image):
    return cv2.resize(image, (224, 224)), 1.0 / 127.5, -1.0


def random_resized_crop(cv2, image):
    height, width = image.shape[:2]
    for _ in range(10):
        area = random.uniform(0.08, 1.0) * height * width
        ratio = random.uniform(0.75, 4 / 3)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            y, x = random.randint(0, height - h), random.randint(0, width - w)
            image = image[y:y + h, x:x + w]
            break
    image = cv2.resize(image, (224, 224))
    return image[:, ::-1] if random.random() < 0.5 else image, 1.0 / 127.5, -1.0


PIPELINES = {"article": article, "eval": evaluate, "eval224": evaluate224, "rrc": random_resized_crop}


def main():
    args = stream_args(__doc__, PIPELINES)
    images = encoded_images(args.files)
    import cv2
    cv2.setNumThreads(1)
    pipeline, train = PIPELINES[args.pipeline], args.pipeline in ("article", "rrc")

    def fill(slot, encoded):
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        image, factor, summand = pipeline(cv2, image)
        np.multiply(image, np.float32(factor), out=slot)
        np.add(slot, np.float32(summand), out=slot)

    with ThreadPoolExecutor(args.threads) as pool:
        def epoch():
            order = random.sample(images, len(images)) if train else images
            ahead = deque()
            for at in range(0, len(order), args.batch):
                part = order[at:at + args.batch]
                batch = np.empty((len(part), 224, 224, 3), np.float32)
                ahead.append((batch, [pool.submit(fill, slot, encoded) for slot, encoded in zip(batch, part)]))
                if len(ahead) > 2:
                    yield finished(*ahead.popleft())
            while ahead:
                yield finished(*ahead.popleft())

        run_epochs(args, epoch)


def finished(batch, slots):
    for slot in slots:
        slot.result()
    return len(batch)


if __name__ == "__main__":
    main()
