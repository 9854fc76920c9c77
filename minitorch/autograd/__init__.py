"""Automatic differentiation: the tape (read `tape.py` first), primitives, grad modes, in-place changes, gradcheck."""

from . import diagnosis, forward_ad, functional, graph, plain
from .anomaly import detect_anomaly, set_detect_anomaly
from .function import Function
from .gradcheck import GradcheckError, check_rules, gradcheck, gradgradcheck
from .modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .primitive import ZERO, OutOfMemoryError, Primitive, primitive, registry
from .tape import Node, Variable, backward, grad, print_tape
from .trace import Trace, trace

__all__ = [
    "ZERO",
    "Function",
    "GradcheckError",
    "Node",
    "OutOfMemoryError",
    "Primitive",
    "Trace",
    "Variable",
    "backward",
    "check_rules",
    "detect_anomaly",
    "diagnosis",
    "forward_ad",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "plain",
    "primitive",
    "print_tape",
    "registry",
    "set_detect_anomaly",
    "set_grad_enabled",
    "trace",
]
