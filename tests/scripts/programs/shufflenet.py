"""ShuffleNet's unit: grouped 1x1 convolutions, channels shuffled by view and transpose, average-pooled shortcut; AdamW."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

draw = np.random.RandomState(6)


def channel_shuffle(x, groups):
    batch, channels, height, width = x.data.size()
    x = x.view(batch, groups, channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batch, -1, height, width)


class Unit(nn.Module):
    def __init__(self, inp, out, stride, groups):
        super().__init__()
        self.stride, self.groups = stride, groups
        mid = out // 4
        out = out - inp if stride == 2 else out
        self.conv1 = nn.Conv2d(inp, mid, 1, groups=groups, bias=False)
        self.bn1 = nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(mid, mid, 3, stride=stride, padding=1, groups=mid, bias=False)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = nn.Conv2d(mid, out, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(out)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = channel_shuffle(out, self.groups)
        out = self.bn2(self.conv2(out))
        out = self.bn3(self.conv3(out))
        if self.stride == 2:
            return F.relu(torch.cat((out, F.avg_pool2d(x, 3, stride=2, padding=1)), 1))
        return F.relu(out + x)


def models():
    net = nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(True),
        Unit(24, 48, 2, 2),
        Unit(48, 48, 1, 2),
        Unit(48, 96, 2, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, 10),
    )
    return {"net": net}


def train(net):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 5))
    for _ in range(20):
        x, y = torch.Tensor(draw.randn(8, 3, 32, 32)), torch.LongTensor(draw.randint(10, size=8))
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        warm.step()
        yield float(loss)
