"""minitorch: an autograd-capable mini deep-learning framework on numpy and numba, with PyTorch's names."""

from typing import TYPE_CHECKING

from . import autograd, backends, dtypes, func, kernels, nn, optim, special, surface, utils, vision
from .autograd import (
    OutOfMemoryError,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    print_tape,
    set_grad_enabled,
)
from .config import show_config
from .creation import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    zeros,
    zeros_like,
)
from .drawing import bernoulli, binomial, multinomial, poisson
from .dtypes import (
    bool_ as bool,
)
from .dtypes import (
    dtype,
    finfo,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from .explain import explain
from .func import vmap
from .kernels import get_num_threads, set_num_threads
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .serialization import load, save
from .tensor import Size, Tensor, as_tensor, from_numpy, is_tensor, tensor
from .version import __version__

double, float, long, int = float64, float32, int64, int32
if TYPE_CHECKING:
    from ._surface import *  # noqa: F403
else:
    globals().update(surface.functions())
