"""torch.linalg: functions of matrices, by PyTorch's names, which `ops/factor.py` and its neighbours declare."""

from . import missing as _missing
from . import surface as _surface
from .ops.factor import LinAlgError as LinAlgError

globals().update(_surface.functions("l"))
__getattr__ = _missing.guide(__name__)
