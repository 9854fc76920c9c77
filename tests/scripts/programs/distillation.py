"""A student learns from a teacher's softened logits: KLDivLoss at temperature 4, teacher without gradients; Adamax."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

draw = np.random.RandomState(22)


def net(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, 2, 1),
        nn.GroupNorm(2, width),
        nn.SiLU(),
        nn.Conv2d(width, 2 * width, 3, 2, 1),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )


def models():
    return {"teacher": net(16), "student": net(4)}


def train(teacher, student):
    teacher.eval().requires_grad_(False)
    optimizer = torch.optim.Adamax(student.parameters(), lr=5e-3)
    kl, T, alpha = nn.KLDivLoss(reduction="batchmean"), 4.0, 0.7
    for _ in range(20):
        x = torch.from_numpy(draw.randn(8, 3, 16, 16).astype(np.float32))
        with torch.no_grad():
            soft = teacher(x)
        hard = soft.argmax(1)
        logits = student(x)
        loss = alpha * T * T * kl(F.log_softmax(logits / T, dim=1), F.softmax(soft / T, dim=1))
        loss = loss + (1 - alpha) * F.cross_entropy(logits, hard)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
