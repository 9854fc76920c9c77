"""A pretrained body is frozen, gets a new head, is thawed with a smaller learning rate; features read by a hook."""

import numpy as np
import torch
import torch.nn as nn

draw = np.random.RandomState(26)


def models():
    body = nn.Sequential()
    body.add_module("conv", nn.Conv2d(3, 8, 3, padding=1))
    body.add_module("bn", nn.BatchNorm2d(8))
    body.add_module("act", nn.Hardswish())
    body.add_module("pool", nn.AdaptiveMaxPool2d((2, 2)))
    body.add_module("flat", nn.Flatten())
    body.add_module("fc", nn.Linear(32, 100))
    return {"model": body, "head": nn.Linear(32, 3)}


def train(model, head):
    for param in model.parameters():
        param.requires_grad = False
    model.fc = head
    features = {}
    handle = model.flat.register_forward_hook(
        lambda module, args, output: features.__setitem__("flat", output.detach())
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.05, momentum=0.9)
    for step in range(20):
        if step == 10:
            handle.remove()
            for param in model.parameters():
                param.requires_grad = True
            rest = [p for n, p in model.named_parameters() if not n.startswith("fc.")]
            optimizer.add_param_group({"params": rest, "lr": 0.005})
        for phase in ("train", "val"):
            model.train(phase == "train")
            x = torch.tensor(draw.randn(6, 3, 12, 12), dtype=torch.float32)
            y = torch.tensor(draw.randint(0, 3, 6))
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                loss = criterion(model(x), y)
            if phase == "train":
                loss.backward()
                optimizer.step()
            yield loss.item()
    yield features["flat"].norm().item()
    yield sum(p.numel() for p in model.parameters() if p.requires_grad)
