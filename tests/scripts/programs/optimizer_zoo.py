"""Every optimizer in turn on the same small net, each for a few steps, with the options that people set."""

import copy

import numpy as np
import torch
from torch import nn, optim

draw = np.random.RandomState(23)
x = torch.tensor(draw.randn(32, 6), dtype=torch.float32)
y = torch.tensor(np.sin(draw.randn(32, 1)), dtype=torch.float32)

ZOO = [
    lambda p: optim.SGD(p, lr=0.05),
    lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=1e-3),
    lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, maximize=False),
    lambda p: optim.Adam(p, lr=1e-2, betas=(0.8, 0.95), weight_decay=1e-2),
    lambda p: optim.AdamW(p, lr=1e-2, amsgrad=True),
    lambda p: optim.NAdam(p, lr=1e-2, momentum_decay=1e-3, decoupled_weight_decay=True, weight_decay=0.1),
    lambda p: optim.RAdam(p, lr=1e-2, weight_decay=1e-2),
    lambda p: optim.Adamax(p, lr=1e-2),
    lambda p: optim.Adagrad(p, lr=1e-2, lr_decay=0.1, initial_accumulator_value=0.1),
    lambda p: optim.Adadelta(p, lr=1.0, rho=0.8),
    lambda p: optim.RMSprop(p, lr=1e-2, momentum=0.5, centered=True),
    lambda p: optim.Rprop(p, lr=1e-2, etas=(0.6, 1.1), step_sizes=(1e-5, 1)),
    lambda p: optim.ASGD(p, lr=1e-2, t0=2),
    lambda p: optim.Adafactor(p, lr=1e-2),
    lambda p: optim.LBFGS(p, lr=0.5, max_iter=3, history_size=5),
    lambda p: optim.LBFGS(p, max_iter=3, line_search_fn="strong_wolfe"),
]


def models():
    return {"net": nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))}


def train(net):
    for make in ZOO:
        model = copy.deepcopy(net)
        optimizer = make(model.parameters())

        def closure():
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        for _ in range(6):
            yield optimizer.step(closure).item()
