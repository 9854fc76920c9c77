"""minitorch: an autograd-capable mini deep-learning framework on numpy and numba, with PyTorch's names."""

from math import e, inf, nan, pi
from typing import TYPE_CHECKING

from . import (
    accelerator,
    amp,
    autograd,
    backends,
    cpu,
    cuda,
    distributed,
    dtypes,
    func,
    kernels,
    linalg,
    missing,
    mps,
    nn,
    onnx,
    optim,
    return_types,
    special,
    surface,
    testing,
    utils,
    vision,
    xpu,
)
from .amp import GradScaler, autocast
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
from .autograd.anomaly import is_anomaly_enabled
from .compiler import compile
from .config import show_config
from .creation import (
    arange,
    empty,
    empty_like,
    empty_strided,
    eye,
    full,
    full_like,
    linspace,
    logspace,
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
    range,
    scalar_tensor,
    zeros,
    zeros_like,
)
from .devices import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    get_default_device,
    layout,
    memory_format,
    preserve_format,
    set_default_device,
    strided,
)
from .drawing import bernoulli, binomial, multinomial, poisson
from .dtypes import (
    bfloat16,
    can_cast,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from .dtypes import (
    bool_ as bool,
)
from .exchange import asarray, from_dlpack, frombuffer, to_dlpack
from .explain import explain
from .facts import Size
from .func import vmap
from .kernels import get_num_threads, set_num_threads
from .legacy import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from .lowrank import lobpcg, pca_lowrank, svd_lowrank
from .nn.functional import (
    adaptive_avg_pool1d,
    avg_pool1d,
    channel_shuffle,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    group_norm,
    layer_norm,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pixel_shuffle,
    pixel_unshuffle,
    rms_norm,
)
from .positional import *  # noqa: F403
from .printing import set_printoptions
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
from .settings import (
    are_deterministic_algorithms_enabled,
    get_float32_matmul_precision,
    get_num_interop_threads,
    is_deterministic_algorithms_warn_only_enabled,
    set_default_tensor_type,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    use_deterministic_algorithms,
)
from .summary import summary
from .tensor import Tensor, as_tensor, from_numpy, is_tensor, tensor
from .utils import dlpack as _dlpack  # noqa: F401 `minitorch.utils.dlpack` is there without another import
from .version import __version__
from .windows import *  # noqa: F403

double, float, half, long, int, short = float64, float32, float16, int64, int32, int16
newaxis = None
__getattr__ = missing.guide(__name__)
if TYPE_CHECKING:
    from ._surface import *  # noqa: F403
else:
    globals().update(surface.functions())
