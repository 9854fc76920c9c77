"""Volumes: Conv3d, BatchNorm3d, MaxPool3d, a residual add, average over the whole; Adam with amsgrad."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

draw = np.random.RandomState(12)


class Volumes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(1, 8, 3, padding=1), nn.BatchNorm3d(8)
        self.conv2, self.bn2 = nn.Conv3d(8, 16, 3, stride=2, padding=1), nn.BatchNorm3d(16)
        self.conv3, self.bn3 = nn.Conv3d(16, 16, (1, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(16)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = F.max_pool3d(F.leaky_relu(self.bn1(self.conv1(x)), 0.1), 2)
        x = F.leaky_relu(self.bn2(self.conv2(x)), 0.1)
        x = x + F.leaky_relu(self.bn3(self.conv3(x)), 0.1)
        return self.fc(x.mean(dim=(2, 3, 4)))


def models():
    return {"net": Volumes()}


def train(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, amsgrad=True)
    for _ in range(20):
        kind = draw.randint(3, size=4)
        volume = draw.randn(4, 1, 8, 16, 16) + 0.3 * kind[:, None, None, None, None]
        output = net(torch.tensor(volume).float())
        loss = F.cross_entropy(output, torch.tensor(kind))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
