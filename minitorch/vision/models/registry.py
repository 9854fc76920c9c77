"""The models by name, and the answer to those who ask for published weights."""

from __future__ import annotations

import fnmatch
import functools
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from minitorch import nn

__all__ = ["get_model", "get_model_builder", "list_models", "register_model"]

MODELS: dict[str, Callable[..., nn.Module]] = {}

# The files of the ImageNet weights that torchvision calls DEFAULT.
PLACE = "https://download.pytorch.org/models/"
FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-11ad3fa6.pth",
    "resnet101": "resnet101-cd907fc2.pth",
    "resnet152": "resnet152-f82ba261.pth",
    "resnext50_32x4d": "resnext50_32x4d-1a0047aa.pth",
    "resnext101_32x8d": "resnext101_32x8d-110c445d.pth",
    "resnext101_64x4d": "resnext101_64x4d-173b62eb.pth",
    "wide_resnet50_2": "wide_resnet50_2-9ba9bcbe.pth",
    "wide_resnet101_2": "wide_resnet101_2-d733dc28.pth",
    "vgg11": "vgg11-8a719046.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg13": "vgg13-19584684.pth",
    "vgg13_bn": "vgg13_bn-abd245e5.pth",
    "vgg16": "vgg16-397923af.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
    "vgg19": "vgg19-dcbb9e9d.pth",
    "vgg19_bn": "vgg19_bn-c79401a0.pth",
    "alexnet": "alexnet-owt-7be5be79.pth",
    "densenet121": "densenet121-a639ec97.pth",
    "densenet161": "densenet161-8d451a50.pth",
    "densenet169": "densenet169-b2777c0a.pth",
    "densenet201": "densenet201-c1103571.pth",
    "mobilenet_v2": "mobilenet_v2-7ebf99e0.pth",
    "mobilenet_v3_small": "mobilenet_v3_small-047dcff4.pth",
    "mobilenet_v3_large": "mobilenet_v3_large-5c1a4163.pth",
    "shufflenet_v2_x0_5": "shufflenetv2_x0.5-f707e7126e.pth",
    "shufflenet_v2_x1_0": "shufflenetv2_x1-5666bf0f80.pth",
    "shufflenet_v2_x1_5": "shufflenetv2_x1_5-3c479a10.pth",
    "shufflenet_v2_x2_0": "shufflenetv2_x2_0-8be3c8ee.pth",
    "squeezenet1_0": "squeezenet1_0-b66bff10.pth",
    "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth",
    "efficientnet_b0": "efficientnet_b0_rwightman-7f5810bc.pth",
    "efficientnet_b1": "efficientnet_b1-c27df63c.pth",
    "efficientnet_b2": "efficientnet_b2_rwightman-c35c1473.pth",
    "efficientnet_b3": "efficientnet_b3_rwightman-b3899882.pth",
    "efficientnet_b4": "efficientnet_b4_rwightman-23ab8bcd.pth",
    "efficientnet_b5": "efficientnet_b5_lukemelas-1a07897c.pth",
    "efficientnet_b6": "efficientnet_b6_lukemelas-24a108a5.pth",
    "efficientnet_b7": "efficientnet_b7_lukemelas-c5b4e57e.pth",
    "googlenet": "googlenet-1378be20.pth",
}


def register_model(name: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function that makes a model: `get_model` and `list_models` know it, by `name` or by its own.

    It takes `weights` and `pretrained`, which must be None or False, and `progress`, which shows nothing; other
    keywords are the function's own.
    """

    def decorate(make: Callable[..., Any]) -> Callable[..., Any]:
        key = make.__name__ if name is None else name
        if key in MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")

        @functools.wraps(make)
        def build(weights: Any = None, progress: bool = True, *, pretrained: Any = False, **settings: Any) -> Any:
            if weights or pretrained:
                raise published(key, weights or pretrained)
            return make(**settings)

        build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("weights", inspect.Parameter.KEYWORD_ONLY, default=None),
                inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=True),
                *inspect.signature(make).parameters.values(),
            ]
        )
        MODELS[key] = build
        return build

    return decorate


def published(name: str, asked: Any) -> NotImplementedError:
    """The error for who asks a model for published weights."""
    file = FILES.get(name)
    if file is None:
        way = f"nobody published weights for it under this name; {name}() makes it with random ones"
    else:
        way = (
            f"minitorch downloads no weights: get the file from {PLACE}{file}, then model = {name}() and "
            f'model.load_state_dict(minitorch.load("{file}")); names and shapes are the same'
        )
    return NotImplementedError(f"{name}: `weights` must be None, but got {asked!r}: {way}")


class Published:
    """Stands where torchvision lists a model's weights, such as ResNet18_Weights: who asks for one gets the error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, entry: str) -> Any:
        if entry.startswith("_"):
            raise AttributeError(entry)
        wanted = self._name.removesuffix("_Weights").lower().replace("_", "")
        name = next((key for key in FILES if key.replace("_", "") == wanted), self._name)
        raise published(name, f"{self._name}.{entry}")


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that makes the model of this name. Raises ValueError if there is none."""
    key = name.lower()
    if key not in MODELS:
        raise ValueError(f"Unknown model {name}; the models are {', '.join(list_models())}")
    return MODELS[key]


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of this name, made with these settings; ValueError for another name.

    >>> get_model("resnet20", num_classes=100).fc
    Linear(in_features=64, out_features=100, bias=True)
    """
    return get_model_builder(name)(**config)


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of all models, sorted: of those in one module, those that fit a pattern, those that fit none.

    >>> list_models(include=["resnet?0", "vgg1?"], exclude="*50")
    ['resnet20', 'vgg11', 'vgg13', 'vgg16', 'vgg19']
    """
    names = [key for key, make in MODELS.items() if module is None or make.__module__ == module.__name__]

    def fits(name: str, patterns: Iterable[str] | str) -> bool:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    if include:
        names = [name for name in names if fits(name, include)]
    if exclude:
        names = [name for name in names if not fits(name, exclude)]
    return sorted(names)
