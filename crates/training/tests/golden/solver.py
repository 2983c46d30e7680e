"""Caffe's stochastic gradient descent, which PyTorch lacks.

`v = momentum v + rate (g + decay w)`, then `w -= v`: the rate is inside the momentum. While
the rate stays as it is, that is PyTorch's own SGD, which `check()` makes sure of.
"""

import math

import torch


class CaffeSgd:
    """The solver of pairs of weight and bias, which it changes in place."""

    def __init__(self, recipe, layers):
        self.recipe = recipe
        self.layers = layers
        self.momentum = [[torch.zeros_like(value) for value in layer] for layer in layers]

    @torch.no_grad()
    def update(self, gradients, iteration):
        """`gradients`: those of the layers; `iteration`: updates done before, from 0."""
        recipe = self.recipe
        factors = [
            (1.0, 1.0),
            (recipe["bias_learning_rate_factor"], recipe["bias_decay_factor"]),
        ]
        for values, momenta, pair in zip(self.layers, self.momentum, gradients):
            for value, momentum, gradient, factor in zip(values, momenta, pair, factors):
                rate, decay = learning_rate(recipe, iteration) * factor[0], recipe["decay"] * factor[1]
                momentum.mul_(recipe["momentum"]).add_(gradient + decay * value, alpha=rate)
                value.sub_(momentum)


def learning_rate(recipe, iteration):
    rate = recipe["learning_rate"]
    for drop in recipe["drops"]:
        if iteration >= math.floor(drop["at"] * recipe["iterations"]):
            rate *= drop["factor"]
    return rate


def check():
    """At a constant rate it does what PyTorch's own SGD does."""
    recipe = {"learning_rate": 0.1, "drops": [], "iterations": 5, "momentum": 0.9, "decay": 0.5}
    recipe |= {"bias_learning_rate_factor": 2.0, "bias_decay_factor": 0.0}
    start = [torch.linspace(-1, 1, 6, dtype=torch.float64), torch.ones(2, dtype=torch.float64)]
    ours, theirs = ([value.clone() for value in start] for _ in range(2))
    caffe = CaffeSgd(recipe, [ours])
    groups = [{"params": [theirs[0]]}, {"params": [theirs[1]], "lr": 0.2, "weight_decay": 0.0}]
    pytorch = torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.5)
    for iteration in range(5):
        caffe.update([[value.sin() for value in ours]], iteration)
        for value in theirs:
            value.grad = value.sin()
        pytorch.step()
    for one, other in zip(ours, theirs):
        assert torch.allclose(one, other, rtol=1e-12, atol=0), (one, other)
