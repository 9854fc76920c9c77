"""bfloat16: stored as NumPy's dtype of ml_dtypes, computed in float32 and rounded once."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch as m

pytest.importorskip("ml_dtypes")
F = m.nn.functional
B = m.bfloat16


def rounded(x: Any) -> np.ndarray:
    """float32 whose last 16 bits are rounded away, to the nearest and among two to the even one."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """float32 that are bfloat16."""
    return rounded(np.random.default_rng(seed).standard_normal(shape))


def narrow(x: np.ndarray) -> Any:
    """A tensor of bfloat16."""
    return m.tensor(x).to(B)


def equals(found: Any, expected: Any) -> bool:
    """Whether a tensor is of bfloat16 and has the values of float32 or float64, rounded."""
    expected = rounded(expected)
    return (
        found.dtype is B and found.shape == expected.shape and np.array_equal(found.float().numpy(force=True), expected)
    )


# ---------------------------------------------------------------------------------------------- storage, conversion


def test_conversion_rounds_to_nearest_even() -> None:
    """1 + 2^-8 lies between two: the even one is 1; a little more goes up; infinities, NaN and what is tiny stay."""
    x = m.tensor([1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 + 2.0**-20, -0.0, float("inf"), 3.4e38, 2.0**-133])
    found = x.to(B)
    assert found.tolist() == [1.0, 1 + 2 * 2.0**-7, 1 + 2.0**-7, 0.0, float("inf"), float("inf"), 2.0**-133]
    assert np.signbit(found.float().numpy()[3]) and m.tensor(float("nan")).bfloat16().isnan()
    assert found.dtype == B and found.element_size() == 2 and found.nbytes == 14 and found.float().dtype is m.float32
    many = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    assert equals(m.tensor(many).bfloat16(), many)
    assert m.tensor([1, 257]).bfloat16().tolist() == [1.0, 256.0] and m.tensor([2.9]).to(B).long().tolist() == [2]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("m.zeros(2, dtype=B)", [0, 0]),
        ("m.ones(2, dtype='bfloat16')", [1, 1]),
        ("m.full((2,), 1.1, dtype=B)", [1.1, 1.1]),
        ("m.tensor([0.1, 3], dtype=B)", [0.1, 3]),
        ("m.as_tensor([0.1], dtype=B)", [0.1]),
        ("m.eye(2, dtype=B)[0]", [1, 0]),
        ("m.arange(3, dtype=B)", [0, 1, 2]),
        ("m.linspace(0, 1, 3, dtype=B)", [0, 0.5, 1]),
        ("m.zeros_like(x)", [0, 0]),
        ("m.ones_like(m.ones(2), dtype=B)", [1, 1]),
        ("m.full_like(x, 0.1)", [0.1, 0.1]),
        ("m.empty(2, dtype=B).fill_(0.1)", [0.1, 0.1]),
        ("x.new_tensor([0.1])", [0.1]),
        ("x.new_full((1,), 0.1)", [0.1]),
        ("m.BFloat16Tensor([1, 2])", [1, 2]),
        ("m.frombuffer(b'\\0\\0\\x80?', dtype=B)", [0, 1]),
        ("m.ones(1).type('torch.BFloat16Tensor')", [1]),
        ("m.ones(1).type_as(x)", [1]),
        ("m.ones(1).to(x)", [1]),
        ("m.ones(1, dtype=m.float64).copy_(x[:1]).bfloat16()", [1.5]),
        ("x.clone().copy_(m.tensor([0.1, 1]))", [0.1, 1]),
        ("x.view(m.int16).view(B)", [1.5, 0.1]),
        ("m.as_strided(x, (2,), (0,), 1)", [0.1, 0.1]),
    ],
)
def test_made(text: str, expected: list) -> None:
    """Functions that make tensors."""
    assert equals(eval(text, {"m": m, "B": B, "x": m.tensor([1.5, 0.1]).to(B)}), np.array(expected))


@pytest.mark.parametrize(
    "text",
    [
        "x.t()",
        "x.reshape(3, 2)",
        "x[1]",
        "x[:, ::2]",
        "x[i]",
        "x[x > 0]",
        "cat([x, x])",
        "stack([x, x], 1)",
        "x.clone()",
        "x.t().contiguous()",
        "x.flip(0)",
        "x.roll(1)",
        "x.expand(2, 2, 3)",
        "x.repeat(2, 1)",
        "x.gather(1, i)",
        "pad(x, (1, 2))",
        "x.masked_fill(x > 0, 2)",
        "x.sort(1)[0]",
        "x.amax(0)",
        "x.unfold(1, 2, 1)",
        "x.scatter(1, i, -x)",
        "where(x > 0, x, -x)",
    ],
)
def test_moved_elements_stay(text: str) -> None:
    """Ops that move elements, or choose some, give what they give in float32."""
    values, names = drawn(2, 3), {"cat": m.cat, "stack": m.stack, "pad": F.pad, "where": m.where}
    i = m.tensor([[0, 1], [1, 0]])
    found, expected = (eval(text, {**names, "x": x, "i": i}) for x in (narrow(values), m.tensor(values)))
    assert equals(found, expected.numpy())


def test_views_share_memory() -> None:
    """What is written to a view changes its base, on the tape, too; in-place ops count."""
    x = narrow(np.zeros((2, 3)))
    x.t()[1] = 0.1
    x.view(-1)[5:].add_(2)
    assert equals(x, [[0, 0.1, 0], [0, 0.1, 2]])
    strided = x.as_strided((2,), (5,))
    strided.add_(1)
    assert strided.base is x and equals(x, [[1, 0.1, 0], [0, 0.1, 3]])
    leaf = narrow(np.ones(3)).requires_grad_()
    y = leaf * 2
    y[1:].mul_(3)
    y.sum().backward()
    assert equals(leaf.grad, [2, 6, 6])


def test_printed_and_pickled() -> None:
    """As PyTorch prints it; through pickle and deepcopy come the same bits."""
    x = m.tensor([1.1, 2.0], dtype=B, requires_grad=True)
    assert repr(x) == "tensor([1.1016, 2.0000], dtype=minitorch.bfloat16, requires_grad=True)"
    assert repr(m.tensor([1.0, 2.0], dtype=B)) == "tensor([1., 2.], dtype=minitorch.bfloat16)"
    for again in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert equals(again, [1.1, 2.0]) and again.requires_grad
    assert x[0].item() == 1.1015625 and x.tolist() == [1.1015625, 2.0] and f"{x[1]:.1f}" == "2.0" and int(x[1]) == 2
    assert x.detach().numpy().dtype.name == "bfloat16" and m.from_numpy(x.detach().numpy()).dtype is B
    assert (
        m.equal(x, x.clone())
        and not m.equal(x, x + 1)
        and x.is_floating_point()
        and x.type() == "minitorch.BFloat16Tensor"
    )


def test_promotion() -> None:
    """With float32 and float16 it meets in float32, with integers and numbers in bfloat16."""
    for other, expected in (
        (m.float32, m.float32),
        (m.float64, m.float64),
        (m.float16, m.float32),
        (B, B),
        (m.int64, B),
        (m.bool, B),
    ):
        assert m.promote_types(B, other) is m.promote_types(other, B) is expected
        x, y = m.ones(2, dtype=B), m.ones(2).to(other)
        assert m.result_type(x, y) is (x + y).dtype is (y * x).dtype is m.where(y > 0, x, y).dtype is expected
        assert (x + y[0]).dtype is B and (x[0] + y).dtype is (B if other in (m.int64, m.bool) else other)
    assert (
        (m.ones(2, dtype=B) * 1.5).dtype
        is (2 / m.ones(2, dtype=B)).dtype
        is (m.ones(2, dtype=B) > 1.5).float().bfloat16().dtype
    )
    assert m.can_cast(B, m.float16) and not m.can_cast(B, m.int64)
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type"):
        m.ones(2, dtype=m.int64).add_(m.ones(2, dtype=B))
    assert m.ones(2).add_(m.ones(2, dtype=B)).dtype is m.float32


# --------------------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    "text",
    [
        "x + y",
        "x * y",
        "x / y",
        "exp(x)",
        "tanh(x)",
        "x @ y.T",
        "x.sum()",
        "x.sum(1)",
        "x.mean(0)",
        "x.cumsum(1)",
        "softmax(x, 1)",
        "x.var(1)",
        "x.std(1)",
        "x.norm()",
        "x.norm(3)",
        "addcmul(x, x, y)",
        "x ** 2",
        "linear(x, y)",
        "cosine_similarity(x, y)",
        "layer_norm(x, (5,))",
        "attention(x, y, y)",
        "gelu(x)",
        "mse_loss(x, y)",
        "bce(sigmoid(x), sigmoid(y))",
    ],
)
def test_rounded_once(text: str) -> None:
    """An op gives the rounded result of float64, within the half unit that float32 is off by, and so its gradient."""
    names = vars(m) | {
        "linear": F.linear,
        "cosine_similarity": F.cosine_similarity,
        "layer_norm": F.layer_norm,
        "gelu": F.gelu,
        "attention": F.scaled_dot_product_attention,
        "mse_loss": F.mse_loss,
        "bce": F.binary_cross_entropy,
    }
    values = drawn(4, 5), drawn(4, 5, seed=1)
    exact = [m.tensor(v, dtype=m.float64, requires_grad=True) for v in values]
    short = [narrow(v).requires_grad_() for v in values]
    out, wide = (eval(text, {**names, "x": x, "y": y}) for x, y in (short, exact))
    ulps = 2 if "sigmoid" in text else 0.51  # of several ops: each rounds
    assert out.dtype is B
    assert np.all(np.abs(out.float().numpy(force=True) - wide.numpy(force=True)) <= ulps * unit(wide.numpy(force=True)))
    g = drawn(*out.shape, seed=2)
    out.backward(narrow(g))
    wide.backward(m.tensor(g).double())
    assert short[0].grad.dtype is B
    largest = np.abs(exact[0].grad.numpy()).max()
    assert np.abs(short[0].grad.float().numpy() - exact[0].grad.numpy()).max() <= 2 * unit(largest)


def unit(x: Any) -> Any:
    """The distance of neighbours among bfloat16 at x."""
    return 2.0 ** (np.floor(np.log2(np.maximum(np.abs(x), 2.0**-126))) - 7)


def test_gradients_are_rounded_by_casts() -> None:
    """x.bfloat16() and x.float() hand gradients on in the dtype of what came in; so does every derivative."""
    x = m.tensor([0.1, 0.3], requires_grad=True)
    (x.bfloat16() * m.tensor([1.1, 3.0]).bfloat16()).float().sum().backward()
    assert x.grad.dtype is m.float32 and x.grad.tolist() == rounded([1.1, 3.0]).tolist()
    y = m.tensor([0.1, 0.3]).bfloat16().requires_grad_()
    (first,) = m.autograd.grad((y.float() ** 3).sum(), y, create_graph=True)
    (second,) = m.autograd.grad(first.sum(), y)
    assert equals(first, 3 * rounded([0.1, 0.3]) ** 2) and equals(second, 6 * rounded([0.1, 0.3]))
    z = (m.arange(300_000) % 7).bfloat16().requires_grad_()  # large enough for kernels
    (z * 2 + z * z + z.view(300, 1000).sum(1, keepdim=True).float().bfloat16().sum() * 0).sum().backward()
    assert z.grad.dtype is B and z.grad[:7].tolist() == [2, 4, 6, 8, 10, 12, 14]


def test_dtype_arguments_are_obeyed() -> None:
    """`dtype=` says what an op computes in, and what it gives."""
    x = narrow(drawn(2, 3))
    for dtype in (m.float32, m.float64, B):
        for found in (
            x.sum(dtype=dtype),
            x.cumsum(0, dtype=dtype),
            F.softmax(x, 1, dtype=dtype),
            x.float().mean(dtype=dtype),
            m.linalg.vector_norm(x, 3, dtype=dtype),
            x.prod(dtype=dtype),
        ):
            assert found.dtype is dtype
    assert np.array_equal(x.sum(dtype=m.float64).numpy(), x.double().sum().numpy())
    assert m.add(x, x, out=m.empty(2, 3)).dtype is m.float32 and equals(
        m.exp(x, out=m.empty_like(x)), np.exp(x.double().numpy())
    )


def test_a_model_learns() -> None:
    """Convolution, batch norm with its running statistics, an optimizer: weights stay bfloat16, and the loss falls."""
    m.manual_seed(0)
    net = m.nn.Sequential(
        m.nn.Conv2d(1, 4, 3), m.nn.BatchNorm2d(4), m.nn.ReLU(), m.nn.Flatten(), m.nn.Dropout(0.1), m.nn.Linear(64, 3)
    ).bfloat16()
    assert {p.dtype for p in net.state_dict().values()} == {B, m.int64}
    images, labels = m.randn(6, 1, 6, 6).bfloat16(), m.tensor([0, 1, 2, 0, 1, 2])
    optimizer, losses = m.optim.Adam(net.parameters(), 0.01), []
    for _ in range(30):
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        m.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    assert loss.dtype is B and losses[-1] < 0.3 * losses[0] and {p.dtype for p in net.parameters()} == {B}
    assert net[1].running_mean.dtype is B and net[1].running_mean.abs().sum() > 0
    assert net.eval()(images).dtype is B and net.float()(images.float()).dtype is m.float32
    with pytest.raises(RuntimeError, match="same floating dtype"):
        net(images)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adafactor", "Muon"])
def test_optimizers_step_towards_less(name: str) -> None:
    """Each keeps dtype and state, and follows the steps of float32 within a few units."""
    start, slopes = drawn(4, 6), drawn(4, 6, seed=1)
    steps = []
    for dtype in (m.float32, B):
        p = m.nn.Parameter(m.tensor(start).to(dtype))
        optimizer = getattr(m.optim, name)([p], lr=0.1)
        for _ in range(3):
            p.grad = m.tensor(slopes).to(dtype)
            optimizer.step()
        assert p.dtype is dtype
        steps.append(p.float().numpy(force=True) - start)
    assert np.abs(steps[0] - steps[1]).max() < 0.1 * np.abs(steps[0]).max() + 3 * unit(start).max()


def test_drawing() -> None:
    """Random numbers of it are those of float32, rounded."""
    for draw in (
        lambda d: m.rand(5, dtype=d),
        lambda d: m.randn(5, dtype=d),
        lambda d: m.empty(5, dtype=d).uniform_(),
        lambda d: m.empty(5, dtype=d).normal_(),
        lambda d: m.randint(0, 9, (5,), dtype=d),
    ):
        m.manual_seed(3)
        wide = draw(m.float32)
        m.manual_seed(3)
        assert equals(draw(B), wide.numpy())
    assert m.zeros(1000, dtype=B).random_().max() <= 256
    m.set_default_dtype(B)
    try:
        assert m.tensor([0.5]).dtype is m.nn.Linear(1, 1).weight.dtype is (m.tensor([1]) / 2).dtype is B
    finally:
        m.set_default_dtype(m.float32)


def test_refused() -> None:
    """float8 has no tensors; matrices want 4 bytes, as in PyTorch."""
    with pytest.raises(AttributeError, match="no such dtype"):
        _ = m.float8_e4m3fn
    with pytest.raises(RuntimeError, match="not implemented for BFloat16"):
        m.linalg.inv(m.eye(2, dtype=B))
    with pytest.raises(TypeError, match="iinfo|integer"):
        m.iinfo(B)
    with pytest.raises(AssertionError, match="not close"):
        m.testing.assert_close(m.ones(2, dtype=B), m.full((2,), 1.03, dtype=B))
    m.testing.assert_close(m.ones(2, dtype=B), m.full((2,), 1.015, dtype=B))


def test_nobody_asks_for_the_kind_f_alone() -> None:
    """bfloat16's dtype has the kind "V": code that tells floats from others asks for both."""
    root, wrong = Path(m.__file__).parent, []
    for part in ("ops", "nn", "autograd", "optim", "*.py"):
        for path in root.rglob(f"{part}/*.py") if part != "*.py" else root.glob(part):
            if path.name in ("printing.py", "dtypes.py"):  # they have cast it, or mean NumPy's own
                continue
            found = re.findall(r'.*kind (?:==|!=|in|not in) "[biu]*f[biu]*".*', path.read_text())
            wrong += [f"{path.relative_to(root)}: {line.strip()}" for line in found]
    assert not wrong, "\n".join(wrong)
