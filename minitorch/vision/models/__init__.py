"""Models under torchvision's names, with its constructors and the names and shapes of its parameters.

So a state_dict of torchvision's loads. Nothing is downloaded: `weights` must be None. `resnet20` to `resnet110` and
`airbench94` are for 32x32 images.
"""

from typing import Any

from . import feature_extraction, registry
from .airbench import *  # noqa: F403
from .alexnet import *  # noqa: F403
from .cifar import *  # noqa: F403
from .densenet import *  # noqa: F403
from .efficientnet import *  # noqa: F403
from .googlenet import *  # noqa: F403
from .mobilenetv2 import *  # noqa: F403
from .mobilenetv3 import *  # noqa: F403
from .registry import *  # noqa: F403
from .resnet import *  # noqa: F403
from .shufflenetv2 import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .vgg import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.endswith("_Weights") and not name.startswith("_"):
        return registry.Published(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
