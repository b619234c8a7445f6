"""A step of an optimizer, measured: log|m/w|, norms, growth, the drowned fraction."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from shared_optim.base import DecayOptimizer
from shared_optim.eager import eager
from shared_optim.layout import local_gradient, to_read
from shared_optim.measures.copies import copies
from shared_optim.measures.layers import Limits, measured
from shared_optim.measures.signal import check_known, memory, moment
from shared_optim.measures.statistics import StepReport


class Start:
    """The weights of an optimizer from which `distance` is measured: those of now, or others.

    It keeps one copy of the parameters.

    Args:
        optimizer: whose parameters they are.
        weights: of each parameter, in place of those that it has now; tensors that lie as it does
            are kept themselves, not copied.
    """

    @eager
    def __init__(
        self, optimizer: Optimizer, weights: Mapping[Tensor, Tensor] | None = None
    ) -> None:
        self._weights = {
            id(p): (
                weakref.ref(p),
                p.detach().clone() if weights is None else _lying_as(p, weights[p]),
            )
            for _, p in _parameters(optimizer)
        }

    def of(self, parameter: Tensor) -> Tensor:
        """Raises ValueError for a parameter that came since."""
        owner, weights = self._weights.get(id(parameter), (None, parameter))
        if owner is None or owner() is not parameter:
            raise ValueError(
                f"start: a parameter of shape {tuple(parameter.shape)} has come since it was made; "
                "make another one"
            )
        return weights


class Observation:
    """What a step reads, kept to be compared with what it writes.

    Made before the step, it costs a copy of the parameters while it lasts; `report` after the step
    takes the time of one to two more steps. Layers are named after the parameters where the
    optimizer was given names, else 0, 1, ...; a name that comes again is followed by its number.

    Args:
        optimizer: ours, or torch's Adam, AdamW or SGD.
        start: from which `distance` is measured.
        before_backward: whether gradients are still to come, as with a closure; all parameters are
            copied then, and only those that have a gradient otherwise.

    Raises:
        RuntimeError: sparse gradients.
        TypeError: another optimizer.
        ValueError: complex parameters, groups of different numbers of members, or a parameter that
            has come since `start`.
    """

    @eager
    @torch.no_grad()
    def __init__(
        self, optimizer: Optimizer, start: Start | None = None, *, before_backward: bool = False
    ) -> None:
        check_known(optimizer)
        self._optimizer, self._start = optimizer, start
        chosen = [
            each for each in _parameters(optimizer) if before_backward or each[1].grad is not None
        ]
        _check(chosen, start)
        self._weights = copies([parameter for _, parameter in chosen])

    @eager
    @torch.no_grad()
    def report(self) -> StepReport:
        """What the step did.

        Raises ValueError where no parameter has a gradient.
        """
        optimizer, start = self._optimizer, self._start
        states, stateless = optimizer.state, isinstance(optimizer, torch.optim.SGD)
        names, parameters = [], []
        befores, gradients, afters, moments = [], [], [], []
        limits: list[Limits] = []
        of_group, of_steps, own = None, None, []
        for name, (group, parameter) in zip(_names(optimizer), _parameters(optimizer), strict=True):
            state, gradient = states.get(parameter, {}), parameter.grad
            before = self._weights.get(id(parameter))
            if before is None or gradient is None or not (state or stateless):
                continue
            if type(gradient) is not Tensor:
                gradient = local_gradient(gradient, parameter)
            steps = state.get("step")
            if group is not of_group or isinstance(steps, Tensor) or steps != of_steps:
                own = memory(optimizer, group, state).limits
                of_group, of_steps = group, steps
            names.append(name)
            parameters.append(parameter)
            befores.append(before)
            gradients.append(gradient)
            afters.append(to_read(parameter))
            moments.append(moment(group, gradient, before, state))
            limits.append(own)
        if not names:
            raise ValueError("no parameter has a gradient: call backward() before observe_step()")
        starts = [to_read(start.of(p)) for p in parameters] if start else afters
        columns = befores, gradients, afters, moments, starts
        return measured(names, parameters, columns, limits, has_start=start is not None)


@eager
def observe_step(
    optimizer: Optimizer,
    closure: Callable[[], float] | None = None,
    *,
    active: Sequence[bool] | Tensor | None = None,
    start: Start | None = None,
) -> StepReport:
    """Take a step and measure it, per member and layer; see `Observation`.

    Parameters without a gradient are left out; what is reported of inactive members means nothing.

    Args:
        optimizer: ours, or torch's Adam, AdamW or SGD.
        closure: evaluates the model again, as for `step`.
        active: see `DecayOptimizer.step`; for ours alone.
        start: from which `distance` is measured.

    Raises as `Observation` does, before the step; and
        ValueError: no parameter has a gradient.
        TypeError: `active` for an optimizer of torch's.
    """
    observation = Observation(optimizer, start, before_backward=closure is not None)
    given = [] if closure is None else [closure]
    if active is None:
        optimizer.step(*given)
    elif isinstance(optimizer, DecayOptimizer):
        optimizer.step(*given, active=active)
    else:
        raise TypeError(f"active: a {type(optimizer).__name__} has no members")
    return observation.report()


def _lying_as(parameter: Tensor, value: Tensor) -> Tensor:
    """The value on the parameter's device, in its dtype and its order of elements."""
    alike = all(
        getattr(value, each) == getattr(parameter, each) for each in ("device", "dtype", "shape")
    )
    if alike and value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _parameters(optimizer: Optimizer) -> list[tuple[dict[str, Any], Tensor]]:
    return [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]


def _names(optimizer: Optimizer) -> list[str]:
    given: list[str] = []
    for group in optimizer.param_groups:
        own = group.get("param_names")
        count = len(group["params"])
        given += own if own else map(str, range(len(given), len(given) + count))
    if len(set(given)) == len(given):
        return given
    taken, seen = set(given), set[str]()
    names = []
    for name in given:
        own, number = name, 1
        while own in (taken if number > 1 else seen):
            number += 1
            own = f"{name} ({number})"
        taken.add(own)
        seen.add(name)
        names.append(own)
    return names


def _check(chosen: Sequence[tuple[dict[str, Any], Tensor]], start: Start | None) -> None:
    """Refuse what cannot be measured, before a step is taken."""
    members = {group.get("members") for group, _ in chosen}
    if len(members) > 1:
        raise ValueError(
            "measures are of one network or of one population, and these groups have "
            f"{' and '.join(sorted(str(k or 1) for k in members))} members"
        )
    for _, parameter in chosen:
        if parameter.is_complex():
            raise ValueError(
                f"a parameter of shape {tuple(parameter.shape)} is complex ({parameter.dtype}), of "
                "which there are no measures; optimize torch.view_as_real of it"
            )
        gradient = parameter.grad
        if gradient is not None and gradient.layout is not torch.strided:
            raise RuntimeError(
                f"a gradient of shape {tuple(gradient.shape)} is sparse, of which there are no "
                "measures"
            )
        if start is not None:
            start.of(parameter)
