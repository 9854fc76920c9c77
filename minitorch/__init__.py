"""minitorch: an autograd-capable mini deep-learning framework on numpy and numba, with PyTorch's names."""

from . import autograd, backends, dtypes, kernels, nn, optim, surface, utils, vision
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    print_tape,
    set_grad_enabled,
)
from .config import show_config
from .creation import (
    arange,
    bernoulli,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    multinomial,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    zeros,
    zeros_like,
)
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
from .kernels import get_num_threads, set_num_threads
from .ops.index import gather, index_select, masked_select, nonzero, scatter_add, tril, triu
from .ops.join import cat, chunk, narrow, split, stack, unbind
from .ops.linalg import bmm, dot, matmul, mm, outer
from .ops.reduce import (
    all,
    allclose,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumsum,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    softmax,
    std,
    sum,
    var,
)
from .ops.reduce import same as equal
from .ops.shape import broadcast_to, flatten, movedim, squeeze, t, transpose, unsqueeze
from .ops.shape import flip_dims as flip
from .ops.shape import permute_to as permute
from .ops.shape import reshape_to as reshape
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

concat, double, float, long, int = cat, float64, float32, int64, int32
globals().update(surface.functions())
