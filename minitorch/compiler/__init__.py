"""`compile`: a step that is run again from a record of its calls, without the Python between them.

A step of a small net spends more time in Python than in kernels: modules, ops, the tape. `minitorch.compile(step)` runs
the function as it is, watches what it depends on (guards.py), records two runs (program.py), and compares with a third.
From then on a call checks that all is as it was and makes the recorded calls. Whenever something is not, the function
itself runs. The bits are the same in any case.
"""

from .step import Step, compile, disable, is_compiling

__all__ = ["Step", "compile", "disable", "is_compiling"]
