"""What ops return that have several results: tuples whose parts have names too, as in PyTorch.

>>> import minitorch
>>> minitorch.tensor([3.0, 1.0, 2.0]).max(0)
minitorch.return_types.max(
values=tensor(3.),
indices=tensor(0))
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any


class _Named:
    """The text of such a tuple, PyTorch's."""

    __slots__ = ()

    def __repr__(self: Any) -> str:
        lines = ",\n".join(f"{part}={value!r}" for part, value in zip(self._fields, self, strict=True))
        return f"{type(self).__module__}.{type(self).__name__}(\n{lines})"


def named(name: str, *parts: str) -> Any:
    """The class of the results of the op of this name."""
    doc = f"What `{name}` returns: {', '.join(parts)}."
    return type(name, (_Named, namedtuple(name, parts)), {"__module__": __name__, "__doc__": doc, "__slots__": ()})


aminmax = named("aminmax", "min", "max")
cummax, cummin = named("cummax", "values", "indices"), named("cummin", "values", "indices")
frexp, geqrf = named("frexp", "mantissa", "exponent"), named("geqrf", "a", "tau")
histogram, histogramdd = named("histogram", "hist", "bin_edges"), named("histogramdd", "hist", "bin_edges")
kthvalue, mode = named("kthvalue", "values", "indices"), named("mode", "values", "indices")
max, min = named("max", "values", "indices"), named("min", "values", "indices")
linalg_cholesky_ex, linalg_eigh = (
    named("linalg_cholesky_ex", "L", "info"),
    named("linalg_eigh", "eigenvalues", "eigenvectors"),
)
linalg_inv_ex, linalg_solve_ex = named("linalg_inv_ex", "inverse", "info"), named("linalg_solve_ex", "result", "info")
linalg_lstsq = named("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
linalg_lu, lu_unpack = named("linalg_lu", "P", "L", "U"), named("lu_unpack", "P", "L", "U")
linalg_lu_factor = named("linalg_lu_factor", "LU", "pivots")
linalg_lu_factor_ex = named("linalg_lu_factor_ex", "LU", "pivots", "info")
linalg_qr, qr = named("linalg_qr", "Q", "R"), named("qr", "Q", "R")
linalg_slogdet = named("linalg_slogdet", "sign", "logabsdet")
linalg_svd, svd = named("linalg_svd", "U", "S", "Vh"), named("svd", "U", "S", "V")
median, nanmedian = named("median", "values", "indices"), named("nanmedian", "values", "indices")
sort, topk = named("sort", "values", "indices"), named("topk", "values", "indices")
triangular_solve = named("triangular_solve", "solution", "cloned_coefficient")
