"""Train a CNN on images: the main job, from data to accuracy, to pictures and a report.

python examples/cifar10.py                      the built-in Shapes
python examples/cifar10.py --data cifar10       CIFAR-10, downloaded to ./data
python examples/cifar10.py --data FOLDER        CIFAR-10's files, or train/<class>/*.jpg and test/<class>/*.jpg
python examples/cifar10.py --data FILE.tar.gz   such a folder in an archive
python examples/cifar10.py --model resnet20     another net
python examples/cifar10.py --resume             go on after Ctrl-C, or whatever ended it
python -m minitorch.distributed.run -n 2 examples/cifar10.py --distributed    by two processes: docs/distributed.md
"""

from pathlib import Path

import common

import minitorch.distributed as dist
from minitorch import nn, optim
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, models, transforms

MICRO_SHARDS = "with --distributed: the same bits for any number of processes that divides M, a power of two (0: off)"
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)  # of CIFAR-10's pixels; near enough for other photographs


# ------------------------------------------------------------------------------------------------ nets
class Net(nn.Module):
    """Stages of two convolutions with batch norm and ReLU, each halving the image; then one linear layer."""

    def __init__(self, classes, widths=(32, 64, 128)):
        super().__init__()
        layers, channels = [], 3
        for width in widths:
            for _ in range(2):
                layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(channels * 4 * 4, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


def vgg(classes):
    """The same, twice as wide."""
    return Net(classes, (64, 128, 256))


def tutorial(classes):
    """The net of PyTorch's first tutorial (LeNet-5, nearly): two convolutions, three linear layers."""
    features = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)]
    return nn.Sequential(*features, nn.Flatten(), *head)


def mobilenet(classes):
    """Seven blocks of a depthwise 3x3 and a 1x1 convolution (MobileNet, for 32x32 images)."""

    def conv(channels, width, size, stride=1, groups=1):
        layer = nn.Conv2d(channels, width, size, stride, size // 2, groups=groups, bias=False)
        return [layer, nn.BatchNorm2d(width), nn.ReLU()]

    layers, channels = conv(3, 32, 3), 32
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers += conv(channels, channels, 3, stride, channels) + conv(channels, width, 1)
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


MODELS = {
    "small": Net,
    "tutorial": tutorial,
    "vgg": vgg,
    "mobilenet": mobilenet,
    "resnet20": lambda classes: models.resnet20(num_classes=classes),  # of the paper (He et al., 2015)
    "airbench94": lambda classes: models.airbench94(num_classes=classes),  # cifar10_airbench.py trains it better
}


# ------------------------------------------------------------------------------------------------ data
def load(data, augment, plain):
    """The training and the test set of what the user asked for."""
    if data == "shapes":
        return datasets.Shapes(train=True, transform=augment), datasets.Shapes(train=False, transform=plain)
    if data == "cifar10":
        return (
            datasets.CIFAR10("data", train=True, transform=augment, download=True),
            datasets.CIFAR10("data", train=False, transform=plain),
        )
    folder = Path(data)
    if not folder.exists():
        raise SystemExit(f"--data {data}: there is no such folder; say shapes, cifar10, a folder or an archive")
    if folder.is_file() or (folder / "train").is_dir():
        name = "-".join(folder.resolve().parts[-2:])  # decoded images are kept in ./data, for the next time
        return tuple(
            datasets.ImageFolder(folder / part, transform=transform).in_memory(cache=f"data/{name}-{part}.npz")
            for part, transform in (("train", augment), ("test", plain))
        )
    return datasets.CIFAR10(folder, train=True, transform=augment), datasets.CIFAR10(
        folder, train=False, transform=plain
    )


# ------------------------------------------------------------------------------------------------ training
def main():
    """Parse the arguments, train, test, and say where everything lies."""
    parser = common.arguments(__doc__, epochs=8, batch_size=64, lr=0.05, out="runs")
    parser.add_argument("--data", default="shapes", help="shapes, cifar10, a folder or an archive (shapes)")
    parser.add_argument("--workers", type=common.whole, default=0, help="processes that load images (0: this one)")
    parser.add_argument("--model", default="small", choices=MODELS, help=f"{', '.join(MODELS)} (small)")
    parser.add_argument("--distributed", action="store_true", help="train with all processes that mpiexec has started")
    parser.add_argument("--micro-shards", type=common.whole, default=0, metavar="M", help=MICRO_SHARDS)
    args = parser.parse_args()
    if args.distributed:
        dist.init_process_group("mpi")
    common.start(args)

    normalize = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *normalize])
    try:
        train_set, test_set = load(args.data, augment, transforms.Compose(normalize))
    except (OSError, RuntimeError, ValueError) as error:
        raise SystemExit(f"--data {args.data}: {error}") from None
    batches = common.Batches(train_set, args.batch_size, args.seed, num_workers=args.workers)
    test_loader = DataLoader(common.share(test_set), 250)
    classes = train_set.classes
    print(f"{len(train_set):,} training and {len(test_set):,} test images of {len(classes)} classes")

    model = MODELS[args.model](len(classes))
    if hasattr(model, "whiten"):
        model.whiten(next(batches.epoch(0))[0])
    whole = model  # what trains; `model` is what is tested and kept
    if args.distributed:
        if args.micro_shards:
            whole = model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        whole = nn.parallel.DistributedDataParallel(model, micro_shards=args.micro_shards or None)
    loss_function = nn.CrossEntropyLoss()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = optim.SGD(trained, args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(batches))
    watch = common.Watch(model)

    def step(images, labels):
        optimizer.zero_grad()
        with watch:
            scores = whole(images)
            loss = loss_function(scores, labels)
        loss.backward()
        watch.check(loss, lambda: loss_function(model(images), labels), images)
        optimizer.step()
        scheduler.step()
        return loss.item() * len(labels), int((scores.argmax(1) == labels).sum())

    def test(stop):
        if args.distributed:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)  # statistics of batch norms, of which the last step's differ
        examined = common.examine(model, test_loader, stop)
        return {"loss": examined.loss, "accuracy": examined.accuracy}

    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    history = common.train(args, parts, step, batches, test)
    examined = common.examine(model, test_loader)
    title = f"{args.model} on {args.data}: {examined.accuracy:.1%}"
    common.report(args, title, history, examined, test_set, classes, model)


if __name__ == "__main__":
    common.run(main)
