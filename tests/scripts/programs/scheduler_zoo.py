"""Every schedule in turn: the learning rates that it gives and the losses that follow from them."""

import copy

import numpy as np
import torch
from torch import nn
from torch.optim import SGD
from torch.optim import lr_scheduler as schedules

draw = np.random.RandomState(24)
x = torch.tensor(draw.randn(32, 4), dtype=torch.float32)
y = torch.tensor(draw.randn(32, 1), dtype=torch.float32)

ZOO = [
    lambda o: schedules.LambdaLR(o, [lambda e: 0.95**e]),
    lambda o: schedules.MultiplicativeLR(o, lambda e: 0.9),
    lambda o: schedules.StepLR(o, 3, 0.5),
    lambda o: schedules.MultiStepLR(o, [2, 5], gamma=0.3),
    lambda o: schedules.ConstantLR(o, factor=0.5, total_iters=4),
    lambda o: schedules.LinearLR(o, 0.1, total_iters=5),
    lambda o: schedules.ExponentialLR(o, 0.9),
    lambda o: schedules.PolynomialLR(o, total_iters=6, power=2.0),
    lambda o: schedules.CosineAnnealingLR(o, 5, eta_min=0.001),
    lambda o: schedules.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
    lambda o: schedules.CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="triangular2"),
    lambda o: schedules.OneCycleLR(o, 0.2, epochs=2, steps_per_epoch=5, three_phase=True),
    lambda o: schedules.ChainedScheduler(
        [schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.9)], optimizer=o
    ),
    lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.1, 2), schedules.ExponentialLR(o, 0.9)], [2]),
]


def models():
    return {"net": nn.Linear(4, 1)}


def train(net):
    for make in ZOO:
        model = copy.deepcopy(net)
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.5)
        scheduler = make(optimizer)
        for _ in range(9):
            optimizer.zero_grad()
            loss = nn.MSELoss()(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            yield loss.item()
            yield scheduler.get_last_lr()[0]
            yield optimizer.param_groups[0]["momentum"]
