"""Sequences of different lengths: padded, packed, a bidirectional GRU, its last states; NAdam."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

draw = np.random.RandomState(15)


class Sequences(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(input_size=5, hidden_size=12, num_layers=1, bidirectional=True)
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 1)

    def forward(self, padded, lengths):
        packed = pack_padded_sequence(padded, lengths, enforce_sorted=False)
        output, h = self.gru(packed)
        output, sizes = pad_packed_sequence(output)
        mean = output.sum(0) / sizes.to(output.dtype).unsqueeze(1)
        return self.head(self.norm(mean + torch.cat([h[0], h[1]], dim=1))).squeeze(-1)


def models():
    return {"model": Sequences()}


def train(model):
    optimizer = torch.optim.NAdam(model.parameters(), lr=5e-3)
    loss_fn = nn.HuberLoss()
    for _ in range(20):
        parts = [torch.tensor(draw.randn(n, 5), dtype=torch.float32) for n in draw.randint(2, 12, 8)]
        lengths = torch.tensor([len(p) for p in parts])
        target = torch.stack([p[:, 0].sum() for p in parts])
        loss = loss_fn(model(pad_sequence(parts), lengths), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
