"""A transformer encoder with a causal mask and sinusoidal positions learns to say what came before; warm-up schedule."""

import math

import numpy as np
import torch
import torch.nn as nn

draw = np.random.RandomState(16)
tokens, width = 11, 16


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=32):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(0)]


class Copier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.position = PositionalEncoding(width)
        layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=32, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.linear = nn.Linear(width, tokens)

    def forward(self, src, mask):
        x = self.position(self.embedding(src) * math.sqrt(width))
        return self.linear(self.encoder(x, mask))


def models():
    return {"model": Copier()}


def train(model):
    optimizer = torch.optim.RAdam(model.parameters(), lr=5e-3)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.2, total_iters=5)
    cool = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cool], milestones=[5])
    mask = nn.Transformer.generate_square_subsequent_mask(10)
    criterion = nn.CrossEntropyLoss(ignore_index=0)
    for _ in range(20):
        src = torch.from_numpy(draw.randint(1, tokens, (10, 8)))
        target = torch.cat([torch.zeros(1, 8, dtype=torch.long), src[:-1]])
        output = model(src, mask)
        loss = criterion(output.view(-1, tokens), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield loss.item()
