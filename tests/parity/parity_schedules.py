"""The schedules and averaged weights beside PyTorch's."""

from __future__ import annotations

import warnings

import numpy as np
import torch

import minitorch

up_and_down = {"step_size_up": 4, "step_size_down": 7}
SCHEDULES = {
    **{
        f"cyclic {mode} {momentum} {down}": lambda s, o, mode=mode, momentum=momentum, down=down: s.CyclicLR(
            o, [0.01, 0.1], [0.5, 0.3], 4, down, mode, 0.97, cycle_momentum=momentum
        )
        for mode in ("triangular", "triangular2", "exp_range")
        for momentum in (True, False)
        for down in (None, 7)
    },
    "cyclic scale": lambda s, o: s.CyclicLR(o, 0.1, 0.5, **up_and_down, scale_fn=lambda x: 1 / x),
    "cyclic scale steps": lambda s, o: s.CyclicLR(
        o, 0.1, 0.5, **up_and_down, scale_fn=lambda x: 0.9**x, scale_mode="iterations", base_momentum=0.5
    ),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, [lambda t: 0.9, lambda t: 1 / (1 + t)]),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.3, 5), s.ExponentialLR(o, 0.9), s.StepLR(o, 4, 0.5)]),
    "chained cosine": lambda s, o: s.ChainedScheduler([s.LinearLR(o, 0.2, 1.0, 6), s.CosineAnnealingLR(o, 9)], o),
    "sequence": lambda s, o: s.SequentialLR(
        o, [s.MultiplicativeLR(o, lambda t: 0.9), s.CyclicLR(o, 0.1, 0.5, 3), s.ExponentialLR(o, 0.8)], [5, 12]
    ),
    **{
        f"swa {n} {how}": lambda s, o, n=n, how=how: (
            torch if s is torch.optim.lr_scheduler else minitorch
        ).optim.swa_utils.SWALR(o, [0.05, 0.7], n, how)
        for n in (0, 1, 5)
        for how in ("cos", "linear")
    },
}


def rates(library, make, kind: str, resume: bool) -> list:
    """Rates and momenta of 30 epochs; with `resume` another scheduler takes over on the way."""
    weights = [library.ones(2, requires_grad=True) for _ in range(2)]
    groups = [{"params": weights[:1]}, {"params": weights[1:], "lr": 0.02}]
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(library.optim, kind)(groups, lr=0.1, **options)
    scheduler, rows = make(library.optim.lr_scheduler, optimizer), []
    for epoch in range(30):
        rows.append(
            [[float(g["lr"]), float(g["betas"][0] if "betas" in g else g["momentum"])] for g in optimizer.param_groups]
        )
        if resume and epoch == 8:
            saved, inner = scheduler.state_dict(), optimizer.state_dict()
            scheduler = make(library.optim.lr_scheduler, optimizer)
            optimizer.load_state_dict(inner)
            scheduler.load_state_dict(saved)
        optimizer.step()
        scheduler.step()
    return rows


def averages(library, how: str) -> list:
    """A small model's averaged weights and statistics."""
    library.manual_seed(0)
    nn, swa = library.nn, library.optim.swa_utils
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    random = np.random.default_rng(1)

    def draw(*shape):
        return library.tensor(random.normal(size=shape).tolist())

    options = {
        "swa": {},
        "buffers": {"use_buffers": True},
        "ema": {"avg_fn": swa.get_ema_avg_fn(0.8)},
        "multi": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.7)},
        "mean": {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    }[how]
    averaged = swa.AveragedModel(model, **options)
    for _ in range(4):
        with library.no_grad():
            for p in model.parameters():
                p.copy_(draw(*p.shape))
        model(draw(8, 3))
        averaged.update_parameters(model)
    rows = [np.array(x.tolist()) for x in averaged.state_dict().values()]
    swa.update_bn([(draw(8, 3), 0) for _ in range(3)], averaged)
    return [sorted(averaged.state_dict()), rows + [np.array(x.tolist()) for x in averaged.state_dict().values()]]


def test_schedules() -> None:
    """All rows, with two optimizers, whole and resumed."""
    failures, cases = [], 0
    for name, make in SCHEDULES.items():
        for kind in ("SGD", "Adam"):
            for resume in (False, True):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    mine, theirs = (rates(library, make, kind, resume) for library in (minitorch, torch))
                cases += len(theirs)
                if not np.allclose(mine, theirs, 1e-7, 1e-9):
                    failures.append(f"{name} {kind} {resume}: {abs(np.array(mine) - np.array(theirs)).max()}")
    for how in ("swa", "buffers", "ema", "multi", "mean"):
        (keys, mine), (expected_keys, theirs) = (averages(library, how) for library in (minitorch, torch))
        cases += len(theirs)
        if keys != expected_keys or not all(np.allclose(a, b, 1e-4, 1e-6) for a, b in zip(mine, theirs, strict=True)):
            failures.append(f"averages {how}")
    print(*failures, f"schedules: names {len(SCHEDULES) + 5}, cases {cases}, failures {len(failures)}", sep="\n")
    assert not failures


if __name__ == "__main__":
    test_schedules()
