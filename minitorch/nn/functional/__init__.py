"""Layers as functions, with PyTorch's signatures: arguments are checked and made plain here, then primitives compute.

Whatever can be known from shapes and settings alone (window geometry, checks, the shape of the bias) is a *plan*, made
once per combination and cached; a call then costs one look-up. Errors have PyTorch's class and name the function, the
argument and both shapes, and are raised before anything is computed.
"""

from types import FunctionType

from ... import missing
from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .embedding import *  # noqa: F403
from .fold import *  # noqa: F403
from .grid import *  # noqa: F403
from .likelihood import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin import *  # noqa: F403
from .norm import *  # noqa: F403
from .padding import *  # noqa: F403
from .pool import *  # noqa: F403
from .resample import *  # noqa: F403

__all__ = sorted(name for name, value in list(vars().items()) if isinstance(value, FunctionType))
__getattr__ = missing.guide(__name__)
