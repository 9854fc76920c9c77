"""A multilayer perceptron on flat images, plain SGD, train and test functions; a checkpoint in between."""

import io

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

draw = np.random.RandomState(2)
train_set = TensorDataset(
    torch.tensor(draw.rand(192, 1, 28, 28), dtype=torch.float32), torch.tensor(draw.randint(0, 10, 192))
)
test_set = TensorDataset(
    torch.tensor(draw.rand(64, 1, 28, 28), dtype=torch.float32), torch.tensor(draw.randint(0, 10, 64))
)
device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.stack = nn.Sequential(
            nn.Linear(28 * 28, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
        )

    def forward(self, x):
        return self.stack(self.flatten(x))


def models():
    return {"model": NeuralNetwork().to(device)}


def test(loader, model, loss_fn):
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in loader:
            X, y = X.to(device), y.to(device)
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    return test_loss / len(loader), correct / len(loader.dataset)


def train(model):
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-1)
    loader, test_loader = DataLoader(train_set, batch_size=32), DataLoader(test_set, batch_size=32)
    for _ in range(3):
        model.train()
        for X, y in loader:
            X, y = X.to(device), y.to(device)
            loss = loss_fn(model(X), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            yield loss.item()
        yield from test(test_loader, model, loss_fn)

    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = NeuralNetwork().to(device)
    again.load_state_dict(torch.load(file, weights_only=True))
    yield from test(test_loader, again, loss_fn)
