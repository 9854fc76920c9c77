"""Neural networks: modules and layers, their functional forms (`functional`), initial values (`init`), `utils`."""

from . import activation, container, conv, dropout, functional, init, linear, loss, norm, pool, shape, utils
from .activation import *  # noqa: F403
from .container import *  # noqa: F403
from .conv import *  # noqa: F403
from .dropout import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .module import Module, Parameter
from .norm import *  # noqa: F403
from .pool import *  # noqa: F403
from .shape import *  # noqa: F403

__all__ = ["Module", "Parameter", "functional", "init", "utils"]
for _family in (activation, container, conv, dropout, linear, loss, norm, pool, shape):
    __all__ += _family.__all__
