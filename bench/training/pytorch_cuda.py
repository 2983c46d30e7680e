"""PyTorch's speed on this machine's GPU, which ours is compared with: every way to run a network.

    python pytorch_cuda.py RESULT [--network caffenet] [--batch 256] [--rounds 3] [--ways WAY ...]

The ways (nhwc-float32, nchw-bf16-compile, ...; all eight unless some are named) take turns; each
measurement is a process of its own, and RESULT holds what was measured so far. PyTorch's
convolutions use TF32 where bf16 is not asked for, its matrix products do not: its own defaults.
Compiling takes some minutes a way (max-autotune), the first time.
"""

import argparse
import datetime
import itertools
import json
import pathlib
import statistics
import sys

from compare import measure

PROGRAM = pathlib.Path(__file__).with_name("pytorch.py")
CHANNELS, OUTPUTS = 3, 1000
WAYS = {
    f"{layout}-{number}{run}": ["--layout", layout, *(["--bf16"] * (number == "bf16")), *(["--compile"] * (run != ""))]
    for run, layout, number in itertools.product(["", "-compile"], ["nhwc", "nchw"], ["float32", "bf16"])
}


def command(network, batch, way):
    sizes = ["--network", network, "--batch", str(batch), "--channels", str(CHANNELS), "--outputs", str(OUTPUTS)]
    return [sys.executable, str(PROGRAM), "--device", "cuda", "--iterations", "50", *sizes, *WAYS[way]]


def summary(reports):
    speeds = [report["images_per_s"] for report in reports]
    return {
        "images_per_s": {"min": min(speeds), "median": statistics.median(speeds), "max": max(speeds)},
        "rounds": len(reports),
        "memory_mib": max(report["memory_mib"] for report in reports),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--network", default="caffenet")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    given = parser.parse_args()

    measured = {way: [] for way in given.ways}
    for _, way in itertools.product(range(given.rounds), given.ways):
        report, _ = measure(command(given.network, given.batch, way))
        measured[way].append(report)
        result = {
            "schema": "selffer.bench-pytorch-cuda/v1",
            "date": datetime.date.today().isoformat(),
            "device": report["device"],
            "pytorch": report["version"],
            "network": given.network,
            "channels": CHANNELS,
            "outputs": OUTPUTS,
            "batch": given.batch,
            "results": {way: summary(reports) for way, reports in measured.items() if reports},
        }
        given.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
