"""Signals: Conv1d, BatchNorm1d, dilation, MaxPool1d, adaptive average; weighted cross-entropy, OneCycleLR."""

import numpy as np
import torch
from torch import nn

draw = np.random.RandomState(11)


def block(inp, out, k, dilation=1):
    return nn.Sequential(
        nn.Conv1d(inp, out, k, padding="same", dilation=dilation), nn.BatchNorm1d(out), nn.GELU(), nn.MaxPool1d(2)
    )


class Signals(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.encoder = nn.Sequential(block(2, 16, 7), block(16, 32, 5, 2), block(32, 32, 3, 4))
        self.head = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, classes))

    def forward(self, x):
        return self.head(self.encoder(x))


def models():
    return {"model": Signals()}


def train(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=20)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5, 1.0]))
    time = torch.linspace(0, 1, 128)
    for _ in range(20):
        label = torch.tensor(draw.randint(0, 4, 16), dtype=torch.int64)
        phase = torch.tensor(draw.rand(16, 1), dtype=torch.float32)
        wave = torch.sin(2 * torch.pi * ((label + 1).unsqueeze(1) * 3 * time + phase))
        x = torch.stack([wave, wave.cumsum(-1) / 10], dim=1)
        logits = model(x)
        loss = criterion(logits, label)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield loss.item()
        yield (logits.topk(2, dim=1).indices == label[:, None]).any(dim=1).float().mean().item()
