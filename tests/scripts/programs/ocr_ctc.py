"""Lines of text from images: convolutions, columns as a sequence through an LSTM, CTCLoss; Adam with weight decay."""

import numpy as np
import torch
from torch import nn

draw = np.random.RandomState(28)


class CRNN(nn.Module):
    def __init__(self, classes=6):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d((4, 1)),
        )
        self.rnn = nn.LSTM(16 * 2, 16, bidirectional=True)
        self.out = nn.Linear(32, classes)

    def forward(self, images):
        x = self.cnn(images)
        n, c, h, w = x.shape
        x = x.permute(3, 0, 1, 2).reshape(w, n, c * h)
        x, _ = self.rnn(x)
        return self.out(x).log_softmax(2)


def models():
    return {"model": CRNN()}


def train(model):
    criterion = nn.CTCLoss(blank=0, zero_infinity=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-5)
    for _ in range(20):
        images = torch.tensor(draw.rand(4, 1, 16, 32), dtype=torch.float32)
        lengths = torch.tensor(draw.randint(1, 7, 4))
        targets = torch.tensor(draw.randint(1, 6, int(lengths.sum())))
        log_probs = model(images)
        loss = criterion(log_probs, targets, torch.full((4,), log_probs.size(0), dtype=torch.long), lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
