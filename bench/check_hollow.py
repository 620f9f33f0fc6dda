"""Does any small image file take much memory? Peak resident memory of `tfr` on files that promise far more pixels than they hold.

Run:  python bench/check_hollow.py --tfr target/release/tfr [--limit 200] [FILE...]
Makes a file of each format with a header of 13,377 x 13,377 pixels, the most that the default limits allow, and few bytes after
it, and gives it to `tfr convert` (header, decode, re-encoding), `tfr apply` and `tfr validate --decode`; so also FILEs. Prints a
table; ends with 1 if one of them takes more than --limit MB, or is not refused. The last rows are files that can hold all their
pixels, being of one colour: they are decoded, within what the limits say, and are held against nothing. Linux only.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import zlib

SIDE = 13_377


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(frame, components, scans, side=SIDE):
    """One code for each table: an end of block or of 2^14 blocks and more."""
    out = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64)
    out += segment(frame, struct.pack(">BHHB", 8, side, side, components) +
                   b"".join(bytes([i + 1, 0x11, 0]) for i in range(components)))
    run = 0xE0 if frame == 0xC2 else 0
    out += segment(0xC4, b"\0\1" + bytes(15) + b"\0") + segment(0xC4, b"\x10\1" + bytes(15) + bytes([run]))
    return out + b"".join(segment(0xDA, header) + bytes(length) for header, length in scans) + b"\xff\xd9"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(data):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def one_colour():
    packer, rows = zlib.compressobj(9), bytes((1 + 4 * SIDE) * 64)
    data = b"".join(packer.compress(rows) for _ in range(SIDE // 64))
    data += packer.compress(bytes((1 + 4 * SIDE) * (SIDE % 64)))
    return data + packer.flush()


def riff(*chunks):
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(bits, compression, data):
    return (b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) +
            struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, bits, compression, 0, 0, 0, 0, 0) + bytes(1024) + data)


def tiff(compression):
    tags = [(256, 4, SIDE), (257, 4, SIDE), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 4, 130), (277, 3, 1),
            (278, 4, SIDE), (279, 4, 60)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(74)


def hollow():
    size = struct.pack("<HH", SIDE, SIDE)
    band, blocks = bytes([1, 1, 0, 1, 63, 0]), ((SIDE + 7) // 8) ** 2
    lossy = b"\x10\x02\0\x9d\x01\x2a" + size + bytes(30)
    lossless = b"\x2f" + struct.pack("<I", SIDE - 1 | SIDE - 1 << 14)
    extended = bytes(4) + 2 * struct.pack("<I", SIDE - 1)[:3]
    return {
        "progressive.jpg": jpeg(0xC2, 3, [(band, 2)]),
        "band.jpg": jpeg(0xC2, 3, [(band, blocks // 16_384 * 2 + 4)]),
        "inks.jpg": jpeg(0xC2, 4, [(band, 2)]),
        "sequential.jpg": jpeg(0xC0, 3, [(bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]), 1000)]),
        "first-of-three.jpg": jpeg(0xC0, 3, [(bytes([1, 1, 0, 0, 63, 0]), blocks // 4 + 1)]),
        "short.png": png(zlib.compress(b"")),
        "canvas.gif": b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + b"\1\0\1\0\0\2\2\x44\1\0;",
        "frame.gif": b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + size + b"\0\2\2\x44\1\0;",
        "plain.bmp": bmp(24, 0, bytes(100)),
        "runs.bmp": bmp(8, 1, b"\0\1"),
        "lossy.webp": riff((b"VP8 ", lossy)),
        "extended.webp": riff((b"VP8X", extended), (b"VP8 ", lossy)),
        "header.webp": riff((b"VP8X", extended)),
        "lossless.webp": riff((b"VP8L", lossless + bytes(3))),
        **{f"compression-{n}.tif": tiff(n) for n in (1, 5, 8, 32_773, 4)},
    }


def full():
    blocks = ((SIDE + 7) // 8) ** 2
    scans = [(bytes([1, 1, 0, 0, 0, 0]), blocks // 8 + 1), (bytes([1, 1, 0, 1, 63, 0]), blocks // 16_384 * 2 + 4)]
    return {"one-colour.png": png(one_colour()), "one-colour.jpg": jpeg(0xC2, 1, scans)}


def peak(argv):
    """The exit code of a program, and its peak resident memory in MB."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024 / 1e6


def runs(tfr, folder, name, data):
    """What each verb makes of a file: (verb, exit code, MB)."""
    photos = os.path.join(folder, name, "photos", "a")
    os.makedirs(photos)
    path, out = os.path.join(photos, name), os.path.join(folder, name, "out")
    with open(path, "wb") as file:
        file.write(data)
    photos = os.path.dirname(photos)
    convert = [tfr, "convert", photos, out, "--force", "--quiet"]
    yield "convert", *peak([*convert, "--reencode", "png"])
    yield "convert --verify decode", *peak([*convert, "--reencode", "png", "--verify", "decode"])
    if name.endswith((".jpg", ".png")):
        yield "convert --resize-shorter", *peak([*convert, "--resize-shorter", "64"])
        yield "apply", *peak([tfr, "apply", path, "-o", out + ".npy", "--quiet"])
        stored = peak([*convert, "--verify", "none"])
        if stored[0] == 0:
            yield "validate --decode", *peak([tfr, "validate", out, "--decode", "--quiet"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--tfr", required=True)
    ap.add_argument("--limit", type=float, default=200.0, help="MB")
    ap.add_argument("files", nargs="*")
    args = ap.parse_args()
    named = {}
    for path in args.files:
        with open(path, "rb") as file:
            named[os.path.basename(path)] = file.read()
    bad = 0
    print("| file | bytes | most MB | by |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        whole = full()
        for name, data in [*hollow().items(), *named.items(), *whole.items()]:
            done = list(runs(args.tfr, folder, name, data))
            verb, _, most = max(done, key=lambda run: run[2])
            print(f"| {name} | {len(data)} | {most:.0f} | {verb} |", flush=True)
            if name not in whole:
                taken = [verb for verb, code, _ in done if code != 1]
                if most > args.limit or (taken and name not in named):
                    print(f"{name}: {most:.0f} MB, not refused by {taken}", file=sys.stderr)
                    bad += 1
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
