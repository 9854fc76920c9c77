"""Neural networks: modules and layers, their functional forms (`functional`), initial values (`init`), `utils`."""

from .. import missing
from . import functional, grad, init, modules, parallel, utils
from .activation import *  # noqa: F403
from .adaptive import *  # noqa: F403
from .attention import *  # noqa: F403
from .container import *  # noqa: F403
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .embedding import *  # noqa: F403
from .fold import *  # noqa: F403
from .lazy import *  # noqa: F403
from .likelihood import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin import *  # noqa: F403
from .module import Module
from .norm import *  # noqa: F403
from .padding import *  # noqa: F403
from .parallel import DataParallel
from .parameter import *  # noqa: F403
from .pool import *  # noqa: F403
from .resample import *  # noqa: F403
from .rnn import *  # noqa: F403
from .shape import *  # noqa: F403
from .transformer import *  # noqa: F403

# A new layer is named in `__all__` of its file; this list has the parts and every class.
__all__ = ["functional", "grad", "init", "modules", "parallel", "utils"]
__all__ += sorted(name for name, value in list(vars().items()) if isinstance(value, type))
__getattr__ = missing.guide(__name__)
