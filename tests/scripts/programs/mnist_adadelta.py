"""Digits: two convolutions, dropout, log_softmax with nll_loss, Adadelta with StepLR; arguments as a parser gives them."""

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR

draw = np.random.RandomState(3)
data = torch.from_numpy(draw.rand(10, 16, 1, 28, 28).astype("float32"))
target = torch.from_numpy(draw.randint(0, 10, (10, 16)))


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.0)  # its masks could not be the same ones
        self.dropout2 = nn.Dropout(0.0)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


def models():
    torch.manual_seed(1)
    return {"model": Net()}


def train(model):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--gamma", type=float, default=0.7)
    args = parser.parse_args([])
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for _ in range(2):
        model.train()
        for x, y in zip(data, target):
            optimizer.zero_grad()
            loss = F.nll_loss(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss.item()
        scheduler.step()
        model.eval()
        with torch.no_grad():
            output = model(data[0])
            yield F.nll_loss(output, target[0], reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            yield pred.eq(target[0].view_as(pred)).sum().item()
