"""PyTorch's side of the comparison: real training iterations of our networks on random images.

    python pytorch.py --network caffenet-32 [--batch 64] [--threads 2] [--channels 3]
                      [--outputs 5] [--layout nhwc|nchw] [--frozen N] [--iterations 20]
                      [--device cpu|cuda] [--bf16] [--compile]

Prints one JSON object. The layers, their order and sizes are those of docs/networks.md; the
optimizer is PyTorch's own SGD with momentum and decay. The layers that are frozen get no
gradient, as anybody would do it. On a GPU the images lie there already, the optimizer is the
fused one, and each iteration is waited for.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

# Input side; conv1 (outputs, kernel, stride, pad); outputs of conv2 to conv5; width of fc6 and
# fc7; side after pool5.
NETWORKS = {
    "caffenet-28-slim": (28, (16, 5, 1, 2), (32, 48, 48, 32), 128, 2),
    "caffenet-28": (28, (32, 5, 1, 2), (64, 96, 96, 64), 256, 2),
    "caffenet-32": (32, (32, 5, 1, 2), (64, 96, 96, 64), 256, 3),
    "caffenet-64": (64, (64, 7, 2, 3), (128, 192, 192, 128), 1024, 3),
    "caffenet": (227, (96, 11, 4, 0), (256, 384, 384, 256), 4096, 6),
}
WARM_UP = 3


def build(name, channels, outputs):
    """The layers, each a list of modules, the learned one first."""
    _, conv1, (conv2, conv3, conv4, conv5), width, last_side = NETWORKS[name]
    pool = lambda: nn.MaxPool2d(3, 2)
    norm = lambda: nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
    relu = lambda: nn.ReLU(inplace=True)
    return [
        [nn.Conv2d(channels, *conv1), relu(), pool(), norm()],
        [nn.Conv2d(conv1[0], conv2, 5, padding=2, groups=2), relu(), pool(), norm()],
        [nn.Conv2d(conv2, conv3, 3, padding=1), relu()],
        [nn.Conv2d(conv3, conv4, 3, padding=1, groups=2), relu()],
        [nn.Conv2d(conv4, conv5, 3, padding=1, groups=2), relu(), pool(), nn.Flatten()],
        [nn.Linear(conv5 * last_side**2, width), relu(), nn.Dropout(0.5)],
        [nn.Linear(width, width), relu(), nn.Dropout(0.5)],
        [nn.Linear(width, outputs)],
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--outputs", type=int, default=5)
    parser.add_argument("--layout", choices=["nhwc", "nchw"], default="nhwc")
    parser.add_argument("--frozen", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--compile", action="store_true", help="torch.compile, max-autotune")
    given = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    layers = build(given.network, given.channels, given.outputs)
    for index, layer in enumerate(layers):
        for module in layer:
            module.requires_grad_(index >= given.frozen)
    layout = torch.channels_last if given.layout == "nhwc" else torch.contiguous_format
    network = nn.Sequential(*(module for layer in layers for module in layer)).train()
    network = network.to(given.device, memory_format=layout)
    side = NETWORKS[given.network][0]
    images = torch.randn(given.batch, given.channels, side, side).to(given.device, memory_format=layout)
    labels = (torch.arange(given.batch) % given.outputs).to(given.device)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    is_cuda = given.device == "cuda"
    optimizer = torch.optim.SGD(learning, 0.01, momentum=0.9, weight_decay=0.0005, fused=is_cuda or None)
    run = torch.compile(network, mode="max-autotune") if given.compile else network

    times = []
    for iteration in range(WARM_UP + given.iterations):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(given.device, torch.bfloat16, enabled=given.bf16):
            loss = nn.functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()
        if is_cuda:
            torch.cuda.synchronize()
        if iteration >= WARM_UP:
            times.append(1e3 * (time.perf_counter() - started))
    median = statistics.median(times)
    report = {
        "peer": "pytorch",
        "version": torch.__version__,
        "images_per_s": 1e3 * given.batch / median,
        "ms_per_iteration": {"min": min(times), "median": median, "max": max(times)},
    }
    if is_cuda:
        report["device"] = torch.cuda.get_device_name()
        report["memory_mib"] = torch.cuda.max_memory_reserved() / 2**20
    print(json.dumps(report))


if __name__ == "__main__":
    main()
