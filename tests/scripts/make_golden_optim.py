"""Write golden/optim.npz: what PyTorch's optimizers and schedules do in the cases of test_optim.py. Run by hand."""

import numpy as np
import places  # noqa: F401 - where the tests are
import test_optim as cases
import torch
from torch.optim import lr_scheduler


def two_groups(cls: type) -> torch.optim.Optimizer:
    """PyTorch's counterpart of the tests' `two_groups`."""
    groups = [
        {"params": [torch.ones(1, requires_grad=True)]},
        {"params": [torch.ones(1, requires_grad=True)], "lr": 0.02},
    ]
    return cls(groups, lr=0.1)


def main() -> None:
    """Compute everything in PyTorch and write it."""
    generator = np.random.default_rng(2026)
    out: dict[str, np.ndarray] = {
        "present": generator.random((cases.STEPS, len(cases.SHAPES))) < 0.9,
        "decay": 0.97 ** np.arange(cases.STEPS),
        "metrics": np.exp(-np.arange(cases.EPOCHS) / 10) + 0.05 * generator.random(cases.EPOCHS),
    }
    for i, shape in enumerate(cases.SHAPES):
        # values that float32 holds exactly: both precisions start from the same numbers
        out[f"start{i}"] = generator.standard_normal(shape).astype(np.float32)
        out[f"gradients{i}"] = generator.standard_normal((cases.STEPS, *shape)).astype(np.float32)
    for name in cases.OPTIMIZERS:
        for dtype in (torch.float32, torch.float64):
            parameters = [
                torch.tensor(out[f"start{i}"], dtype=dtype, requires_grad=True) for i in range(len(cases.SHAPES))
            ]
            gradients = [
                lambda step, i=i, dtype=dtype: torch.tensor(out[f"gradients{i}"][step], dtype=dtype)
                for i in range(len(cases.SHAPES))
            ]
            rows = cases.trajectory(torch.optim, name, parameters, gradients, out["present"], out["decay"])
            out[f"{name}_{str(dtype).removeprefix('torch.')}"] = rows
    for name, make in cases.SCHEDULERS.items():
        for cls in (torch.optim.SGD, torch.optim.Adam):
            optimizer = two_groups(cls)
            scheduler = make(lr_scheduler, optimizer, -1)
            out[f"{name}_{cls.__name__}"] = cases.rates(optimizer, scheduler, cases.EPOCHS - 1)
        optimizer = two_groups(torch.optim.SGD)
        cases.rates(optimizer, make(lr_scheduler, optimizer, -1), 40)
        again = two_groups(torch.optim.SGD)
        again.load_state_dict(optimizer.state_dict())
        out[f"{name}_resumed"] = cases.rates(again, make(lr_scheduler, again, 40), 30)
    for name, make in cases.SEQUENCES.items():
        optimizer = two_groups(torch.optim.SGD)
        metrics = out["metrics"] if "plateau" in name else None
        out[f"{name}_SGD"] = cases.rates(optimizer, make(lr_scheduler, optimizer), cases.EPOCHS - 1, metrics)
    np.savez_compressed(cases.GOLDEN, **out)


if __name__ == "__main__":
    main()
