"""Transfer learning: a ResNet-18 whose weights PyTorch wrote, a new last layer, and a data set of your own.

python examples/finetune.py --weights resnet18.pt --data FOLDER    FOLDER/train/<class>/*.jpg, FOLDER/test/...
python examples/finetune.py --weights resnet18.pt --all            trains all layers, the old ones more slowly

The file is what `torch.save(model.state_dict(), "resnet18.pt")` writes (`torchvision.models.resnet18`), or .safetensors
of the same names. It is read without PyTorch, and nothing in it is run. Without --weights the net begins at random,
which shows what the old weights are worth.
"""

import argparse
from pathlib import Path

from common import count, rate

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, models, transforms


def load(data, size):
    """The training and the test set, scaled as the old net saw its images."""
    normalize = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    transform = transforms.Compose([transforms.ToTensor(), normalize])
    if data == "shapes":
        return [datasets.Shapes(train=train, transform=transform) for train in (True, False)]
    sized = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size), transform])
    return [datasets.ImageFolder(Path(data) / part, transform=sized) for part in ("train", "test")]


def make(weights, classes, every_layer):
    """The net with its old weights and a new last layer; the old layers are frozen unless `every_layer`."""
    model = models.resnet18()
    if weights:
        state = minitorch.load(weights)
        model.load_state_dict(state.get("state_dict", state))
    for parameter in model.parameters():
        parameter.requires_grad_(every_layer)
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model


def freeze_norms(model):
    """Batch norms of frozen layers keep their statistics, too: those belong to the old weights."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


@minitorch.no_grad()
def test(model, loader):
    """The accuracy."""
    model.eval()
    right = [int((model(images).argmax(1) == labels).sum()) for images, labels in loader]
    return sum(right) / len(loader.dataset)


def main(words=None):
    """Train and test; returns the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a .pt, .pth or .safetensors file of a ResNet-18")
    parser.add_argument("--data", default="shapes", help="shapes, or a folder with train/ and test/ (shapes)")
    parser.add_argument("--all", action="store_true", help="train all layers, not the last one alone")
    parser.add_argument("--size", type=count, default=224, help="pixels to which images of a folder are scaled (224)")
    parser.add_argument("--epochs", type=count, default=3, help="passes over the training set (3)")
    parser.add_argument("--batch-size", type=count, default=32)
    parser.add_argument("--lr", type=rate, default=1e-3, help="of the last layer; of others a tenth (0.001)")
    parser.add_argument("--out", type=Path, default=Path("finetuned.pt"), help="the new weights (finetuned.pt)")
    args = parser.parse_args(words)
    minitorch.manual_seed(0)
    try:
        train_set, test_set = load(args.data, args.size)
        model = make(args.weights, len(train_set.classes), args.all)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise SystemExit(f"{error}") from None
    loader = DataLoader(train_set, args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, 100)

    new = list(model.fc.parameters())
    old = [p for p in model.parameters() if p.requires_grad and all(p is not q for q in new)]
    groups = [{"params": new}] + ([{"params": old, "lr": args.lr / 10}] if old else [])
    optimizer = optim.AdamW(groups, lr=args.lr)
    accuracy = 0.0
    for epoch in range(1, args.epochs + 1):
        model.train()
        freeze_norms(model)
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        accuracy = test(model, test_loader)
        print(f"epoch {epoch}: loss {loss.item():.3f} of the last batch, test accuracy {accuracy:.1%}", flush=True)
    minitorch.save(model.state_dict(), args.out)
    return accuracy


if __name__ == "__main__":
    main()
