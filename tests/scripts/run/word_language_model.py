"""A language model: batches of columns, hidden states that leave the tape, clipped gradients, an annealed step."""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="LSTM", choices=["LSTM", "GRU", "RNN_TANH", "RNN_RELU"])
parser.add_argument("--emsize", type=int, default=16)
parser.add_argument("--nhid", type=int, default=16)
parser.add_argument("--nlayers", type=int, default=1)
parser.add_argument("--lr", type=float, default=5)
parser.add_argument("--clip", type=float, default=0.25)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--bptt", type=int, default=8)
parser.add_argument("--tied", action="store_true")
args = parser.parse_args()
torch.manual_seed(1111)
TEXT = ("the cat sat on the mat . the dog sat on the log . a bird sings in the tree . " * 40).split()
VOCABULARY = sorted(set(TEXT))


class RNNModel(nn.Module):
    def __init__(self, rnn_type, ntoken, ninp, nhid, nlayers, dropout=0.1, tie_weights=False):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        if rnn_type in ["LSTM", "GRU"]:
            self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers, dropout=dropout)
        else:
            nonlinearity = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}[rnn_type]
            self.rnn = nn.RNN(ninp, nhid, nlayers, nonlinearity=nonlinearity, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.ntoken, self.rnn_type, self.nhid, self.nlayers = ntoken, rnn_type, nhid, nlayers

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        zeros = weight.new_zeros(self.nlayers, bsz, self.nhid)
        return (zeros, zeros.clone()) if self.rnn_type == "LSTM" else zeros


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


def repackage_hidden(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)


def get_batch(source, i):
    seq_len = min(args.bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


data = batchify(torch.tensor([VOCABULARY.index(word) for word in TEXT], dtype=torch.long), 8)
model = RNNModel(args.model, len(VOCABULARY), args.emsize, args.nhid, args.nlayers, tie_weights=args.tied)
criterion = nn.NLLLoss()


def train():
    model.train()
    hidden = model.init_hidden(8)
    for i in range(0, data.size(0) - 1, args.bptt):
        inputs, targets = get_batch(data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(inputs, hidden)
        criterion(output, targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-args.lr)


def evaluate():
    model.eval()
    total, hidden = 0.0, model.init_hidden(8)
    with torch.no_grad():
        for i in range(0, data.size(0) - 1, args.bptt):
            inputs, targets = get_batch(data, i)
            output, hidden = model(inputs, hidden)
            total += len(inputs) * criterion(output, targets).item()
    return total / (len(data) - 1)


first = evaluate()
best = None
try:
    for epoch in range(1, args.epochs + 1):
        train()
        val_loss = evaluate()
        print("| epoch {:3d} | loss {:5.2f} | ppl {:8.2f}".format(epoch, val_loss, math.exp(val_loss)))
        if not best or val_loss < best:
            with open("model.pt", "wb") as f:
                torch.save(model.state_dict(), f)
            best = val_loss
        else:
            args.lr /= 4.0
except KeyboardInterrupt:
    print("Exiting from training early")
with open("model.pt", "rb") as f:
    model.load_state_dict(torch.load(f))
assert abs(evaluate() - best) < 1e-6 and best < first - 0.2, (first, best)
