"""Write tests/golden/models.json: facts about torchvision's models. Needs torchvision; `make test` reads the file only.

Of each model the number of parameters, and a checksum of the lines "name shape" of its state_dict; of some, with weights
that `fill` computes, first scores in evaluation, and in training the loss and the length of the gradient.
`python tests/scripts/make_golden_models.py`
"""

from __future__ import annotations

import json
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden" / "models.json"
# Models that are called, and the size of their images. Of those with a dot, one module.
CALLED = {
    "alexnet.features": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "googlenet": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "resnet18": 64,
    "resnext50_32x4d.layer1": 16,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "vgg11_bn.features": 32,
}
TRAINED = ("mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5")


def facts(model: Any) -> dict[str, Any]:
    """The number of parameters, and the checksum; of either library's model."""
    lines = [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()]
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "names": zlib.crc32("\n".join(lines).encode()),
    }


def weights(model: Any) -> dict[str, np.ndarray]:
    """A state_dict of numbers that depend on name and shape alone, and that keep the size of what passes a layer."""
    found = {}
    for name, value in model.state_dict().items():
        shape = tuple(value.shape)
        noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, np.float32)
        if name.endswith("num_batches_tracked"):
            found[name] = np.zeros(shape, np.int64)
        elif len(shape) > 1:
            found[name] = noise / np.float32(np.sqrt(np.prod(shape[1:]) / 2))
        elif name.endswith(("running_var", "weight")):
            found[name] = np.float32(1) + np.abs(noise) / np.float32(10)
        else:
            found[name] = noise / np.float32(10)
    return found


def still(model: Any) -> Any:
    """The model without dropout, whose draws differ."""
    for module in model.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0
    return model


def images(count: int, channels: int, size: int) -> np.ndarray:
    """The input."""
    return np.random.default_rng(0).standard_normal((count, channels, size, size), np.float32)


def called(lib: Any, model: Any, size: int, training: bool) -> dict[str, Any]:
    """The first scores in evaluation; in training, in float64, loss and length of the gradient; `lib`: either library.

    In float32 one ReLU of shufflenet_v2_x0_5, open or shut by rounding alone, changes that length by 2 %.
    """
    channels = next(p for p in model.parameters() if p.ndim == 4).shape[1]
    with lib.no_grad():
        scores = model.eval()(lib.from_numpy(images(2, channels, size))).reshape(2, -1)[:, :3]
    found: dict[str, Any] = {"scores": [round(float(x), 6) for x in scores.reshape(-1)]}
    if training:
        labels = lib.from_numpy(np.arange(4))
        training_images = lib.from_numpy(images(4, channels, size)).double()
        loss = lib.nn.functional.cross_entropy(still(model).train().double()(training_images), labels)
        loss.backward()
        found["loss"] = round(loss.item(), 6)
        found["gradient"] = round(float(np.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters()))), 6)
    return found


def main() -> None:
    """Write the file, for all models that both have."""
    import torch
    import torchvision

    from minitorch.vision import models

    def make(name: str) -> Any:
        settings = {"init_weights": False} if name == "googlenet" else {}
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            return getattr(torchvision.models, name)(**settings)

    found = {name: facts(make(name)) for name in models.list_models() if hasattr(torchvision.models, name)}
    for path, size in CALLED.items():
        name, _, part = path.partition(".")
        model = make(name).get_submodule(part).to_empty(device="cpu")
        model.load_state_dict({key: torch.from_numpy(value) for key, value in weights(model).items()})
        found[name] |= called(torch, model, size, path in TRAINED)
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
