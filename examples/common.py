"""What the examples share: arguments, a loop that can be stopped and resumed at any batch, pictures and a report.

The training step itself stays in each example. Here is what surrounds it:

    start(args)                       check what was asked for before anything is computed
    Batches(dataset, size, seed)      the batches of any epoch, from any batch on
    train(args, parts, step, ...)     epochs, bar, checkpoints, Ctrl-C, metrics, learning curves
    Watch(model)                      stop at the first NaN, and say which module and op made it
    examine(model, loader, ...)       loss, accuracy and every single guess on the test set
    report(args, ...)                 report.md with pictures
    grid(images, path)                images side by side
"""

import argparse
import contextlib
import importlib.util
import io
import itertools
import json
import math
import os
import shlex
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

import minitorch
import minitorch.distributed as dist
from minitorch.autograd import Primitive
from minitorch.files import replacing
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader, Subset

# Flags that may differ between a run and its continuation.
FREE = ("resume", "out", "threads", "workers", "save_every", "data", "distributed")


# ------------------------------------------------------------------------------------------------ arguments
def number(kind, least, text):
    """A number of at least `least`, for argparse, which makes a sentence of the error."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value < 2**63:
        raise argparse.ArgumentTypeError(f"needs a {'whole ' * (kind is int)}number from {least} on, but is {text!r}")
    return value


def count(text):
    """A whole number from 1 on, for argparse."""
    return number(int, 1, text)


def whole(text):
    """A whole number from 0 on, for argparse."""
    return number(int, 0, text)


def rate(text):
    """A number from 0 on, for argparse."""
    return number(float, 0, text)


def arguments(doc, epochs, batch_size, lr, out):
    """A parser with the arguments that all examples have, and these defaults."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add(flag, kind, least, default, what):
        help = f"{what} ({'all' if flag == '--threads' else default})"
        parser.add_argument(flag, type=lambda text: number(kind, least, text), default=default, help=help)

    kind = type(epochs)
    add("--epochs", kind, 1 if kind is int else 0.01, epochs, "passes over the training set")
    add("--batch-size", int, 1, batch_size, "images for each step")
    if lr is not None:
        add("--lr", float, 0, lr, "the highest learning rate of the schedule")
    add("--seed", int, 0, 0, "of weights, order and augmentation: the same seed gives the same bits")
    add("--threads", int, 1, None, "how many cores to use")
    add("--save-every", float, 0, 60.0, "seconds between checkpoints")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"where checkpoints and pictures go ({out})")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, exact to the bit")
    return parser


def ranks():
    """The number of this process, and how many train together: see docs/distributed.md."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def together(*numbers):
    """The sums of numbers over all processes that train together."""
    if ranks()[1] == 1:
        return numbers
    sums = minitorch.tensor(numbers, dtype=minitorch.float64)
    dist.all_reduce(sums)
    return tuple(sums.tolist())


def start(args):
    """Set seed and threads, make the folder `args.out`, and find out now whether it can be written to.

    Of several processes that train together, the first alone prints and writes.
    """
    if args.threads:
        minitorch.set_num_threads(args.threads)
    minitorch.manual_seed(args.seed)
    if ranks()[0]:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 it stays open until the process ends
        return
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=args.out).close()
    except OSError as error:
        raise SystemExit(f"--out {args.out}: can't write there: {error.strerror}") from None


def settings(args):
    """What the run was asked for, without what may change when it goes on."""
    return {name: value for name, value in vars(args).items() if name not in FREE}


def run(main):
    """Call main(); Ctrl-C outside of training, which has its own answer to it, ends the program without a traceback."""
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\ninterrupted; what was written stays") from None


# ------------------------------------------------------------------------------------------------ batches
class Batches:
    """The batches of an epoch, a function of (seed, epoch): any of them can be had again, from any batch on.

    What does not fill a batch is left out. Each of several processes has its own part of every batch. `settings` are
    DataLoader's.
    """

    def __init__(self, dataset, size, seed, **settings):
        if len(dataset) < size:
            raise SystemExit(f"--batch-size {size}: there are only {len(dataset):,} training images; take fewer")
        if size % ranks()[1]:
            raise SystemExit(
                f"--batch-size {size}: it has to divide into {ranks()[1]} equal parts, one for each process"
            )
        self.dataset, self.size, self.seed = dataset, size, seed
        self.order, self.generator = [], minitorch.Generator()
        self.loader = DataLoader(dataset, batch_sampler=self, generator=self.generator, **settings)

    def __len__(self):
        return len(self.dataset) // self.size

    def __iter__(self):
        return iter(self.order)

    def epoch(self, number, first=0):
        """An iterator over the batches of an epoch from the batch `first` on."""
        order = np.random.default_rng([self.seed, number]).permutation(len(self.dataset))
        rank, count = ranks()
        parts = order[: len(self) * self.size].reshape(-1, count, self.size // count)
        self.order = parts[first:, rank].tolist()
        self.generator.manual_seed((self.seed << 20) + number & 2**63 - 1)  # augmentation draws from it
        return iter(self.loader)


# ------------------------------------------------------------------------------------------------ checkpoints
def fresh():
    """How far a run is that has not begun."""
    return {"epoch": 0, "batch": 0, "loss": 0.0, "right": 0, "seen": 0, "seconds": 0.0, "history": []}


def save(args, parts, progress):
    """Write the checkpoint: old or new, but whole, whatever happens. Returns whether there was room for it."""
    if ranks()[0]:
        return True
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"progress": progress, "random": minitorch.get_rng_state(), "settings": settings(args)}
    try:
        minitorch.save(state, args.out / "checkpoint.zip")
    except OSError as error:
        print(f"the checkpoint was not written ({error.strerror}); the one before is whole", file=sys.stderr)
        return False
    return True


def resume(args, parts):
    """Put all parts back to where the checkpoint in `args.out` was written; returns how far the run was."""
    path = args.out / "checkpoint.zip"
    content = [path.read_bytes() if ranks()[0] == 0 and path.exists() else None]
    if ranks()[1] > 1:
        dist.broadcast_object_list(content, 0)
    if content[0] is None:
        print(f"--resume: there is no checkpoint in {args.out} yet, so this run starts from the beginning")
        return fresh()
    try:
        state = minitorch.load(io.BytesIO(content[0]))
        old, new = state["settings"], settings(args)
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                flag = "--" + name.replace("_", "-")
                raise SystemExit(
                    f"--resume: the run in {args.out} was made with {flag} {old.get(name)}, this is {flag} "
                    f"{new.get(name)}; say the same, or another --out for a new run"
                )
        for name, part in parts.items():
            part.load_state_dict(state[name])
        minitorch.set_rng_state(state["random"])
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise SystemExit(f"--resume: {path} can't be used: {error}") from None
    progress = state["progress"]
    print(f"goes on in epoch {progress['epoch'] + 1} after batch {progress['batch']}")
    return progress


class Stopped(Exception):
    """Ctrl-C was pressed, or the process was asked to end."""


@contextlib.contextmanager
def stopping():
    """A list that is no longer empty once somebody pressed Ctrl-C; the second time interrupts at once."""
    stop, before = [], {}

    def note(signum, frame):
        stop.append(signum)
        signal.signal(signum, before[signum])

    try:
        for signum in (signal.SIGINT, signal.SIGTERM):
            before[signum] = signal.signal(signum, note)
    except ValueError:  # not the main thread
        pass
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


# ------------------------------------------------------------------------------------------------ the loop
def train(args, parts, step, batches, test, total=None):
    """Run epochs until `total` batches are done (default: args.epochs whole epochs); returns the history, a row each.

    parts: what a checkpoint holds, by name: "model", "optimizer", "scheduler", whatever has a state_dict.
    step(images, labels): one training step; returns the loss, summed over the batch, and how many guesses were right.
    batches: has a length and `epoch(number, first)`. test(stop): a dict of numbers, "accuracy" among them; it may look
    at the list `stop` now and then, and raise Stopped when it is not empty.
    """
    progress = resume(args, parts) if args.resume else fresh()
    total = len(batches) * args.epochs if total is None else total
    board = tensorboard(args.out, progress["epoch"])
    with stopping() as stop, board:
        try:
            while progress["epoch"] * len(batches) < total:
                epoch(args, parts, step, batches, total, progress, stop)
                row = finish(args, parts, progress, test(stop if ranks()[1] == 1 else ()), batches, total)
                for name, value in row.items():
                    board.add_scalar(name.replace("test_", "test/"), value, row["epoch"])
        except Stopped:
            saved = save(args, parts, progress)
            print(f"\nstopped in epoch {progress['epoch'] + 1} after batch {progress['batch']} of {len(batches)}")
            command = [word for word in sys.argv if word != "--resume"]
            if saved:
                print(f"go on with: python {shlex.join([*command, '--resume'])}")
            raise SystemExit(130) from None
    return progress["history"]


def epoch(args, parts, step, batches, total, progress, stop):
    """Train until the end of the epoch that `progress` is in."""
    parts["model"].train()
    done = progress["epoch"] * len(batches)
    count = min(len(batches), total - done)  # the last epoch may be a part of one
    title = f"epoch {progress['epoch'] + 1}/{math.ceil(total / len(batches))}"
    rest = itertools.islice(batches.epoch(progress["epoch"], progress["batch"]), count - progress["batch"])
    saved = time.perf_counter()
    with tqdm(total=count, initial=progress["batch"], desc=title, unit="batch", leave=False, disable=None) as bar:
        begin = time.perf_counter()
        for images, labels in rest:
            loss, right, stopped = together(*step(images, labels), len(stop))
            now = time.perf_counter()
            progress["batch"] += 1
            progress["seen"] += len(labels) * ranks()[1]
            progress["loss"] += loss
            progress["right"] += right
            progress["seconds"] += now - begin
            begin = now
            pace = progress["seconds"] / (done + progress["batch"])
            left = round(pace * (total - done - progress["batch"]))
            bar.set_postfix_str(
                f"loss {progress['loss'] / progress['seen']:.3f}, accuracy {progress['right'] / progress['seen']:.1%}, "
                f"{len(labels) * ranks()[1] / pace:.0f} images/s, {left // 60}:{left % 60:02} left in all"
            )
            bar.update()
            if stopped:  # anywhere
                raise Stopped
            if now - saved >= args.save_every:
                save(args, parts, progress)
                saved = begin = time.perf_counter()


def finish(args, parts, progress, tested, batches, total):
    """After an epoch: a row of the history, printed and written; checkpoints and curves. Returns the row."""
    history, seen = progress["history"], progress["seen"]
    before = history[-1]["seconds"] if history else 0.0
    row = {"epoch": min(progress["epoch"] + 1, total / len(batches))}
    row |= {"loss": progress["loss"] / seen, "accuracy": progress["right"] / seen}
    row |= {f"test_{name}": value for name, value in tested.items()}
    row |= {"images_per_second": seen / (progress["seconds"] - before), "seconds": progress["seconds"]}
    best = max((old["test_accuracy"] for old in history), default=-1.0)
    history.append(row)
    progress |= {"epoch": progress["epoch"] + 1, "batch": 0, "loss": 0.0, "right": 0, "seen": 0}
    if ranks()[0]:
        return row
    save(args, parts, progress)
    if row["test_accuracy"] > best:
        with contextlib.suppress(OSError):  # `save` spoke of it
            minitorch.save({"model": parts["model"].state_dict(), **row}, args.out / "best.zip")
    with contextlib.suppress(OSError), replacing(args.out / "metrics.jsonl") as file:
        file.write("".join(json.dumps(old) + "\n" for old in history).encode())
    curves(history, args.out / "curve.png")
    tests = ", ".join(f"{name} {shown(name, value)}" for name, value in tested.items())
    print(
        f"epoch {row['epoch']:g}/{total / len(batches):g}: training loss {row['loss']:.3f}, "
        f"accuracy {row['accuracy']:.1%}; test {tests}; {row['images_per_second']:,.0f} images/s, "
        f"{row['seconds']:,.0f} s of training",
        flush=True,
    )
    return row


def shown(name, value):
    """A number as the lines and tables show it."""
    return f"{value:.2%}" if "accuracy" in name else f"{value:.3f}"


def tensorboard(folder, step):
    """A SummaryWriter where tensorboardX is installed, else something that has its methods and does nothing."""
    if importlib.util.find_spec("tensorboardX") is None or ranks()[0]:
        return Nothing()
    from minitorch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder / "tensorboard", purge_step=step + 1)


class Nothing(contextlib.nullcontext):
    """A SummaryWriter that writes nothing."""

    def __enter__(self):
        return self

    def add_scalar(self, *args):
        """Do nothing."""


# ------------------------------------------------------------------------------------------------ the first NaN
class Found(Exception):
    """The op that made the first NaN or infinity."""


class Watch:
    """Looks at each loss and at the gradients; where they are not finite, it runs the step again to find out why.

    watch = Watch(model)
    with watch: loss = ...                      remembers the generator, so that dropout can be repeated
    loss.backward()
    watch.check(loss, lambda: loss_function(model(images), labels), images)
    """

    def __init__(self, model):
        self.model, self.random = model, None

    def __enter__(self):
        self.random = minitorch.get_rng_state()

    def __exit__(self, *error):
        pass

    def check(self, loss, again, images):
        """Ends the program with a sentence if the loss or a gradient is not finite."""
        if not math.isfinite(loss.item()):
            raise SystemExit(f"the loss is {loss.item()}: {self.forward(again, images)}; weights were not changed")
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and not math.isfinite(parameter.grad.sum().item()):
                raise SystemExit(f"{self.backward(again, name)}; weights were not changed")

    def forward(self, again, images):
        """Which module and op made the first number that is not finite."""
        if not finite(images):
            return "the images of this batch hold NaN or infinity already"
        for name, value in self.model.state_dict().items():
            if not finite(value):
                return f"`{name}` was not finite before this step; a smaller --lr may help"
        names = {id(module): name for name, module in self.model.named_modules()}
        inside = ["the loss function"]
        handles = []
        for module in self.model.modules():
            name = f"module `{names[id(module)]}` ({type(module).__name__})".replace("module `` ", "the model ")
            handles.append(module.register_forward_pre_hook(lambda *_, name=name: inside.append(name)))
            handles.append(module.register_forward_hook(lambda *_: inside.pop() and None))
        call = Primitive.__call__

        def watched(primitive, *args, **settings):
            out = call(primitive, *args, **settings)
            first = out[0] if isinstance(out, tuple) else out
            if not finite(first) and all(finite(x) for x in args):
                raise Found(f"{inside[-1]} made it, in the op `{primitive.name}`")
            return out

        minitorch.set_rng_state(self.random)
        Primitive.__call__ = watched
        try:
            again()
        except Found as found:
            return str(found)
        finally:
            Primitive.__call__ = call
            for handle in handles:
                handle.remove()
        return "it was finite when the step ran again"

    def backward(self, again, name):
        """Which op's derivative made the first NaN, and on which line that op stands."""
        minitorch.set_rng_state(self.random)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with minitorch.autograd.detect_anomaly():
                    again().backward()
            except RuntimeError as error:
                lines = next((str(w.message) for w in caught if "forward call" in str(w.message)), "")
                where = lines.strip().splitlines()[-2:]
                return f"the gradient of `{name}` is not finite: {error} {' '.join(line.strip() for line in where)}"
        return f"the gradient of `{name}` is infinite; a smaller --lr or nn.utils.clip_grad_norm_ may help"


def finite(value):
    """Whether a tensor or array holds neither NaN nor infinity; anything else does not."""
    array = value.detach().numpy() if isinstance(value, minitorch.Tensor) else value
    return not isinstance(array, np.ndarray) or array.dtype.kind != "f" or bool(np.isfinite(array).all())


# ------------------------------------------------------------------------------------------------ the test set
class Examined(NamedTuple):
    """What a model says of a test set: mean loss, accuracy; for each image its loss, its label and the guess."""

    loss: float
    accuracy: float
    losses: np.ndarray
    labels: np.ndarray
    guesses: np.ndarray


def share(dataset):
    """The part of a data set that this process looks at; `examine` brings the parts together, in their order."""
    rank, count = ranks()
    bounds = [len(dataset) * i // count for i in (rank, rank + 1)]
    return dataset if count == 1 else Subset(dataset, range(*bounds))


@minitorch.no_grad()
def examine(model, loader, stop=()):
    """Cross-entropy and guesses on all of `loader`."""
    model.eval()
    losses, labels, guesses = [], [], []
    for images, truth in loader:
        scores = model(images)
        losses.append(F.cross_entropy(scores, truth, reduction="none").numpy())
        labels.append(truth.numpy())
        guesses.append(scores.argmax(1).numpy())
        if stop:
            raise Stopped
    found = tuple(np.concatenate(parts) for parts in (losses, labels, guesses))
    if ranks()[1] > 1:
        everything = [None] * ranks()[1]
        dist.all_gather_object(everything, found)
        found = tuple(np.concatenate(parts) for parts in zip(*everything, strict=True))
    losses, labels, guesses = found
    return Examined(float(losses.mean()), float((labels == guesses).mean()), losses, labels, guesses)


# ------------------------------------------------------------------------------------------------ pictures
def pyplot():
    """matplotlib's pyplot, drawing to files; None where it is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def draw(path, size, rows, columns, paint):
    """A picture: `paint` receives the axes. Whoever looks while it is written finds a whole one."""
    plt = pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    paint(axes.ravel())
    with contextlib.suppress(OSError), replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
    plt.close(figure)


def grid(images, path, columns=8, zoom=2):
    """Images (N, C, H, W) or (N, H, W) of numbers in [0, 1], side by side in one picture; needs matplotlib."""
    plt = pyplot()
    if plt is None:
        return
    images = images.detach().numpy() if isinstance(images, minitorch.Tensor) else images
    images = np.clip(images if images.ndim == 4 else images[:, None], 0, 1).repeat(zoom, 2).repeat(zoom, 3)
    images = np.pad(images, ((0, -len(images) % columns), (0, 0), (1, 1), (1, 1)), constant_values=1)
    count, channels, height, width = images.shape
    tiles = images.reshape(-1, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    rows = count // columns * height
    picture = np.broadcast_to(tiles.reshape(rows, columns * width, channels), (rows, columns * width, 3))
    with replacing(path) as file:
        plt.imsave(file, picture, format="png")


def curves(history, path):
    """Loss and accuracy over the epochs."""

    def paint(axes):
        epochs = [row["epoch"] for row in history]
        for ax, what in zip(axes, ("loss", "accuracy"), strict=True):
            for name, label in ((what, "training"), (f"test_{what}", "test")):
                if name in history[0]:
                    ax.plot(epochs, [row[name] for row in history], marker="o", markersize=3, label=label)
            ax.set(xlabel="epoch", ylabel=what)
            ax.grid(alpha=0.3)
            ax.legend()

    draw(path, (9, 3.5), 1, 2, paint)


def confusion(examined, classes, path):
    """How often an image of one class (row) was taken for another (column), in percent."""
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (examined.labels, examined.guesses), 1)
    percent = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)

    def paint(axes):
        (ax,) = axes
        ax.imshow(percent, cmap="Blues", vmin=0, vmax=100)
        ax.set_xticks(range(len(classes)), classes, rotation=60, ha="right")
        ax.set_yticks(range(len(classes)), classes)
        ax.set(xlabel="the model says", ylabel="it is")
        for (row, column), value in np.ndenumerate(percent):
            if len(classes) <= 20 and value >= 0.5:
                color = "white" if value > 50 else "black"
                ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, color=color)

    side = min(3 + 0.35 * len(classes), 12)
    draw(path, (side, side), 1, 1, paint)


def filters(model, path):
    """The kernels of the first convolution on images of three channels; returns whether there is one."""
    convs = [m for m in model.modules() if isinstance(m, minitorch.nn.Conv2d) and m.weight.shape[1] == 3]
    if not convs:
        return False
    weight = convs[0].weight.detach().numpy()[:64]
    scale = np.abs(weight).max((1, 2, 3), keepdims=True) + 1e-12
    tiles = np.moveaxis(weight / scale / 2 + 0.5, 1, -1)

    def paint(axes):
        for ax in axes:
            ax.axis("off")
        for ax, tile in zip(axes, tiles, strict=False):
            ax.imshow(tile)

    rows = -(-len(tiles) // 8)
    draw(path, (6, 0.8 * rows), rows, 8, paint)
    return True


def worst(examined, dataset, classes, path, count=16):
    """The test images with the largest losses, what they are and what the model says."""
    order = np.argsort(-examined.losses)[:count]

    def paint(axes):
        for ax in axes:
            ax.axis("off")
        for ax, index in zip(axes, order.tolist(), strict=False):
            image = np.asarray(dataset[index][0], np.float32)
            image = np.moveaxis(image, 0, -1) if image.ndim == 3 and image.shape[0] in (1, 3) else image
            ax.imshow((image - image.min()) / max(float(np.ptp(image)), 1e-6), cmap="gray")
            truth, guess = classes[examined.labels[index]], classes[examined.guesses[index]]
            ax.set_title(f"{truth}\nfor {guess}?", fontsize=7)

    rows = -(-count // 8)
    draw(path, (9, 1.6 * rows), rows, 8, paint)


# ------------------------------------------------------------------------------------------------ report
def report(args, title, history, examined, dataset, classes, model, lines=()):
    """Write report.md and its pictures; print the accuracy of each class and where everything lies."""
    if ranks()[0]:
        return
    per_class = [float((examined.guesses[examined.labels == k] == k).mean()) for k in range(len(classes))]
    print("accuracy by class:")
    for name, score in zip(classes, per_class, strict=True):
        print(f"  {name:<12} {score:6.1%} {'#' * round(40 * score)}")
    pictures = [("curve.png", "Loss and accuracy after each epoch")]
    if pyplot():
        confusion(examined, classes, args.out / "confusion.png")
        worst(examined, dataset, classes, args.out / "worst.png")
        pictures += [("confusion.png", "What is taken for what, in percent"), ("worst.png", "The largest losses")]
        if filters(model, args.out / "filters.png"):
            pictures.append(("filters.png", "Kernels of the first convolution"))
    columns = list(history[-1])
    table = [" | ".join(name.replace("_", " ") for name in columns), " | ".join("---" for _ in columns)]
    for row in history:
        cells = [f"{row[c]:g}" if c == "epoch" else shown(c, row[c]) for c in columns]
        table.append(" | ".join(cells))
    text = [f"# {title}", "", *lines, ""]
    text += [f"Settings: {', '.join(f'{name} {value}' for name, value in settings(args).items())}.", ""]
    text += [f"| {line} |" for line in table] + ["", "| class | accuracy |", "| --- | --- |"]
    text += [f"| {name} | {score:.1%} |" for name, score in zip(classes, per_class, strict=True)]
    if pyplot():
        text += ["", *(f"{what}:\n\n![{what}]({name})\n" for name, what in pictures)]
    try:
        with replacing(args.out / "report.md") as file:
            file.write("\n".join(text).encode())
    except OSError as error:
        print(f"the report was not written: {error.strerror}", file=sys.stderr)
    print(f"test accuracy {100 * history[-1]['test_accuracy']:.1f} %")
    if not pyplot():
        print("no pictures were drawn: pip install matplotlib")
    print(f"report: {args.out / 'report.md'}   learning curves: {args.out / 'curve.png'}")
    print(f"checkpoint: {args.out / 'checkpoint.zip'}   best weights: {args.out / 'best.zip'}")
