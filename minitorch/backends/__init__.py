"""Settings of how things are computed, under PyTorch's name for such a place.

>>> import minitorch
>>> minitorch.backends.conv.algorithm
'auto'
"""

from __future__ import annotations

from ..autograd import plain as _plain
from ..kernels.tile import algorithm as _algorithm
from ..ops import fuse as _fuse
from . import cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["conv", "cuda", "cudnn", "fusion", "mkl", "mkldnn", "mps", "openmp", "plain"]


class _Conv:
    """Convolution's: `algorithm` is "auto", "direct" or "winograd"; see `kernels/tile/algorithm.py` for the rule.

    Winograd's algorithm does a quarter of the multiplications of a 3x3 convolution, with errors of up to 5e-5 of the
    largest value, where the direct sum has about 1e-6. Not finite numbers, outliers, kernels of small integers and of
    one sign are summed directly in any case (`kernels/tile/winograd.py`). Raises ValueError for another word.
    """

    __slots__ = ()

    @property
    def algorithm(self) -> str:
        """The algorithm of convolutions from now on, in this process."""
        return _algorithm.setting

    @algorithm.setter
    def algorithm(self, value: str) -> None:
        if value not in ("auto", "direct", "winograd"):
            raise ValueError(f"backends.conv.algorithm must be 'auto', 'direct' or 'winograd', but got {value!r}")
        _algorithm.setting = value


class _Fusion:
    """Of large results with what follows them (see `ops/fuse.py`): `enabled`, a bool.

    No bit of any result depends on it. Raises TypeError for what is no bool.
    """

    __slots__ = ()

    @property
    def enabled(self) -> bool:
        """Whether ops may join from now on, in this process."""
        return _fuse.enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"backends.fusion.enabled must be a bool, but got {value!r}")
        _fuse.enabled = value


class _PlainMode:
    """Of the formulas alone (see `autograd/plain.py`): `enabled`, a bool.

    Turned on here it leaves the kernels as they are; MINITORCH_PLAIN=1 also chooses those of NumPy. Raises TypeError
    for what is no bool.
    """

    __slots__ = ()

    @property
    def enabled(self) -> bool:
        """Whether shortcuts are off from now on, in this process."""
        return _plain.enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"backends.plain.enabled must be a bool, but got {value!r}")
        _plain.enabled = value


conv, fusion, plain = _Conv(), _Fusion(), _PlainMode()
