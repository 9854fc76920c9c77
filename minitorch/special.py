"""torch.special: the special functions, by PyTorch's names; `ops/special.py` has their formulas."""

from . import surface as _surface

globals().update(_surface.functions("s"))
