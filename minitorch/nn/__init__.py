"""Neural networks: modules and layers, their functional forms (`functional`), initial values (`init`), `utils`."""

from . import (
    activation,
    container,
    conv,
    dropout,
    fold,
    functional,
    grad,
    init,
    lazy,
    linear,
    loss,
    norm,
    padding,
    parameter,
    pool,
    resample,
    shape,
    utils,
)
from .activation import *  # noqa: F403
from .container import *  # noqa: F403
from .conv import *  # noqa: F403
from .dropout import *  # noqa: F403
from .fold import *  # noqa: F403
from .lazy import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .module import Module
from .norm import *  # noqa: F403
from .padding import *  # noqa: F403
from .parameter import *  # noqa: F403
from .pool import *  # noqa: F403
from .resample import *  # noqa: F403
from .shape import *  # noqa: F403

__all__ = ["Module", "functional", "grad", "init", "utils"]
for _family in (
    activation, container, conv, dropout, fold, lazy, linear, loss, norm, padding, parameter, pool, resample,
    shape,
):  # fmt: skip
    __all__ += _family.__all__
