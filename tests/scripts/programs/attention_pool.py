"""Multi-head attention by hand (einsum, masked_fill, softmax) beside nn.MultiheadAttention, over sets with padding."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

draw = np.random.RandomState(17)


class ByHand(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.to_qkv = nn.Linear(dim, dim * 3, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x, mask):
        b, n, d = x.shape
        q, k, v = (t.reshape(b, n, self.heads, -1).transpose(1, 2) for t in self.to_qkv(x).chunk(3, dim=-1))
        dots = torch.einsum("bhid,bhjd->bhij", q, k) * self.scale
        dots = dots.masked_fill(mask[:, None, None, :], float("-inf"))
        out = torch.einsum("bhij,bhjd->bhid", F.softmax(dots, dim=-1), v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, d))


class Sets(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.embed = nn.Linear(3, dim)
        self.first = ByHand(dim, 4)
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.second = nn.MultiheadAttention(dim, 2, batch_first=True)
        self.head = nn.Linear(dim, 2)

    def forward(self, x, mask):
        x = self.embed(x)
        x = self.norm(x + self.first(x, mask))
        pooled, weights = self.second(self.query.expand(x.size(0), -1, -1), x, x, key_padding_mask=mask)
        return self.head(pooled[:, 0]), weights


def models():
    return {"model": Sets()}


def train(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(20):
        x = torch.from_numpy(draw.randn(6, 7, 3)).float()
        lengths = torch.from_numpy(draw.randint(2, 8, 6))
        mask = torch.arange(7)[None, :] >= lengths[:, None]
        target = (x.masked_fill(mask.unsqueeze(-1), 0.0).sum((1, 2)) > 0).long()
        logits, weights = model(x, mask)
        loss = F.cross_entropy(logits, target) + 0.01 * (weights * weights).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
