"""CIFAR-10 to 94 %: the recipe of "94% on CIFAR-10 in 3.29 seconds on a single GPU" (Jordan, 2024), in float32.

python examples/cifar10_airbench.py --data cifar10      CIFAR-10, downloaded to ./data
python examples/cifar10_airbench.py --data FOLDER       CIFAR-10's files, or train/<class>/*.jpg and test/<class>/*.jpg
python examples/cifar10_airbench.py --data shapes       the built-in Shapes: no download
python examples/cifar10_airbench.py --resume            go on after Ctrl-C, or whatever ended it

Ten passes over the images are few, so nothing may be wasted. What the recipe does about it, in the order of this file:
the first layer is computed from the images and not learned; the other convolutions begin as the identity; an image is
seen mirrored in every second epoch, and never twice the same way in a row; learning rates are as large as they can be,
those of the biases 64 times larger still; a running average of the weights pulls them back every five steps; and in
the end six views of each test image vote.
"""

import json
import math
import time

import common
import numpy as np
from cifar10 import load

import minitorch
from minitorch.files import replacing
from minitorch.nn import functional as F
from minitorch.vision import models

MEAN = np.array((0.4914, 0.4822, 0.4465), np.float32)  # of CIFAR-10's pixels, in [0, 1]
STD = np.array((0.2470, 0.2435, 0.2616), np.float32)

MOMENTUM = 0.85
RATE = 11.5  # learning rate for 1,024 examples; see `groups_of`
DECAY = 0.0153  # weight decay for 1,024 examples
BIAS_SCALER = 64  # the biases of the norms learn so many times faster
WHITEN_BIAS_EPOCHS = 3  # after them the bias of the first layer is frozen, too
SMOOTHING = 0.2  # of the labels
TRANSLATE = 2  # pixels, in each direction


# ------------------------------------------------------------------------------------------------ images
def normalize(pixels):
    """uint8 (N, H, W, C) as a float32 Tensor (N, C, H, W), whose memory stays channels-last."""
    images = pixels * (1 / (255 * STD))
    images -= MEAN / STD
    return minitorch.as_tensor(np.moveaxis(images, -1, 1))


class Views:
    """Training images, mirrored in alternate epochs and shifted by up to two pixels.

    A coin for each image decides whether it is mirrored in the first epoch; from then on it alternates. With a coin in
    every epoch, half of the images would come as they came the epoch before.
    """

    def __init__(self, pixels, labels, size, seed):
        if len(pixels) < size:
            raise SystemExit(f"--batch-size {size}: there are only {len(pixels):,} training images; take fewer")
        self.labels, self.size, self.seed = np.asarray(labels), size, seed
        mirrored = np.random.default_rng(seed).random(len(pixels)) < 0.5
        pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
        pad = TRANSLATE
        padded = np.pad(pixels, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, pixels.shape[1:3], (1, 2))
        self.windows = windows.transpose(0, 1, 2, 4, 5, 3)  # image, shift down, shift right, then the view (H, W, C)

    def __len__(self):
        return len(self.labels) // self.size

    def epoch(self, number, first=0):
        """The batches of an epoch from `first` on. They follow from seed and epoch; what fills no batch is left out."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self.labels))
        shifts = rng.integers(0, 2 * TRANSLATE + 1, (2, len(order)))
        for batch in range(first, len(self)):
            chosen = slice(batch * self.size, (batch + 1) * self.size)
            pixels = self.windows[order[chosen], shifts[0, chosen], shifts[1, chosen]]
            if number % 2:
                pixels = pixels[:, :, ::-1]
            yield normalize(pixels), minitorch.as_tensor(self.labels[order[chosen]])


# ------------------------------------------------------------------------------------------------ optimizer
def make_optimizer(net, batch):
    """SGD with Nesterov momentum."""
    groups = groups_of(net.parameters(), net.norm_biases(), batch)
    return minitorch.optim.SGD(groups, lr=groups[-1]["lr"], momentum=MOMENTUM, nesterov=True)


def groups_of(parameters, norm_biases, batch):
    """An optimizer's groups, first the biases of the norms, with settings that mean the same at any batch size.

    The loss is summed over the batch, so RATE is divided by the number of examples; and as a gradient goes on to act
    through the momentum, it is divided by 1 + 1 / (1 - momentum) as well. A weight shrinks by DECAY for 1,024 examples,
    whatever its learning rate.
    """
    scale = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay = RATE / scale, DECAY * batch / scale
    norms = {id(bias) for bias in norm_biases}
    trained = [p for p in parameters if p.requires_grad]
    groups = []
    for chosen, lr in ((True, rate * BIAS_SCALER), (False, rate)):
        members = [p for p in trained if (id(p) in norms) == chosen]
        groups.append({"params": members, "lr": lr, "weight_decay": decay / lr})
    return groups


def triangle(total, start=0.2, peak=0.23, end=0.07):
    """The factor of the learning rate at a step: from `start` up to 1 at the fraction `peak` of all, down to `end`."""
    return lambda step: float(np.interp(step, [0, int(peak * total), total], [start, 1, end]))


class Lookahead:
    """A slow copy of weights and statistics: it follows the fast ones, and then they go on from it."""

    def __init__(self, net):
        self.fast = [value for value in net.state_dict().values() if value.is_floating_point()]
        self.slow = [value.clone() for value in self.fast]

    @minitorch.no_grad()
    def update(self, decay):
        """Move the slow copy by 1 - decay of the way; set the fast one to it."""
        for slow, fast in zip(self.slow, self.fast, strict=True):
            slow.lerp_(fast, 1 - decay)
            fast.copy_(slow)

    def state_dict(self):
        """The slow copy."""
        return {str(index): value for index, value in enumerate(self.slow)}

    def load_state_dict(self, state):
        """Take a slow copy from a checkpoint."""
        self.slow = [state[str(index)].clone() for index in range(len(self.slow))]


# ------------------------------------------------------------------------------------------------ test
@minitorch.no_grad()
def scores(net, pixels, views, stop=(), size=1000):
    """What the net says of images, on average over some views of each: 1, 2 (mirrored, too) or 6 (shifted, too).

    The images as they are count for a half; the two shifted by a pixel, up and left or down and right, for a quarter.
    """

    def both(images):
        return net(images) if views == 1 else 0.5 * net(images) + 0.5 * net(images.flip(-1))

    net.eval()
    results = []
    for first in range(0, len(pixels), size):
        images = normalize(pixels[first : first + size])
        result = both(images)
        if views == 6:
            height, width = images.shape[2:]
            padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
            shifted = both(padded[:, :, :height, :width]) + both(padded[:, :, 2:, 2:])
            result = 0.5 * result + 0.25 * shifted
        results.append(result)
        if stop:
            raise common.Stopped
    return minitorch.cat(results)


def accuracy(outputs, test_set):
    """The fraction of the test images that is named rightly."""
    return float((outputs.argmax(1).numpy() == np.asarray(test_set.targets)).mean())


# ------------------------------------------------------------------------------------------------ training
def train(args, train_set, test_set, **settings):
    """Train a net with these settings; returns it, the history, a dict of results and the scores of six views."""
    views = Views(train_set.data, train_set.targets, args.batch_size, args.seed)
    total = math.ceil(len(views) * args.epochs)
    net = models.airbench94(num_classes=len(train_set.classes), **settings)
    some = np.random.default_rng(args.seed).permutation(len(train_set))[:5000]
    net.whiten(normalize(train_set.data[some]))
    optimizer = make_optimizer(net, args.batch_size)
    scheduler = minitorch.optim.lr_scheduler.LambdaLR(optimizer, triangle(total))
    lookahead = Lookahead(net)
    watch = common.Watch(net)

    def loss_of(outputs, labels):
        return F.cross_entropy(outputs, labels, label_smoothing=SMOOTHING, reduction="sum")

    def step(images, labels):
        net[0].bias.requires_grad_(scheduler.last_epoch < WHITEN_BIAS_EPOCHS * len(views))
        with watch:
            outputs = net(images)
            loss = loss_of(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        watch.check(loss, lambda: loss_of(net(images), labels), images)
        optimizer.step()
        scheduler.step()
        number = scheduler.last_epoch  # of steps done
        if number % 5 == 0:
            lookahead.update(0.95**5 * (number / total) ** 3)
        if number == total:
            lookahead.update(1.0)  # the slow copy is the result
        return loss.item(), int((outputs.argmax(1) == labels).sum())

    def test(stop):
        return {"accuracy": accuracy(scores(net, test_set.data, 1, stop), test_set)}

    parts = {"model": net, "optimizer": optimizer, "scheduler": scheduler, "lookahead": lookahead}
    history = common.train(args, parts, step, views, test, total)
    start = time.perf_counter()
    results = {"test_accuracy": history[-1]["test_accuracy"]}
    for views_each, name in ((2, "mirrored"), (6, "tta")):
        outputs = scores(net, test_set.data, views_each)
        results[f"test_accuracy_{name}"] = accuracy(outputs, test_set)
    results |= {"seconds_training": history[-1]["seconds"], "seconds_tests": time.perf_counter() - start}
    results |= {"seed": args.seed, "epochs": args.epochs, "threads": minitorch.get_num_threads()}
    return net, history, results, outputs


def main():
    """Parse the arguments, train, test, and say where everything lies."""
    parser = common.arguments(__doc__, epochs=9.9, batch_size=1024, lr=None, out="runs/airbench")
    parser.add_argument("--data", default="cifar10", help="cifar10, shapes, a folder or an archive (cifar10)")
    parser.add_argument("--limit", type=common.count, help="use so many training images only, to try things out")
    args = parser.parse_args()
    common.start(args)
    try:
        train_set, test_set = load(args.data, None, None)
    except (OSError, RuntimeError, ValueError) as error:
        raise SystemExit(f"--data {args.data}: {error}") from None
    if args.limit and args.limit < len(train_set):
        some = np.random.default_rng(args.seed).permutation(len(train_set))[: args.limit]
        train_set.data, train_set.targets = train_set.data[some], [train_set.targets[i] for i in some]
    classes = train_set.classes
    print(f"{len(train_set):,} training and {len(test_set):,} test images of {len(classes)} classes", flush=True)

    net, history, results, outputs = train(args, train_set, test_set)
    with replacing(args.out / "results.json") as file:
        file.write(json.dumps(results, indent=1).encode())
    lines = [
        f"Test accuracy {results['test_accuracy']:.2%}; {results['test_accuracy_mirrored']:.2%} of two views, "
        f"{results['test_accuracy_tta']:.2%} of six. {results['seconds_training']:,.1f} s of training on "
        f"{results['threads']} threads."
    ]
    print(*lines)
    losses = F.cross_entropy(outputs, minitorch.tensor(test_set.targets), reduction="none").numpy()
    truth, guesses = np.asarray(test_set.targets), outputs.argmax(1).numpy()
    examined = common.Examined(float(losses.mean()), results["test_accuracy_tta"], losses, truth, guesses)
    common.report(args, f"airbench94 on {args.data}", history, examined, test_set, classes, net, lines)


if __name__ == "__main__":
    common.run(main)
