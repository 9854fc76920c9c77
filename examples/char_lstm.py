"""A language model of characters: an LSTM reads a text and goes on in its manner.

python examples/char_lstm.py                   reads this package's own documentation
python examples/char_lstm.py --text FILE       reads another text
"""

import argparse
import math
from pathlib import Path

from common import count, rate

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F


class Model(nn.Module):
    """A vector for each character, LSTM layers, and a score for each character that might come next."""

    def __init__(self, characters, width, layers):
        super().__init__()
        self.embed = nn.Embedding(characters, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.scores = nn.Linear(width, characters)

    def forward(self, x, state=None):  # (N, T) to (N, T, characters)
        y, state = self.lstm(self.embed(x), state)
        return self.scores(y), state


@minitorch.no_grad()
def write(model, letters, begin, length, heat):
    """`begin` and `length` more characters, drawn one by one; a low `heat` prefers the likely ones."""
    state, text = None, begin
    read = minitorch.tensor([[letters.index(c) for c in begin]])
    for _ in range(length):
        scores, state = model(read, state)
        chance = F.softmax(scores[0, -1] / heat, dim=0)
        read = minitorch.multinomial(chance, 1).reshape(1, 1)
        text += letters[read.item()]
    return text


def default_text():
    """All pages of docs/ that were written by hand."""
    folder = Path(__file__).parents[1] / "docs"
    names = ("convolution.md", "design.md", "reliability.md", "training.md")
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names if (folder / name).exists())


def main(words=None):
    """Train and write; returns the loss of the last steps beside that of knowing how frequent each character is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="a file to learn from")
    parser.add_argument("--steps", type=count, default=1000, help="training steps (1000)")
    parser.add_argument("--width", type=count, default=128, help="numbers for each character and state (128)")
    parser.add_argument("--layers", type=count, default=1, help="LSTM layers (1)")
    parser.add_argument("--window", type=count, default=64, help="characters that are read at a time (64)")
    parser.add_argument("--batch-size", type=count, default=32, help="windows in each step (32)")
    parser.add_argument("--lr", type=rate, default=0.003, help="learning rate of Adam (0.003)")
    parser.add_argument("--heat", type=rate, default=0.7, help="how daring the writing is (0.7)")
    args = parser.parse_args(words)
    try:
        text = args.text.read_text(encoding="utf-8") if args.text else default_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"--text {args.text}: {error}") from None
    if len(text) <= args.window + 1:
        raise SystemExit(f"the text has {len(text):,} characters; --window {args.window} needs more")

    minitorch.manual_seed(0)
    letters = sorted(set(text))
    data = minitorch.tensor([letters.index(c) for c in text])
    counts = minitorch.bincount(data) / len(data)
    known = -(counts * counts.log()).sum().item()
    model = Model(len(letters), args.width, args.layers)
    optimizer = optim.Adam(model.parameters(), args.lr)
    recent = []
    for step in range(1, args.steps + 1):
        begins = minitorch.randint(len(data) - args.window - 1, (args.batch_size, 1))
        windows = data[begins + minitorch.arange(args.window + 1)]
        optimizer.zero_grad()
        scores, _ = model(windows[:, :-1])
        loss = F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent = [*recent[-19:], loss.item()]
        if step % 100 == 0:
            print(f"step {step}: loss {sum(recent) / len(recent):.3f}", flush=True)

    print(write(model, letters, text[0], 300, args.heat))
    return (sum(recent) / max(len(recent), 1) or math.log(len(letters))) / known


if __name__ == "__main__":
    main()
