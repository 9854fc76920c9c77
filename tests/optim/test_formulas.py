"""The optimizers that are one formula, and L-BFGS: values, states, wrong options, hooks."""

import numpy as np
import pytest

import minitorch
from minitorch import optim
from minitorch.optim import optimizer as module

# class, options, and a 2 x 2 parameter after eight steps of `gradient` in float64, by PyTorch 2.13
ROWS = [
    (
        "Adadelta",
        {"lr": 0.5, "rho": 0.8, "eps": 0.001, "weight_decay": 0.1},
        [0.8161977, -1.8216685962, 0.3396249708, 2.7035117861],
    ),
    (
        "Adafactor",
        {"lr": 0.3, "weight_decay": 0.1, "d": 1.5},
        [0.2657585633, 1.7835920029, -1.3907401943, 1.8004824251],
    ),
    (
        "Adagrad",
        {"lr": 0.3, "lr_decay": 0.2, "initial_accumulator_value": 0.5},
        [0.7248758289, -1.5181896564, -0.033392875, 2.8187434529],
    ),
    (
        "Adamax",
        {"lr": 0.1, "betas": (0.7, 0.8), "maximize": True},
        [1.4233738438, -2.4233738536, 0.9233738557, 3.1744238481],
    ),
    ("ASGD", {"lr": 0.2, "lambd": 0.1, "t0": 1}, [0.6437385921, -1.0024645865, -0.9963139683, 2.3201469437]),
    (
        "NAdam",
        {"lr": 0.1, "momentum_decay": 0.3, "weight_decay": 0.1},
        [0.5880430755, -1.6062597611, 0.1570415526, 2.3848146881],
    ),
    (
        "NAdam",
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
        [0.5940963719, -1.5168410587, 0.1327240154, 2.4559216389],
    ),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.9)}, [0.869226587, -1.6546244353, -0.1519500658, 2.9130113094]),
    (
        "RMSprop",
        {"lr": 0.1, "alpha": 0.6, "momentum": 0.5, "centered": True},
        [-0.2036388734, -0.7963610743, -0.7036389369, 2.1358414085],
    ),
    ("RMSprop", {"lr": 0.05, "weight_decay": 0.2}, [-0.2006251945, -0.6251740978, -0.6575011941, 0.970175404]),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (0.05, 0.2)}, [0.475, -1.475, -0.025, 2.65]),
]
KEYS = {
    "Adadelta": {"step", "square_avg", "acc_delta"},
    "Adafactor": {"step", "row_var", "col_var"},
    "Adagrad": {"step", "sum"},
    "Adamax": {"step", "exp_avg", "exp_inf"},
    "ASGD": {"step", "eta", "mu", "ax"},
    "Muon": {"momentum_buffer"},
    "NAdam": {"step", "mu_product", "exp_avg", "exp_avg_sq"},
    "RAdam": {"step", "exp_avg", "exp_avg_sq"},
    "RMSprop": {"step", "square_avg"},
    "Rprop": {"step", "prev", "step_size"},
}


def start(dtype=minitorch.float64):
    """The parameter of all rows."""
    return minitorch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=dtype, requires_grad=True)


def gradient(t, dtype=minitorch.float64):
    """The gradient of step t: one element turns, one grows from zero."""
    g = minitorch.tensor([[0.3, -1.0], [2.0, 0.1 * t]], dtype=dtype)
    return -g if t % 3 == 2 else g


def run(optimizer, p, steps, begin=0):
    """Some steps."""
    for t in range(begin, begin + steps):
        p.grad = gradient(t, p.dtype)
        optimizer.step()


@pytest.mark.parametrize(("name", "options", "expected"), ROWS)
def test_values(name, options, expected):
    """Eight steps in float64 and float32."""
    for dtype, tolerance in ((minitorch.float64, 1e-8), (minitorch.float32, 1e-5)):
        p = start(dtype)
        run(getattr(optim, name)([p], **options), p, 8)
        assert p.dtype == dtype
        np.testing.assert_allclose(p.detach().numpy().ravel(), expected, tolerance, tolerance)


@pytest.mark.parametrize("name", KEYS)
def test_state_and_resume(name):
    """A state has PyTorch's names; five steps, a checkpoint and three more are eight steps."""
    p, q = start(), start()
    whole, first = getattr(optim, name)([p]), getattr(optim, name)([q])
    run(whole, p, 8)
    run(first, q, 5)
    saved = first.state_dict()
    assert set(saved["state"][0]) == KEYS[name]
    second = getattr(optim, name)([q])
    second.load_state_dict(saved)
    run(second, q, 3, 5)
    np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), 1e-6)


@pytest.mark.parametrize("name", [name for name in KEYS if name not in ("Muon", "Adafactor")])
def test_maximize_turns_the_gradient(name):
    """Maximizing with a gradient is minimizing with its negative."""
    p, q = start(), start()
    one, two = getattr(optim, name)([p]), getattr(optim, name)([q], maximize=True)
    for t in range(3):
        p.grad, q.grad = gradient(t), -gradient(t)
        one.step()
        two.step()
    assert p.tolist() == q.tolist() != start().tolist()


def test_large_parameters_take_the_same_steps():
    """Blocks of a large parameter, in any memory order, are updated as a small one is."""
    for name in KEYS.keys() - {"Muon", "Adafactor"}:
        values = np.random.default_rng(0).normal(size=(300, 400))
        large = minitorch.tensor(values, requires_grad=True)
        turned = minitorch.from_numpy(np.asfortranarray(values)).requires_grad_()
        small = minitorch.tensor(values[7, :5], requires_grad=True)
        optimizer = getattr(optim, name)([large, turned, small])
        for _ in range(2):
            large.grad, turned.grad, small.grad = (minitorch.ones_like(x) * 0.3 for x in (large, turned, small))
            optimizer.step()
        assert (large == turned).all(), name
        assert large[7, :5].tolist() == small.tolist() != values[7, :5].tolist()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        *[(name, {"lr": -1.0}, "earning rate.*-1.0") for name in [*KEYS, "LBFGS"]],
        ("Adadelta", {"rho": 1.5}, "Invalid rho value: 1.5"),
        ("Adafactor", {"eps": (-1.0, 1e-3)}, "epsilon1 should be >= 0 but is: -1.0"),
        ("Adafactor", {"d": 0.5}, "Clipping threshold d"),
        ("Adafactor", {"beta2_decay": 0.5}, "beta2_decay should be <= 0"),
        ("Adagrad", {"lr_decay": -0.5}, "Invalid lr_decay value: -0.5"),
        ("Adagrad", {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value value: -1"),
        ("Adamax", {"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
        ("ASGD", {"weight_decay": -0.5}, "Invalid weight_decay value: -0.5"),
        ("Muon", {"adjust_lr_fn": "none"}, "none is not supported"),
        ("NAdam", {"momentum_decay": -0.2}, "Invalid momentum_decay value: -0.2"),
        ("RAdam", {"eps": -1e-3}, "Invalid epsilon value: -0.001"),
        ("RMSprop", {"alpha": -0.1}, "Invalid alpha value: -0.1"),
        ("RMSprop", {"momentum": float("nan")}, "Invalid momentum value: nan"),
        ("Rprop", {"etas": (1.5, 2.0)}, "Invalid eta values: 1.5, 2.0"),
    ],
)
def test_options_out_of_range(name, options, message):
    """The constructor refuses them."""
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([start()], **options)


def test_refused():
    """What is not there says so: sparse gradients, recorded steps, matrices only, two groups."""
    with pytest.raises(NotImplementedError, match="no sparse gradients"):
        optim.SparseAdam([start()])
    with pytest.raises(NotImplementedError, match="differentiable"):
        optim.RMSprop([start()], differentiable=True)
    with pytest.raises(ValueError, match="2D"):
        optim.Muon([minitorch.ones(3, requires_grad=True)])
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [start()]}, {"params": [start()]}])
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        optim.Adagrad([start()], fused=True, foreach=True)


def test_muon_makes_singular_values_alike():
    """The step has the singular vectors of the gradient and values near 1, times the rate."""
    g = np.random.default_rng(1).normal(size=(6, 3))
    p = minitorch.zeros(6, 3, dtype=minitorch.float64, requires_grad=True)
    p.grad = minitorch.tensor(g)
    optim.Muon([p], lr=0.1).step()
    values = np.linalg.svd(p.detach().numpy() / -0.1 / 2**0.5)[1]
    assert ((values > 0.6) & (values < 1.3)).all()
    u, _, v = np.linalg.svd(g, full_matrices=False)
    inside = u.T @ p.detach().numpy() @ v.T
    assert abs(inside - np.diag(np.diag(inside))).max() < 1e-8


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_minimizes(search):
    """A quadratic bowl's bottom, and with a line search Rosenbrock's valley."""
    w = minitorch.tensor([-1.2, 1.0], dtype=minitorch.float64, requires_grad=True)
    optimizer = optim.LBFGS([w], max_iter=60, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        valley = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
        loss = valley if search else (w[0] - 1) ** 2 + 3 * (w[1] - 1) ** 2
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert first.item() == pytest.approx(24.2 if search else 4.84)
    np.testing.assert_allclose(w.tolist(), [1, 1], atol=1e-4)
    assert optimizer.state[w]["func_evals"] <= 75


def test_hooks_of_states_and_of_all_optimizers():
    """Hooks see and replace states; global ones run before and after an optimizer's own."""
    p, order = start(), []
    optimizer = optim.RMSprop([p])
    handles = [
        module.register_optimizer_step_pre_hook(lambda *_: order.append("global pre")),
        module.register_optimizer_step_post_hook(lambda *_: order.append("global post")),
    ]
    optimizer.register_step_pre_hook(lambda *_: order.append("pre"))
    optimizer.register_step_post_hook(lambda *_: order.append("post"))
    run(optimizer, p, 1)
    assert order == ["global pre", "pre", "post", "global post"]
    for handle in handles:
        handle.remove()
    run(optimizer, p, 1)
    assert order[4:] == ["pre", "post"]
    order.clear()
    optimizer.register_state_dict_pre_hook(lambda _: order.append("save"))
    optimizer.register_state_dict_post_hook(lambda _, state: {**state, "note": 1})
    optimizer.register_load_state_dict_pre_hook(lambda _, state: order.append(state.pop("note")))
    optimizer.register_load_state_dict_post_hook(lambda _: order.append("loaded"))
    optimizer.register_state_dict_pre_hook(lambda _: order.append("first"), prepend=True)
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    assert saved["note"] == 1
    assert order == ["first", "save", 1, "loaded"]
