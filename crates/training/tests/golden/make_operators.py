#!/usr/bin/env python3
"""Writes the golden numbers of the operators: operators.json, beside this file.

Run with PyTorch (made with 2.15.0 on the CPU):  python make_operators.py
Everything is computed in float64 by PyTorch's own operators and autograd, in its usual
order [N, C, H, W]; the test transposes. Inputs are small fractions that f32 holds exactly,
so the numbers differ from ours by rounding alone. Nothing here is drawn at random: a value
is a function of its index, so that the file can be made again anywhere.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def values(*shape, seed, levels=41, scale=1 / 16):
    """Whole multiples of `scale` between about -levels/2 and levels/2, with repeats."""
    count = 1
    for length in shape:
        count *= length
    index = torch.arange(count)
    hashed = (index * 2654435761 + seed * 40503 + (index * index) % 7919 * 97) % 65521 % levels
    return ((hashed - levels // 2) * scale).reshape(shape).double()


def listed(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def with_gradients(function, inputs, seed):
    """The result of `function`, an upstream gradient, and the gradients of the inputs."""
    inputs = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    result = function(**inputs)
    upstream = values(*result.shape, seed=seed, scale=1 / 8)
    result.backward(upstream)
    case = {name: listed(tensor) for name, tensor in inputs.items()}
    case |= {f"d_{name}": listed(tensor.grad) for name, tensor in inputs.items()}
    return case | {"y": listed(result), "d_y": listed(upstream)}


def convolution(n, c, h, w, o, kernel, stride, pad, groups, seed):
    inputs = {
        "x": values(n, c, h, w, seed=seed),
        "weight": values(o, c // groups, kernel, kernel, seed=seed + 1),
        "bias": values(o, seed=seed + 2),
    }

    def function(x, weight, bias):
        return F.conv2d(x, weight, bias, stride=stride, padding=pad, groups=groups)

    parameters = {"kernel": kernel, "stride": stride, "pad": pad, "groups": groups}
    return parameters | with_gradients(function, inputs, seed + 3)


def max_pool(n, c, h, w, kernel, stride, seed):
    # Few levels, so that windows have ties.
    inputs = {"x": values(n, c, h, w, seed=seed, levels=4)}
    parameters = {"kernel": kernel, "stride": stride}
    return parameters | with_gradients(lambda x: F.max_pool2d(x, kernel, stride), inputs, seed + 1)


def response_norm(n, c, h, w, size, alpha, beta, k, seed):
    inputs = {"x": values(n, c, h, w, seed=seed, scale=1 / 4)}
    parameters = {"size": size, "alpha": alpha, "beta": beta, "k": k}

    def function(x):
        return F.local_response_norm(x, size, alpha=alpha, beta=beta, k=k)

    return parameters | with_gradients(function, inputs, seed + 1)


def linear(n, i, o, seed):
    inputs = {
        "x": values(n, i, seed=seed),
        "weight": values(o, i, seed=seed + 1),
        "bias": values(o, seed=seed + 2),
    }
    return with_gradients(F.linear, inputs, seed + 3)


def relu(n, c, seed):
    return with_gradients(lambda x: F.relu(x), {"x": values(n, c, seed=seed, levels=5)}, seed + 1)


def softmax_loss(n, k, seed):
    logits = values(n, k, seed=seed, scale=1 / 2).requires_grad_()
    labels = torch.arange(n) * 7 % k
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return {
        "logits": listed(logits),
        "labels": labels.tolist(),
        "loss": loss.item(),
        "d_logits": listed(logits.grad),
    }


def main():
    cases = {
        "convolution": [
            convolution(2, 4, 7, 6, 6, 3, 1, 1, 2, seed=1),
            convolution(3, 3, 9, 11, 5, 4, 3, 2, 1, seed=2),
            convolution(2, 6, 6, 5, 9, 2, 2, 0, 3, seed=3),
            convolution(1, 1, 5, 5, 17, 5, 1, 2, 1, seed=4),
        ],
        "max_pool": [
            max_pool(2, 3, 7, 8, 3, 2, seed=11),
            max_pool(1, 18, 6, 6, 3, 2, seed=12),
            max_pool(2, 16, 5, 7, 2, 3, seed=13),
        ],
        "response_norm": [
            response_norm(2, 7, 2, 3, 5, 1e-4, 0.75, 1.0, seed=21),
            response_norm(1, 18, 2, 2, 5, 2.0, 0.75, 2.0, seed=22),
            response_norm(1, 3, 2, 2, 3, 0.5, 0.6, 1.5, seed=23),
        ],
        "linear": [linear(5, 7, 3, seed=31), linear(3, 20, 130, seed=32)],
        "relu": [relu(3, 7, seed=41)],
        "softmax_loss": [softmax_loss(6, 5, seed=51), softmax_loss(3, 11, seed=52)],
    }
    path = pathlib.Path(__file__).with_name("operators.json")
    path.write_text(json.dumps(cases, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")


if __name__ == "__main__":
    main()
