"""News by bags of words: EmbeddingBag with offsets, a collate function of one's own, StepLR; then a skip-gram pair loss."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

draw = np.random.RandomState(27)
samples = [(draw.randint(4), draw.randint(0, 50, draw.randint(3, 9)).tolist()) for _ in range(80)]


def collate_batch(batch):
    labels, texts, offsets = [], [], [0]
    for label, text in batch:
        labels.append(label)
        tokens = torch.tensor(text, dtype=torch.int64)
        texts.append(tokens)
        offsets.append(tokens.size(0))
    return torch.tensor(labels, dtype=torch.int64), torch.cat(texts), torch.tensor(offsets[:-1]).cumsum(dim=0)


class Classifier(nn.Module):
    def __init__(self, vocabulary, width, classes):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocabulary, width, sparse=False)
        self.fc = nn.Linear(width, classes)
        self.init_weights()

    def init_weights(self):
        self.embedding.weight.data.uniform_(-0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


def models():
    return {"model": Classifier(50, 16, 4), "inner": nn.Embedding(50, 8), "outer": nn.Embedding(50, 8)}


def train(model, inner, outer):
    optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1.0, gamma=0.1)
    for _ in range(2):
        for label, text, offsets in DataLoader(samples, batch_size=8, shuffle=False, collate_fn=collate_batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(text, offsets), label)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            yield loss.item()
        scheduler.step()

    optimizer = torch.optim.Adam([*inner.parameters(), *outer.parameters()], lr=0.05)
    for _ in range(10):
        center, near, far = (torch.tensor(draw.randint(0, 50, n)) for n in (16, 16, (16, 5)))
        v, u, n = inner(center), outer(near), outer(far)
        positive = nn.functional.logsigmoid((v * u).sum(1))
        negative = nn.functional.logsigmoid(-torch.bmm(n, v.unsqueeze(2)).squeeze(2)).sum(1)
        loss = -(positive + negative).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
