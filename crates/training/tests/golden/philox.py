"""The random streams of the project (crates/core/src/stream), vectorised in NumPy.

A stream is a pure function from an index to a random number, keyed with the BLAKE3 digest
of a canonical JSON text that says what its numbers are for. The tests draw the same numbers
from `selffer_core::stream`, so golden files need to hold no inputs. Every function here gives
the numbers of the elements `0..count`, in order. `check()` compares them with answers that
are also written in the tests of core; the scripts beside this file call it first.
"""

import json

import numpy
from blake3 import blake3

ROUND_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF
# Blocks that are computed at a time: few enough to stay in a cache.
CHUNK = 1 << 15


class Stream:
    """One stream of random numbers."""

    def __init__(self, purpose):
        text = json.dumps(purpose, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        words = numpy.frombuffer(blake3(text.encode()).digest()[:16], dtype="<u4")
        self.key = [int(words[0]), int(words[1])]
        self.counter_high = [int(words[2]), int(words[3])]

    def blocks(self, start, count):
        """Four words for each counter from `start` on: `[count, 4]`, uint32."""
        counters = numpy.arange(start, start + count, dtype=numpy.uint64)
        high = [numpy.full(count, word, dtype=numpy.uint64) for word in self.counter_high]
        counter = [counters & WORD, counters >> 32, *high]
        return numpy.stack(philox4x32_10(counter, self.key), axis=1).astype(numpy.uint32)

    def uniform(self, count):
        """Uniform words, uint32: element i is word `i % 4` of block `i / 4`."""
        return self.blocks(0, -(-count // 4)).reshape(-1)[:count]

    def below(self, count, bound):
        """Whole numbers in `0..bound`, by multiply and shift."""
        return (self.uniform(count).astype(numpy.uint64) * bound >> 32).astype(numpy.int64)

    def normal(self, count):
        """Standard normal numbers, float32: element i from block i, by Box and Muller."""
        numbers = numpy.empty(count, dtype=numpy.float32)
        for start in range(0, count, CHUNK):
            end = min(start + CHUNK, count)
            a, b, c, d = self.blocks(start, end - start).astype(numpy.uint64).T
            radius_uniform = (fraction_53(a, b) + 1).astype(numpy.float64) * 2.0**-53
            angle_uniform = fraction_53(c, d).astype(numpy.float64) * 2.0**-53
            radius = numpy.sqrt(-2.0 * numpy.log(radius_uniform))
            numbers[start:end] = radius * numpy.cos(2 * numpy.pi * angle_uniform)
        return numbers

    def permutation(self, length):
        """A permutation of `0..length`: Fisher-Yates from the last place down."""
        words = self.uniform(length)
        items = list(range(length))
        for last in range(length - 1, 0, -1):
            other = int(words[last]) * (last + 1) >> 32
            items[last], items[other] = items[other], items[last]
        return items


def fraction_53(low, high):
    return (high << 32 | low) >> 11


def philox4x32_10(counter, key):
    """Philox4x32 with ten rounds (Salmon et al. 2011) of uint64 arrays that hold words."""
    x0, x1, x2, x3 = counter
    key_0, key_1 = key
    for _ in range(10):
        product_0, product_1 = x0 * ROUND_MULTIPLIERS[0], x2 * ROUND_MULTIPLIERS[1]
        x0 = product_1 >> 32 ^ x1 ^ key_0
        x2 = product_0 >> 32 ^ x3 ^ key_1
        x1, x3 = product_1 & WORD, product_0 & WORD
        key_0, key_1 = key_0 + KEY_STEPS[0] & WORD, key_1 + KEY_STEPS[1] & WORD
    return x0, x1, x2, x3


class Streams:
    """The streams of one job, as `selffer_core::stream::Streams`."""

    def __init__(self, seed, split, half, role, n):
        self.images = {"version": "selffer.stream/v1", "seed": seed, "split": split, "half": half}
        self.images["role"] = role
        self.n = n

    def order(self, epoch):
        return Stream(self.images | {"purpose": "order", "epoch": epoch})

    def weights(self, layer):
        return Stream(self.images | {"purpose": "weights", "n": self.n, "layer": layer})

    def random_layer(self, layer):
        purpose = self.images | {"purpose": "random-layer", "layer": layer}
        del purpose["role"]
        return Stream(purpose)

    def dropout(self, layer, iteration):
        purpose = self.images | {"purpose": "dropout", "n": self.n, "layer": layer}
        return Stream(purpose | {"iteration": iteration})


def check():
    """Answers that crates/core/src/stream/mod.rs has as well."""
    streams = Streams(0, "random-0", "B", "grafted", 3)
    answers = [
        (streams.order(2).blocks(0, 1), [0xE7C17972, 0x44CB2F67, 0x362B6932, 0x6A9863B5]),
        (streams.weights("fc6").blocks(1 << 40, 1), [0xB4531EFB, 0x8151D43E, 0x4D83AA72, 0x4098DFD9]),
        (streams.random_layer("conv1").blocks(7, 1), [0xEBCF0602, 0x8CB0EC4F, 0x02475A67, 0x35350D06]),
        (streams.dropout("fc7", 799).uniform(7)[6], 0x1A776FB1),
        (streams.weights("fc6").normal(4).view(numpy.uint32)[3], 0x3F045FD3),
    ]
    for found, expected in answers:
        assert numpy.array_equal(numpy.squeeze(found), expected), (found, expected)
