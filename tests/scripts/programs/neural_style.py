"""Style transfer: an image is the parameter, LBFGS calls a closure, Gram matrices of a frozen net's features."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

draw = np.random.RandomState(20)


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


class Normalization(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).view(-1, 1, 1)

    def forward(self, img):
        return (img - self.mean) / self.std


def models():
    features = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Softplus(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Softplus(),
        nn.AvgPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
    )
    return {"cnn": features}


def train(cnn):
    content = torch.from_numpy(draw.rand(1, 3, 24, 24).astype(np.float32))
    style = torch.from_numpy(draw.rand(1, 3, 24, 24).astype(np.float32))
    for p in cnn.parameters():
        p.requires_grad_(False)
    cnn.eval()
    model, content_losses, style_losses = (
        nn.Sequential(Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])),
        [],
        [],
    )
    number = 0
    for layer in cnn.children():
        if isinstance(layer, nn.Conv2d):
            number += 1
        model.add_module(f"{type(layer).__name__}_{len(model)}", layer)
        if isinstance(layer, nn.Conv2d):
            if number == 2:
                content_loss = ContentLoss(model(content))
                model.add_module(f"content_loss_{number}", content_loss)
                content_losses.append(content_loss)
            style_loss = StyleLoss(model(style))
            model.add_module(f"style_loss_{number}", style_loss)
            style_losses.append(style_loss)

    input_img = content.clone()
    input_img.requires_grad_(True)
    optimizer = optim.LBFGS([input_img], max_iter=5)
    seen = []

    def closure():
        optimizer.zero_grad()
        model(input_img)
        style_score = sum(sl.loss for sl in style_losses) * 1e2
        content_score = sum(cl.loss for cl in content_losses)
        loss = style_score + content_score
        loss.backward()
        seen.append(loss.item())
        return loss

    for _ in range(4):
        optimizer.step(closure)
    with torch.no_grad():
        input_img.clamp_(0, 1)
    seen.insert(0, input_img.mean().item())
    yield from seen[:20]
