"""The small CNN that every tutorial begins with, on batches of 4, with SGD and momentum; accuracy counted at the end."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
draw = np.random.RandomState(1)
images = draw.randn(80, 3, 32, 32).astype(np.float32)
labels = draw.randint(0, 10, 80)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def models():
    return {"net": Net().to(device)}


def train(net):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels).long())
    for inputs, targets in torch.utils.data.DataLoader(data, batch_size=4, shuffle=False):
        inputs, targets = inputs.to(device), targets.to(device)
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        yield loss.item()

    correct, total = 0, 0
    with torch.no_grad():
        for start in range(0, 80, 16):
            outputs = net(torch.tensor(images[start : start + 16]))
            _, predicted = torch.max(outputs.data, 1)
            total += outputs.size(0)
            correct += (predicted == torch.tensor(labels[start : start + 16])).sum().item()
    yield correct / total
