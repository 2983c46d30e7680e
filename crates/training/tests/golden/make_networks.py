#!/usr/bin/env python3
"""Writes the golden numbers of whole networks: networks.json, beside this file.

    python -m venv venv && venv/bin/pip install torch==2.9.1 numpy blake3
    venv/bin/python make_networks.py

Each case is trained with PyTorch's operators and autograd and Caffe's update (networks.py,
solver.py) in float64 and several times in float32: as PyTorch computes by default, with the
images channels-last, without oneDNN, and from weights that are moved a little. The file keeps
the float64 losses, weights after 1, 10 and 50 iterations and momentum after the first
(record.py), and how far the worst float32 training is from them.

Where a ReLU or a maximum is so near to tipping over that rounding decides, a gradient takes
another way at once. In 10 iterations a network comes a few times within the error of
float32; which training tips is chance, so that one alone tells little about what float32
gives. Weights moved by up to 2^-17 err about as much, layer after layer, as float32 does at
its worst, so that what can tip does tip in one of those trainings. The first iteration is
stricter: 2^-20 there, a few roundings. Rates are low enough that differences hardly grow
by themselves: at 0.01, two float32 trainings of `caffenet-32` are a fifth of the loss apart
after 50 iterations.

The drop of the rate lies within the 50. Run again, it writes the same file; it takes some
minutes and 6 GB of memory.
"""

import warnings

import torch

import philox
import solver
from networks import LAYERS, Job, Training
from record import digits, record, write

ITERATIONS = (1, 10, 50)

# Every key of a recipe; the solver's traps are all in it.
RECIPE = {
    "iterations": 50,
    "batch": 12,
    "learning_rate": 0.0001,
    "drops": [{"at": 0.6, "factor": 0.1}],
    "momentum": 0.9,
    "decay": 0.002,
    "bias_learning_rate_factor": 2.0,
    "bias_decay_factor": 0.0,
    "crop": None,
    "mirror": False,
    "scale": 1.0,
    "test_every": 50,
    "initialiser": "he",
    "dropout": 0.5,
    "outputs": 10,
    "mean_image": "target",
    "order": "shuffled",
    "test_images": "all",
    "precision": "f32",
}
CASE = {"seed": 5, "layers_random": 0, "images": 40, "classes": 5, "scale": 0.5, "channels": 3}
PAPER = RECIPE | {"batch": 2, "learning_rate": 0.01, "initialiser": "gaussian", "outputs": 1000}
SLIM = RECIPE | {"learning_rate": 0.0005}
LARGE = RECIPE | {"learning_rate": 0.00005, "batch": 8}
CASES = [
    CASE | {"network": "caffenet-28-slim", "channels": 1, "recipe": SLIM | {"dropout": 0.25}},
    CASE | {"network": "caffenet-28-slim", "channels": 1, "recipe": SLIM, "layers_random": 3},
    CASE | {"network": "caffenet-28", "channels": 1, "recipe": RECIPE},
    CASE | {"network": "caffenet-32", "recipe": RECIPE},
    CASE | {"network": "caffenet-32", "recipe": RECIPE, "layers_random": 3},
    CASE | {"network": "caffenet-64", "scale": 0.25, "recipe": LARGE},
    CASE | {"network": "caffenet", "images": 2, "scale": 128.0, "recipe": PAPER},
]
# Float32 trainings from moved weights, and by how much they are moved.
SLIGHT, WIDE = (4, 2.0**-20), (8, 2.0**-17)


def trainings(job):
    """The float64 training; those in float32; those that count after the first iteration only."""
    exact = Training(job, torch.float64)
    singles = [
        Training(job, torch.float32),
        Training(job, torch.float32, memory_format=torch.channels_last),
        Training(job, torch.float32, onednn=False),
    ]
    if job.case["network"] == "caffenet":
        return exact, singles, []
    slight, wide = (
        [Training(job, torch.float32, nudge=(f"{share}/{index}", share)) for index in range(count)]
        for count, share in (SLIGHT, WIDE)
    )
    return exact, singles + slight, wide


def records(name, exact, singles, tensors_of):
    """Records of one kind of tensor of all layers that learn, by name."""
    content = {}
    for index, layer in enumerate(LAYERS[exact.frozen :]):
        for part, suffix in enumerate(("weight", "bias")):
            found = [tensors_of(run)[index][part] for run in singles]
            tensor = f"{layer}.{suffix}"
            content[tensor] = record(f"{name}/{tensor}", tensors_of(exact)[index][part], found)
    return content


def train(case):
    name = f"{case['network']}/{case['layers_random']} random"
    exact, singles, later = trainings(Job(case))
    losses, deviations, weights = [], [], []
    last = 1 if case["network"] == "caffenet" else ITERATIONS[-1]
    for iteration in range(1, last + 1):
        loss, *found = [run.update() for run in (exact, *singles, *later)]
        if iteration == 1:
            momentum = records(f"{name}/momentum", exact, singles, lambda run: run.sgd.momentum)
            found = found[: len(singles)]
        if iteration in ITERATIONS:
            runs = singles if iteration == 1 else singles + later
            tensors = records(name, exact, runs, lambda run: run.sgd.layers)
            weights.append({"iterations": iteration, "tensors": tensors})
        losses.append(digits(loss, 12))
        deviations.append(digits(max(abs(single - loss) for single in found) / loss, 2))
    print(name, *(f"{losses[i]:.3f} ± {deviations[i]:.1e}" for i in range(0, last, 7)), flush=True)
    return {
        "case": name,
        "spec": case,
        "losses": losses,
        "losses_float32": deviations,
        "momentum": momentum,
        "weights": weights,
    }


def main():
    philox.check()
    solver.check()
    # Switching oneDNN off warns of arithmetic that only GPUs have.
    warnings.filterwarnings("ignore", message="TF32")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    write("networks.json", [train(case) for case in CASES])


if __name__ == "__main__":
    main()
