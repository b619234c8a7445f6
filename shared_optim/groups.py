"""Lambdas from a scheme's name, and parameter groups by what should decay and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from shared_optim.schemes import BASELINE, decaying

_NORMS = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._NormBase,
)


def lambdas(scheme: str, weight_decay: float, optimizer: str = "adam") -> dict[str, float]:
    """The lambdas of an optimizer from a scheme's name, all others 0.

    `lambdas("l2", 1e-4)["l2"] == 1e-4`; `none` gives zeros alone, whatever the weight decay.

    Args:
        scheme: a name in `SCHEMES`.
        weight_decay: lambda.
        optimizer: `adam` or `sgd`.

    Raises ValueError for a scheme that is unknown, or not the optimizer's.
    """
    known = decaying(optimizer)
    if scheme not in (BASELINE, *known):
        raise ValueError(
            f"scheme: {scheme!r} is none of {', '.join((BASELINE, *known))} for {optimizer}"
        )
    return {name: weight_decay if name == scheme else 0.0 for name in known}


def decay_groups(
    module: nn.Module,
    *,
    stacked: bool = False,
    keep: Sequence[str] = (),
    decay: Sequence[str] = (),
    weight_decay: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Parameter groups: kernels and embeddings decay, biases and norms do not.

    A parameter does not decay when it has at most one axis (its population axis aside) or belongs
    to a normalisation layer. What its shape does not tell has to be named:

    * learned positions and class tokens are [1, n, width] or [n, width], so they decay; most
      recipes for vision transformers keep them: `keep=("*pos_embed*", "*cls_token")`.
    * under `weight_norm` a weight decays in its direction, whose length changes nothing, and in
      its magnitude where that has two axes or more, as [out, 1] has: `keep=("*.original0",)`.

    The groups name their parameters, as `(name, parameter)` pairs, and may be put together: those
    of an actor and a critic are `decay_groups(actor) + decay_groups(critic)`. Other optimizers take
    them too: what is their own is `weight_decay`, 0 for what does not decay.

    Args:
        module: its parameters that require gradients are grouped, each once.
        stacked: whether parameters are [K, ...], one slice per member of a population.
        keep: patterns of names, as of files, that never decay.
        decay: patterns of names that decay whatever their shape; before `keep`.
        weight_decay: lambda by pattern, the first that fits, for parameters that decay: a group
            each. It takes the place of the one lambda with which the optimizer is made.

    Raises:
        TypeError: no module.
        ValueError: a pattern that fits no parameter; a lazy module without shapes.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"decay_groups takes a module, not a {type(module).__name__}")
    of_norms = {
        parameter
        for layer in module.modules()
        if isinstance(layer, _NORMS)
        for parameter in layer.parameters(recurse=False)
    }
    own = dict(weight_decay or {})
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    for pattern in (*keep, *decay, *own):
        if not any(fnmatchcase(name, pattern) for name, _ in named):
            raise ValueError(
                f"{pattern!r} fits no parameter that is trained; they are called "
                f"{', '.join(name for name, _ in named[:5])}, ..."
            )
    decayed: dict[str | None, list[tuple[str, Tensor]]] = {None: [], **{key: [] for key in own}}
    kept: list[tuple[str, Tensor]] = []
    for name, parameter in named:
        # a lazy module's parameter has no axes yet
        is_vector = _axes(parameter) - stacked <= 1
        by_shape = is_vector or parameter in of_norms
        if _fits(name, decay) or not (_fits(name, keep) or by_shape):
            own_pattern = next((key for key in own if fnmatchcase(name, key)), None)
            decayed[own_pattern].append((name, parameter))
        else:
            kept.append((name, parameter))
    groups: list[dict[str, Any]] = [{"params": decayed[None]}]
    groups += [{"params": decayed[key], "weight_decay": own[key]} for key in own]
    groups.append({"params": kept, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _axes(parameter: Tensor) -> int:
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        raise ValueError("a lazy module has no shapes yet: call it once before decay_groups()")
    return parameter.ndim
