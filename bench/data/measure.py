"""What image sets cost, with our programs and beside Pillow.

    python measure.py --programs FOLDER [--rounds 5]

Pictures are noise whose spectrum falls with frequency as that of photographs does, 500x375
pixels, as JPEGs of quality 90 with halved colour: about as large as ILSVRC2012's. Both sides
decode and squash the same files to 256x256 on one thread, in turn, Pillow from memory and
without writing anything, ours with reading, hashing and writing the pack. One JSON object on
standard output.
"""

import argparse
import datetime
import io
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import PIL
from PIL import Image

WANTED_RATIO = 1.2
WANTED_MEMORY_MIB = 1024
PICTURES = 400
MANY = 50_000


def picture(generator, width, height):
    """Noise with a spectrum of 1/f, its three channels alike for the most part."""
    rows, columns = numpy.fft.fftfreq(height)[:, None], numpy.fft.rfftfreq(width)[None, :]
    fall = 1 / numpy.maximum(numpy.hypot(rows, columns), 1 / max(width, height))
    def channel():
        phases = generator.uniform(0, 2 * numpy.pi, (height, width // 2 + 1))
        return numpy.fft.irfft2(fall * numpy.exp(1j * phases), s=(height, width))
    grey = channel()
    channels = numpy.stack([grey + 0.25 * channel() for _ in range(3)], axis=2)
    spread = channels.std() * 6
    return Image.fromarray(numpy.clip(channels / spread * 255 + 128, 0, 255).astype(numpy.uint8))


def jpeg(generator, width, height, quality):
    buffer = io.BytesIO()
    picture(generator, width, height).save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def write_set(folder, encoded, count):
    """`count` files of two classes, an eighth of them to test on; copies of a few pictures."""
    for subset, share in [("train", 7), ("val", 1)]:
        for label in ["one", "other"]:
            place = folder / subset / label
            place.mkdir(parents=True)
            for index in range(count * share // 16):
                (place / f"{index:06}.jpg").write_bytes(encoded[index % len(encoded)])


def run(command, **more):
    """Seconds, and the most memory in MiB, of a program."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def importing(given, folder, source, name, *more):
    command = [given.programs / "jobctl", "data", "import", "--format", "folder", source, "--name", name]
    command += ["--size", "256", "--no-push", "--data-dir", folder / "data", *more]
    measured = run(command)
    shutil.rmtree(folder / "data")
    return measured


def with_pillow(encoded):
    started = time.monotonic()
    for one in encoded:
        Image.open(io.BytesIO(one)).convert("RGB").resize((256, 256), Image.Resampling.BILINEAR).tobytes()
    return time.monotonic() - started


def compare_import(given, folder):
    generator = numpy.random.default_rng(0)
    encoded = [jpeg(generator, 500, 375, 90) for _ in range(40)]
    write_set(folder / "set", encoded, PICTURES)
    count = sum(len(files) for _, _, files in os.walk(folder / "set"))
    many = [encoded[index % len(encoded)] for index in range(count)]
    ours, theirs = [], []
    for _ in range(given.rounds):
        ours.append(count / importing(given, folder, folder / "set", "few", "--threads", "1")[0])
        theirs.append(count / with_pillow(many))
    ratios = [one / other for one, other in zip(ours, theirs)]
    return {
        "pictures": count,
        "bytes_per_picture": sum(map(len, many)) // count,
        "images_per_s_per_core": statistics.median(ours),
        "pillow": {"version": PIL.__version__, "images_per_s": statistics.median(theirs)},
        "ratio": {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)},
        "wanted": WANTED_RATIO,
    }


def memory_of_many(given, folder):
    generator = numpy.random.default_rng(1)
    write_set(folder / "many", [jpeg(generator, 96, 72, 85) for _ in range(40)], MANY)
    seconds, memory_mib = importing(given, folder, folder / "many", "many")
    shutil.rmtree(folder / "many")
    return {"pictures": MANY, "seconds": seconds, "memory_mib": memory_mib, "wanted": WANTED_MEMORY_MIB}


def batches(given, folder):
    """Random-order batches of 227x227 crops, mirrored, less the mean, on one thread."""
    generator = numpy.random.default_rng(2)
    write_set(folder / "set-256", [jpeg(generator, 256, 256, 90) for _ in range(40)], 8_000)
    results = {}
    for name, more in [("pixels", []), ("jpeg", ["--jpeg", "95"])]:
        command = [given.programs / "jobctl", "data", "import", "--format", "folder", folder / "set-256"]
        run(command + ["--name", name, "--no-push", "--data-dir", folder / "packs", *more])
        command = [given.programs / "workerd", "bench", "--batches", folder / "packs" / "packs" / name]
        said = subprocess.run(
            [*command, "--cpu", "--threads", "1", "--crop", "227", "-o", "json"],
            check=True, stdout=subprocess.PIPE, text=True,
        )
        results[name] = json.loads(said.stdout)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        result = {
            "bench": "data",
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "import": compare_import(given, folder),
            "memory": memory_of_many(given, folder),
            "batches": batches(given, folder),
        }
    print(json.dumps(result, indent=2))
    failed = result["import"]["ratio"]["median"] < WANTED_RATIO
    failed |= result["memory"]["memory_mib"] > WANTED_MEMORY_MIB
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
