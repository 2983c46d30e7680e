"""What the golden files keep of a tensor, and how they are written.

Of a float64 result: shape, sum, norm, largest absolute value, and up to 64 elements at
positions drawn from the generator, as whole numbers of ten-millionths of the largest.
Of PyTorch's own float32 results of the same tensor: how far they are from float64, so that
ours can be compared. Numbers are cut to a fixed count of digits: a file comes out the same
byte for byte wherever PyTorch of one version rounds alike, and small.
"""

import json
import math
import pathlib
import re

import numpy
import torch

import philox

SAMPLES_MAX = 64
SAMPLE_UNITS = 10**7

# Whatever is drawn for a test and not for a job has its own name in these streams.
STREAMS = philox.Streams(0, "golden", "A", "base", 0)


def fractions(name, shape, scale=1.0):
    """Numbers in [-scale, scale), float64, that float32 holds exactly if scale is a power of 2."""
    words = STREAMS.weights(name).uniform(math.prod(shape)) >> 8
    return torch.from_numpy(words.astype(numpy.float64) * 2.0**-23 - 1.0).reshape(shape) * scale


def levels(name, shape, count):
    """Whole numbers of quarters around 0, only `count` of them, so that many are equal."""
    numbers = STREAMS.weights(name).below(math.prod(shape), count) - count // 2
    return torch.from_numpy(numbers.astype(numpy.float64) / 4).reshape(shape)


def labels(name, count, classes):
    return torch.from_numpy(STREAMS.weights(name).below(count, classes))


def positions(name, count):
    """Where a tensor of `count` elements is sampled: everywhere, or in 64 places."""
    if count <= SAMPLES_MAX:
        return torch.arange(count)
    return torch.from_numpy(STREAMS.weights(f"positions of {name}").below(SAMPLES_MAX, count))


def digits(number, count):
    return float(f"{float(number):.{count}g}")


def record(name, exact, singles):
    """The record of the float64 tensor `exact`; `singles` are float32 results of the same.

    `name` keys the positions. Kept of the float32 results is the worst of them: `largest`,
    max |float32 - float64| / max |float64|, and `norm`, |float32 - float64| / |float64|.
    """
    exact = exact.detach().contiguous().flatten()
    assert exact.dtype == torch.float64 and exact.isfinite().all(), name
    largest, norm = exact.abs().max().item(), exact.norm().item()
    samples = exact[positions(name, exact.numel())] / largest * SAMPLE_UNITS
    differences = [single.detach().contiguous().flatten() - exact for single in singles]
    return {
        "shape": list(singles[0].shape),
        "sum": digits(exact.sum(), 12),
        "norm": digits(norm, 12),
        "largest": digits(largest, 12),
        "float32": {
            "largest": digits(max(d.abs().max().item() for d in differences) / largest, 2),
            "norm": digits(max(d.norm().item() for d in differences) / norm, 2),
        },
        "samples": [round(sample) for sample in samples.tolist()],
    }


def write(name, content):
    """Writes `content` beside the scripts, a line for each record."""
    text = json.dumps(content, separators=(",", ":"))
    text = re.sub(r'"[^"]+":{"shape":|{"case":', r"\n\g<0>", text)
    pathlib.Path(__file__).with_name(name).write_text(text + "\n")
