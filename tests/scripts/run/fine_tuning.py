"""A net is trained, saved and taken up: frozen layers, a new head, groups of parameters, early stopping, the best weights."""

import copy
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)


def features():
    return nn.Sequential(
        OrderedDict(
            [
                ("conv1", nn.Conv2d(1, 6, 3, padding=1)),
                ("bn1", nn.BatchNorm2d(6)),
                ("relu", nn.ReLU(inplace=True)),
                ("pool", nn.AdaptiveAvgPool2d(4)),
                ("flat", nn.Flatten()),
            ]
        )
    )


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features, self.fc = features(), nn.Linear(96, classes)

    def forward(self, x):
        return self.fc(self.features(x))


def bars(count, classes):
    """Images whose class is the row, or column, that is bright."""
    target = torch.randint(0, classes, (count,))
    images = 0.3 * torch.rand(count, 1, 8, 8)
    for image, row in zip(images, target):
        if row < 4:
            image[0, 2 * row] += 1
        else:
            image[0, :, 2 * (row - 4)] += 1
    return TensorDataset(images, target)


def epoch_of(model, loader, optimizer=None):
    model.train(optimizer is not None)
    right = 0
    for images, target in loader:
        with torch.set_grad_enabled(optimizer is not None):
            output = model(images)
            loss = F.cross_entropy(output, target, label_smoothing=0.05)
        if optimizer is not None:
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        right += (output.argmax(1) == target).sum().item()
    return right / len(loader.dataset)


source = Net(4)
optimizer = torch.optim.Adam(source.parameters(), 1e-2)
loader = DataLoader(bars(128, 4), 32, shuffle=True)
for _ in range(5):
    epoch_of(source, loader, optimizer)
torch.save(source.state_dict(), "source.pth")

model = Net(8)
state = {name: value for name, value in torch.load("source.pth").items() if not name.startswith("fc.")}
missing, unexpected = model.load_state_dict(state, strict=False)
assert sorted(missing) == ["fc.bias", "fc.weight"] and not unexpected
for name, parameter in model.features.named_parameters():
    parameter.requires_grad = "bn" in name
train_set, val_set = random_split(bars(240, 8), [200, 40], generator=torch.Generator().manual_seed(0))
loaders = {"train": DataLoader(train_set, 20, shuffle=True), "val": DataLoader(val_set, 40)}
optimizer = torch.optim.AdamW(
    [
        {"params": model.fc.parameters(), "lr": 1e-2},
        {"params": [p for p in model.features.parameters() if p.requires_grad], "weight_decay": 0.0},
    ],
    lr=1e-3,
)
scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=2)
best, best_weights, waited = 0.0, copy.deepcopy(model.state_dict()), 0
frozen = model.features.conv1.weight.clone()
for epoch in range(12):
    epoch_of(model, loaders["train"], optimizer)
    accuracy = epoch_of(model, loaders["val"])
    scheduler.step(accuracy)
    if accuracy > best:
        best, best_weights, waited = accuracy, copy.deepcopy(model.state_dict()), 0
    else:
        waited += 1
        if waited > 4:
            break
    print(f"{epoch}: {accuracy:.3f}")
model.load_state_dict(best_weights)
assert epoch_of(model, loaders["val"]) == best > 0.7, best
assert torch.equal(frozen, model.features.conv1.weight)
