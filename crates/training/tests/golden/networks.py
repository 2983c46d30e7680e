"""The project's networks in PyTorch, and their training, batch by batch.

The presets of crates/core/src/network/caffenet.rs: pooling before normalisation, groups of
2 in conv2, conv4 and conv5, dropout after fc6 and fc7. Weights start, batches come and units
fall silent as the project's streams say (crates/core/src/stream, philox.py), so that only
arithmetic differs from the project's own training.
"""

import functools
import math

import torch
import torch.nn.functional as F

import philox
import record
from solver import CaffeSgd

# side, (outputs, kernel, stride, pad) of conv1, outputs of conv2 to conv5, width of fc6 and fc7
PRESETS = {
    "caffenet-28-slim": (28, (16, 5, 1, 2), (32, 48, 48, 32), 128),
    "caffenet-28": (28, (32, 5, 1, 2), (64, 96, 96, 64), 256),
    "caffenet-32": (32, (32, 5, 1, 2), (64, 96, 96, 64), 256),
    "caffenet-64": (64, (64, 7, 2, 3), (128, 192, 192, 128), 1024),
    "caffenet": (227, (96, 11, 4, 0), (256, 384, 384, 256), 4096),
}
CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
LINEARS = ("fc6", "fc7", "fc8")
LAYERS = CONVOLUTIONS + LINEARS
GROUPS = {"conv2": 2, "conv4": 2, "conv5": 2}
POOLED = ("conv1", "conv2", "conv5")
NORMALISED = ("conv1", "conv2")
# Under the Gaussian initialiser; 0.01 and 0 in the other layers.
DEVIATIONS = {"fc6": 0.005, "fc7": 0.005}
BIASES = {"conv2": 1.0, "conv4": 1.0, "conv5": 1.0, "fc6": 1.0, "fc7": 1.0}


def geometry(network, layer):
    """(kernel, stride, pad) of a convolution."""
    if layer == "conv1":
        return PRESETS[network][1][1:]
    return (5, 1, 2) if layer == "conv2" else (3, 1, 1)


def weight_shapes(network, channels, outputs):
    """The shape of each layer's weight, input first."""
    side, (conv1, *_), upper, width = PRESETS[network]
    shapes = {}
    for layer, filters in zip(CONVOLUTIONS, (conv1, *upper)):
        kernel, stride, pad = geometry(network, layer)
        shapes[layer] = (filters, channels // GROUPS.get(layer, 1), kernel, kernel)
        side = (side + 2 * pad - kernel) // stride + 1
        if layer in POOLED:
            side = (side - 3) // 2 + 1
        channels = filters
    shapes["fc6"] = (width, channels * side * side)
    return shapes | {"fc7": (width, width), "fc8": (outputs, width)}


class Job:
    """What is trained: the same for every arithmetic."""

    def __init__(self, case):
        self.case = case
        self.recipe = case["recipe"]
        role = "grafted" if case["layers_random"] else "base"
        self.streams = philox.Streams(case["seed"], "golden", "A", role, case["layers_random"])
        side = PRESETS[case["network"]][0]
        self.images, self.labels = paint(case, side)

    @functools.cached_property
    def initial_parameters(self):
        """Weight and bias of each layer, float32."""
        shapes = weight_shapes(self.case["network"], self.case["channels"], self.recipe["outputs"])
        layers = []
        for index, (layer, shape) in enumerate(shapes.items()):
            deviation, bias = DEVIATIONS.get(layer, 0.01), BIASES.get(layer, 0.0)
            if self.recipe["initialiser"] == "he":
                deviation, bias = math.sqrt(2 / math.prod(shape[1:])), 0.0
            is_random = index < self.case["layers_random"]
            stream = (self.streams.random_layer if is_random else self.streams.weights)(layer)
            normal = torch.from_numpy(stream.normal(math.prod(shape))).reshape(shape)
            deviation = torch.tensor(deviation, dtype=torch.float32)
            layers.append([normal.mul_(deviation), torch.full(shape[:1], bias, dtype=torch.float32)])
        return layers

    def batch(self, iteration):
        """Images and labels: epochs are permutations and follow each other without a gap."""
        count, size = len(self.labels), self.recipe["batch"]
        elements = range(iteration * size, (iteration + 1) * size)
        orders = {e // count: self.streams.order(e // count).permutation(count) for e in elements}
        chosen = [orders[element // count][element % count] for element in elements]
        return self.images[chosen], self.labels[chosen]

    def dropout(self, layer, iteration, shape):
        """1 / (1 - share) where a unit is kept, else 0; float64."""
        share = self.recipe["dropout"]
        bits = self.streams.dropout(layer, iteration).uniform(math.prod(shape))
        kept = torch.from_numpy(bits >= int(share * 2**32)).reshape(shape)
        return kept.double() / (1 - share)


def paint(case, side):
    """Noise in [-1/2, 1/2), and stripes of 1/2 whose slope tells the label; all times `scale`."""
    count, outputs = case["images"], case["classes"]
    truth = record.labels("labels", count, outputs)
    noise = record.fractions("images", (count, case["channels"], side, side), 0.5)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    stripes = (x + truth[:, None, None] * y) % 6 < 3
    return (noise + stripes[:, None] / 2) * case["scale"], truth


class Training:
    """One training of a job in one arithmetic.

    `memory_format` and `onednn` are two choices that PyTorch leaves to the user. A `nudge`,
    (name, share), moves each initial value by up to this share of it.
    """

    def __init__(self, job, dtype, memory_format=torch.contiguous_format, onednn=True, nudge=None):
        self.job, self.dtype, self.memory_format, self.onednn = job, dtype, memory_format, onednn
        self.iteration = 0
        self.frozen = job.case["layers_random"]
        self.layers = [[self.placed(value) for value in layer] for layer in job.initial_parameters]
        if nudge:
            self.nudge(*nudge)
        self.sgd = CaffeSgd(job.recipe, self.layers[self.frozen :])

    def nudge(self, name, share):
        for index, layer in enumerate(self.layers[self.frozen :]):
            for part, value in enumerate(layer):
                by = record.fractions(f"nudge/{name}/{index}/{part}", value.shape, share)
                value.mul_((1 + by).to(self.dtype))

    def placed(self, tensor):
        """Its own copy in this arithmetic."""
        tensor = tensor.to(self.dtype, copy=True)
        return tensor.contiguous(memory_format=self.memory_format) if tensor.dim() == 4 else tensor

    def forward(self, x):
        for layer, (weight, bias) in zip(LAYERS, self.layers):
            if layer in LINEARS:
                x = F.linear(x.flatten(1), weight, bias)
            else:
                _, stride, pad = geometry(self.job.case["network"], layer)
                x = F.conv2d(x, weight, bias, stride, pad, groups=GROUPS.get(layer, 1))
            x = x if layer == "fc8" else F.relu(x)
            if layer in POOLED:
                x = F.max_pool2d(x, 3, 2)
            if layer in NORMALISED:
                x = F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
            if layer in ("fc6", "fc7"):
                x = x * self.job.dropout(layer, self.iteration, x.shape).to(self.dtype)
        return x

    def update(self):
        """One iteration; returns the loss before it."""
        images, truth = self.job.batch(self.iteration)
        learning = self.layers[self.frozen :]
        parameters = [value.requires_grad_() for layer in learning for value in layer]
        with torch.backends.mkldnn.flags(enabled=self.onednn):
            loss = F.cross_entropy(self.forward(self.placed(images)), truth)
            gradients = torch.autograd.grad(loss, parameters)
        self.sgd.update(list(zip(gradients[::2], gradients[1::2])), self.iteration)
        self.iteration += 1
        return loss.item()
