"""Learning to learn: an inner step by torch.func, the outer gradient through it; functional_call with given weights."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad

draw = np.random.RandomState(29)


def models():
    return {"net": nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))}


def train(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

    def loss_of(params, x, y):
        return F.mse_loss(functional_call(net, params, (x,)), y)

    for _ in range(20):
        losses = []
        for _ in range(3):
            amplitude, phase = draw.uniform(0.5, 3), draw.uniform(0, np.pi)
            x = torch.tensor(draw.uniform(-4, 4, (20, 1)), dtype=torch.float32)
            y = amplitude * torch.sin(x + phase)
            params = dict(net.named_parameters())
            slopes = grad(loss_of)(params, x[:10], y[:10])
            stepped = {name: p - 0.05 * slopes[name] for name, p in params.items()}
            losses.append(loss_of(stepped, x[10:], y[10:]))
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
