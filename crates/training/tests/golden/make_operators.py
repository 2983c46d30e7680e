#!/usr/bin/env python3
"""Writes the golden numbers of the operators: operators.json, beside this file.

    python -m venv venv && venv/bin/pip install torch==2.9.1 numpy blake3
    venv/bin/python make_operators.py

Results and gradients come from PyTorch's own operators and autograd on the CPU, in float64
and float32, in its usual order [N, C, H, W]. Inputs and the gradients from above are drawn
from the project's generator (philox.py) by operator, case and tensor, so the file holds
shapes and results only (record.py). Run again, it writes the same file.
"""

import torch
import torch.nn.functional as F

import philox
import solver
from record import STREAMS, fractions, labels, levels, record, write

# [N, C, H, W], outputs, kernel, stride, pad, groups
CONVOLUTIONS = [
    ((2, 4, 7, 6), 6, 3, 1, 1, 2),
    ((17, 3, 9, 11), 5, 5, 3, 2, 1),
    ((3, 6, 8, 5), 9, 1, 2, 0, 3),
    ((1, 1, 5, 5), 17, 5, 1, 2, 1),
    ((2, 3, 31, 29), 10, 11, 4, 0, 1),  # windows leave out the last rows and columns
    ((2, 2, 4, 5), 4, 3, 2, 3, 2),  # pad as large as the kernel: windows of zeros alone
    ((3, 5, 3, 2), 7, 3, 1, 4, 1),  # pad larger than the kernel
    ((2, 3, 1, 1), 8, 7, 1, 3, 1),  # one pixel under a large kernel
    ((9, 32, 13, 13), 38, 5, 1, 2, 2),  # sums of 400 and of 1,521 terms
    ((5, 70, 6, 7), 33, 3, 1, 1, 1),  # sums of 630 terms
]
CONVOLUTIONS_DRAWN = 8

# [N, C, H, W], kernel, stride, levels (0: all values differ)
MAX_POOLS = [
    ((2, 3, 7, 8), 3, 2, 4),
    ((3, 18, 6, 6), 3, 2, 3),
    ((2, 16, 5, 7), 2, 3, 4),
    ((1, 35, 13, 15), 3, 2, 0),
    ((5, 17, 6, 5), 3, 1, 3),
    ((2, 5, 4, 9), 4, 5, 3),
]

# [N, C, H, W], size, alpha, beta, k, scale of the input
RESPONSE_NORMS = [
    ((2, 7, 2, 3), 5, 1e-4, 0.75, 1.0, 128.0),
    ((3, 18, 5, 7), 5, 2.0, 0.75, 2.0, 4.0),
    ((1, 3, 2, 2), 3, 0.5, 0.6, 1.5, 2.0),
    ((2, 2, 3, 5), 5, 1.0, 0.75, 1.0, 4.0),  # fewer channels than the window
    ((4, 33, 3, 3), 7, 0.1, 1.0, 0.5, 8.0),
    ((1, 9, 4, 3), 1, 1.0, 0.5, 1.0, 1.0),
]

# N, inputs, outputs
LINEARS = [(5, 7, 3), (3, 20, 130), (4, 1, 9), (7, 1300, 11), (1, 513, 257), (17, 127, 1)]

# N, K, scale of the logits
SOFTMAX_LOSSES = [(6, 5, 8.0), (3, 11, 1024.0), (17, 2, 4.0), (9, 1000, 16.0), (1, 2, 0.5)]

# Updates; the rate drops to a tenth after the third.
SGD_UPDATES = [6]

RELUS = [(3, 7, 5), (33, 515, 3)]  # N, units, levels
DROPOUTS = [(5, 129, 0.5), (3, 1030, 0.25), (1, 7, 0.1)]  # N, units, share


def with_gradients(case, function, inputs):
    """Records of `function`'s result and of the gradients of its `inputs`."""
    results = {}
    for dtype in (torch.float64, torch.float32):
        given = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in inputs.items()}
        y = function(*given.values())
        y.backward(fractions(f"{case}/dy", y.shape).to(dtype))
        results[dtype] = {"y": y} | {f"d{name}": tensor.grad for name, tensor in given.items()}
    singles = results[torch.float32]
    return {
        name: record(f"{case}/{name}", exact, [singles[name]])
        for name, exact in results[torch.float64].items()
    }


def drawn_convolution(index):
    """A shape and parameters drawn at random; only what fits."""
    words = iter(STREAMS.weights(f"convolution shapes/{index}").uniform(64).tolist())

    def choose(*values):
        return values[next(words) * len(values) >> 32]

    groups, kernel, stride = choose(1, 1, 2, 3), choose(1, 3, 5, 7, 11), choose(1, 2, 3, 4)
    pad = choose(*range(kernel + 1))
    least = max(1, kernel - 2 * pad)
    height, width = least + choose(*range(12)), least + choose(*range(12))
    channels, outputs = groups * choose(*range(1, 14)), groups * choose(*range(1, 23))
    return (choose(*range(1, 18)), channels, height, width), outputs, kernel, stride, pad, groups


def convolution(case, shape, outputs, kernel, stride, pad, groups):
    inputs = {
        "x": fractions(f"{case}/x", shape),
        "weight": fractions(f"{case}/weight", (outputs, shape[1] // groups, kernel, kernel)),
        "bias": fractions(f"{case}/bias", (outputs,)),
    }

    def function(x, weight, bias):
        return F.conv2d(x, weight, bias, stride=stride, padding=pad, groups=groups)

    parameters = {"shape_x": shape, "outputs": outputs, "kernel": kernel, "stride": stride}
    return parameters | {"pad": pad, "groups": groups}, with_gradients(case, function, inputs)


def max_pool(case, shape, kernel, stride, equal):
    x = levels(f"{case}/x", shape, equal) if equal else fractions(f"{case}/x", shape)
    parameters = {"shape_x": shape, "kernel": kernel, "stride": stride, "levels": equal}
    return parameters, with_gradients(case, lambda x: F.max_pool2d(x, kernel, stride), {"x": x})


def response_norm(case, shape, size, alpha, beta, k, scale):
    def function(x):
        return F.local_response_norm(x, size, alpha=alpha, beta=beta, k=k)

    parameters = {"shape_x": shape, "size": size, "alpha": alpha, "beta": beta, "k": k, "scale": scale}
    return parameters, with_gradients(case, function, {"x": fractions(f"{case}/x", shape, scale)})


def linear(case, batch, inputs, outputs):
    tensors = {
        "x": fractions(f"{case}/x", (batch, inputs)),
        "weight": fractions(f"{case}/weight", (outputs, inputs)),
        "bias": fractions(f"{case}/bias", (outputs,)),
    }
    return {"shape_x": (batch, inputs), "outputs": outputs}, with_gradients(case, F.linear, tensors)


def relu(case, batch, units, equal):
    x = levels(f"{case}/x", (batch, units), equal)
    assert (x == 0).any()
    return {"shape_x": (batch, units), "levels": equal}, with_gradients(case, F.relu, {"x": x})


def dropout(case, batch, units, share):
    """PyTorch draws its own masks, so the mask is ours; iteration 3 of the stream."""
    bits = STREAMS.dropout(case, 3).uniform(batch * units)
    kept = torch.from_numpy(bits >= int(share * 2**32)).reshape(batch, units)
    x = fractions(f"{case}/x", (batch, units))
    parameters = {"shape_x": (batch, units), "share": share}
    return parameters, with_gradients(case, lambda x: x * kept / (1 - share), {"x": x})


def softmax_loss(case, batch, classes, scale):
    truth = labels(f"{case}/labels", batch, classes)
    results = {}
    for dtype in (torch.float64, torch.float32):
        logits = fractions(f"{case}/logits", (batch, classes), scale).to(dtype).requires_grad_()
        loss = F.cross_entropy(logits, truth)
        loss.backward()
        results[dtype] = {"loss": loss.reshape(1), "dlogits": logits.grad}
    exact, singles = results[torch.float64], results[torch.float32]
    tensors = {name: record(f"{case}/{name}", exact[name], [singles[name]]) for name in exact}
    return {"shape_x": (batch, classes), "scale": scale}, tensors


def caffe_sgd(case, updates):
    """Caffe's update of a weight and a bias, whose gradients are drawn anew each time."""
    recipe = {"learning_rate": 0.25, "drops": [{"at": 0.5, "factor": 0.1}], "iterations": updates}
    recipe |= {"momentum": 0.9, "decay": 0.03, "bias_learning_rate_factor": 2.0, "bias_decay_factor": 0.5}
    shapes = {"weight": (7, 5, 3, 3), "bias": (7,)}
    results = {}
    for dtype in (torch.float64, torch.float32):
        values = {name: fractions(f"{case}/{name}", shape).to(dtype) for name, shape in shapes.items()}
        sgd = solver.CaffeSgd(recipe, [tuple(values.values())])
        for update in range(updates):
            gradients = [fractions(f"{case}/d{name}/{update}", shape) for name, shape in shapes.items()]
            sgd.update([[gradient.to(dtype) for gradient in gradients]], update)
        momentum = zip(("momentum_weight", "momentum_bias"), sgd.momentum[0])
        results[dtype] = values | dict(momentum)
    exact, singles = results[torch.float64], results[torch.float32]
    tensors = {name: record(f"{case}/{name}", exact[name], [singles[name]]) for name in exact}
    return {"recipe": recipe}, tensors


def main():
    philox.check()
    solver.check()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    drawn = [drawn_convolution(index) for index in range(CONVOLUTIONS_DRAWN)]
    operators = {
        "convolution": (convolution, CONVOLUTIONS + drawn),
        "max_pool": (max_pool, MAX_POOLS),
        "response_norm": (response_norm, RESPONSE_NORMS),
        "linear": (linear, LINEARS),
        "relu": (relu, RELUS),
        "dropout": (dropout, DROPOUTS),
        "softmax_loss": (softmax_loss, SOFTMAX_LOSSES),
        "sgd": (caffe_sgd, [(updates,) for updates in SGD_UPDATES]),
    }
    content = {}
    for operator, (function, cases) in operators.items():
        content[operator] = []
        for index, case in enumerate(cases):
            name = f"{operator}/{index}"
            parameters, tensors = function(name, *case)
            content[operator].append({"case": name, "parameters": parameters, "tensors": tensors})
    write("operators.json", content)


if __name__ == "__main__":
    main()
