"""What modules inside a model return, beside or instead of what the model returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minitorch import nn

__all__ = ["IntermediateLayerGetter", "create_feature_extractor", "get_graph_node_names"]


class FeatureExtractor(nn.Module):
    """`model`, whose result is a dict of what some of its modules returned: name to return by module's path."""

    def __init__(self, model: nn.Module, return_nodes: Mapping[str, str]) -> None:
        super().__init__()
        self.model, self.return_nodes = model, dict(return_nodes)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The dict; of a module that is called several times, the last result. RuntimeError where one isn't called."""
        found: dict[str, Any] = {}

        def keep(name: str) -> Any:
            def hook(module: nn.Module, args: Any, out: Any) -> None:
                found[name] = out

            return hook

        handles = [
            self.model.get_submodule(path).register_forward_hook(keep(name)) for path, name in self.return_nodes.items()
        ]
        try:
            self.model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        missing = [path for path, name in self.return_nodes.items() if name not in found]
        if missing:
            raise RuntimeError(f"create_feature_extractor: the model did not call {', '.join(missing)}")
        return {name: found[name] for name in self.return_nodes.values()}


def get_graph_node_names(model: nn.Module) -> tuple[list[str], list[str]]:
    """The paths that `create_feature_extractor` takes, twice: for training and for evaluation."""
    names = [name for name, _ in model.named_modules() if name]
    return names, list(names)


def create_feature_extractor(model: nn.Module, return_nodes: Sequence[str] | Mapping[str, str]) -> FeatureExtractor:
    """A module that runs `model` and returns a dict of what the modules at these paths returned.

    return_nodes: paths such as "layer4.0.conv1", or a dict of paths to names in the result. All of the model runs, and
    its parameters stay its own. What is computed between modules has no path here. Raises ValueError for another path.

    >>> import minitorch
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> features = create_feature_extractor(net, {"1": "hidden", "2": "scores"})(minitorch.ones(5, 4))
    >>> {name: tuple(x.shape) for name, x in features.items()}
    {'hidden': (5, 3), 'scores': (5, 2)}
    """
    nodes = dict(return_nodes) if isinstance(return_nodes, Mapping) else {path: path for path in return_nodes}
    known = {name for name, _ in model.named_modules() if name}
    for path in nodes:
        if path not in known:
            raise ValueError(f"node: '{path}' is not present in model. Its modules are {', '.join(sorted(known))}")
    return FeatureExtractor(model, nodes)


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of a model up to the last that is wanted, run one after the other: a dict of what they return.

    return_layers: names of direct children to names in the result. Raises ValueError for another name.
    """

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]) -> None:
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            raise ValueError("return_layers are not present in model")
        last = max(list(children).index(name) for name in return_layers)
        super().__init__(dict(list(children.items())[: last + 1]))
        self.return_layers = dict(return_layers)

    def forward(self, x: Any) -> dict[str, Any]:
        """The dict, in the order of the children."""
        out = {}
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
