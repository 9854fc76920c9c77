"""Characters: an embedding, two LSTM layers whose state is carried on, clipped gradients, tied to plain Adagrad."""

import torch
import torch.nn as nn

text = "the quick brown fox jumps over the lazy dog and the dog sleeps on while the fox runs home " * 8
vocabulary = sorted(set(text))
index = {c: i for i, c in enumerate(vocabulary)}


class CharLSTM(nn.Module):
    def __init__(self, tokens, embedding=16, hidden=32, layers=2):
        super().__init__()
        self.encoder = nn.Embedding(tokens, embedding)
        self.rnn = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.decoder = nn.Linear(hidden, tokens)
        self.hidden, self.layers = hidden, layers
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.encoder(input), hidden)
        return self.decoder(output), hidden

    def init_hidden(self, batch):
        weight = next(self.parameters())
        return weight.new_zeros(self.layers, batch, self.hidden), weight.new_zeros(self.layers, batch, self.hidden)


def models():
    return {"model": CharLSTM(len(vocabulary))}


def train(model):
    codes = torch.tensor([index[c] for c in text], dtype=torch.long)
    length = len(codes) // 4 * 4
    data = codes[:length].view(4, -1)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
    hidden = model.init_hidden(4)
    model.train()
    for step in range(20):
        start = step * 8
        x, y = data[:, start : start + 8], data[:, start + 1 : start + 9]
        hidden = tuple(h.detach() for h in hidden)
        optimizer.zero_grad()
        output, hidden = model(x, hidden)
        loss = criterion(output.reshape(-1, len(vocabulary)), y.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        yield loss.item()
