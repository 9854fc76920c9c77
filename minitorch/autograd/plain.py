"""Plain mode: every step of a net is the formula that its chapter derives, and nothing runs that nobody wrote down.

`minitorch.backends.plain.enabled = True`, or MINITORCH_PLAIN=1, turns all shortcuts off: layers call one op for each
term of their formulas (a convolution with a bias is `conv`, then `add_bias`), no result waits for what follows, and
MINITORCH_PLAIN=1 also chooses the NumPy kernels of kernels/reference.py. Results agree within rounding. It is slow, and
made for a debugger, and for a course in which the rules and kernels that run are those that a student wrote.
"""

from __future__ import annotations

import os

enabled = os.environ.get("MINITORCH_PLAIN", "0") not in ("", "0")
