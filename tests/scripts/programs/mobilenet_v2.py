"""Inverted residuals: 1x1 expansion, depthwise 3x3, linear bottleneck, ReLU6; RMSprop with exponential decay and EMA."""

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

draw = np.random.RandomState(5)


def conv_bn(inp, oup, kernel, stride, groups=1):
    return nn.Sequential(
        nn.Conv2d(inp, oup, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(oup),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = int(round(inp * expand_ratio))
        self.use_res_connect = stride == 1 and inp == oup
        layers = [] if expand_ratio == 1 else [conv_bn(inp, hidden, 1, 1)]
        layers += [
            conv_bn(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, settings, last=64, classes=10):
        super().__init__()
        features, channels = [conv_bn(3, 8, 3, 1)], 8
        for t, c, n, s in settings:
            for i in range(n):
                features.append(InvertedResidual(channels, c, s if i == 0 else 1, t))
                channels = c
        features.append(conv_bn(channels, last, 1, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(last, classes))

    def forward(self, x):
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1)).reshape(x.shape[0], -1)
        return self.classifier(x)


def models():
    return {"model": MobileNetV2([(1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 2, 2)])}


def train(model):
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.0002, alpha=0.9, momentum=0.9, eps=1e-2, weight_decay=4e-5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    criterion = nn.CrossEntropyLoss()
    for _ in range(20):
        x = torch.tensor(draw.randn(8, 3, 32, 32), dtype=torch.float32)
        y = torch.tensor(draw.randint(10, size=8))
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        ema.update_parameters(model)
        yield loss.item()
    yield sum(p.detach().double().pow(2).sum() for p in ema.module.parameters()).sqrt().item()
