"""Embeddings on the sphere: hardest triplets by cdist, then TripletMarginLoss and a cosine embedding loss; RMSprop."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

draw = np.random.RandomState(21)


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(10, 32), nn.PReLU(), nn.Linear(32, 32), nn.PReLU(), nn.Linear(32, 8))

    def forward(self, x):
        return F.normalize(self.net(x), p=2, dim=1)


def models():
    return {"model": Embedder()}


def hardest(embedding, labels):
    distance = torch.cdist(embedding, embedding)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    eye = torch.eye(len(labels), dtype=torch.bool)
    positive = distance.masked_fill(~same | eye, -1.0).argmax(dim=1)
    negative = distance.masked_fill(same, float("inf")).argmin(dim=1)
    return embedding[positive], embedding[negative]


def train(model):
    triplet = nn.TripletMarginLoss(margin=0.5, p=2)
    cosine = nn.CosineEmbeddingLoss(margin=0.1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, centered=True)
    centers = draw.randn(4, 10) * 2
    for _ in range(20):
        labels = np.arange(16) % 4
        x = torch.tensor(centers[labels] + draw.randn(16, 10), dtype=torch.float32)
        labels = torch.tensor(labels)
        embedding = model(x)
        positive, negative = hardest(embedding, labels)
        pairs = torch.where(labels == labels.roll(1), 1, -1)
        loss = triplet(embedding, positive, negative) + 0.1 * cosine(embedding, embedding.roll(1, 0), pairs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
        yield F.cosine_similarity(embedding, positive).mean().item()
