"""An optimizer's steps cut in two: what the processor decides, and what the device does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from shared_optim.groups import acting_members, check_values, spread
from shared_optim.kernel import list_update
from shared_optim.layout import Flat
from shared_optim.update import coefficients

if TYPE_CHECKING:
    from shared_optim.optimizer import WeightDecayAdam


class Plan:
    """The steps of a `WeightDecayAdam` for whoever queues them ahead, in a CUDA graph for example.

    A step is three calls, and the same to the last bit as `optimizer.step()`::

        table = plan.coefficients()              # on the host: today's lr, lambdas and schedule
        plan.apply(gradients, table.to(device))  # on the device; may be captured and replayed
        plan.advance()                           # on the host: the step counts

    `apply` decides nothing on the host and touches the same memory at every call. So a captured
    call may be replayed with another table copied over the one that it was captured with.

    Args:
        optimizer: all its parameters get a gradient at every step.

    Attributes:
        parameters: in the order in which `apply` wants their gradients.

    Raises:
        ValueError: parameters of one group differ in dtype, device or steps taken, or some of all
            groups are float64 and some are not.
    """

    @torch.no_grad()
    def __init__(self, optimizer: WeightDecayAdam) -> None:
        self._groups = [
            _Group(optimizer, group) for group in optimizer.param_groups if group["params"]
        ]
        self.parameters: list[Tensor] = [p for group in self._groups for p in group.parameters]
        wide = {parameter.dtype == torch.float64 for parameter in self.parameters}
        if len(wide) > 1:
            raise ValueError(
                "a plan has one table for all groups, in float64 or in float32, and these hold "
                "parameters of float64 beside narrower ones: step() takes any"
            )

    def coefficients(self, active: Sequence[bool] | None = None) -> Tensor:
        """What the next step multiplies with, computed in float64: [groups, K, 12], on the CPU.

        Args:
            active: [K], see `WeightDecayAdam.step`.

        Raises:
            RuntimeError: the optimizer has other buffers than when the plan was made.
            ValueError: a value in a parameter group is out of range, or `active` is not [K].
        """
        return torch.stack([group.coefficients(active) for group in self._groups])

    @torch.no_grad()
    def apply(self, gradients: Sequence[Tensor], table: Tensor) -> None:
        """Update all parameters and buffers in place.

        Args:
            gradients: one per parameter, of its shape.
            table: what `coefficients` gave, on the parameters' device.
        """
        start = 0
        for group, rows in zip(self._groups, table, strict=True):
            end = start + len(group.parameters)
            group.apply(gradients[start:end], rows)
            start = end

    def advance(self, active: Sequence[bool] | None = None) -> None:
        """Count a step of the active members."""
        for group in self._groups:
            group.advance(active)


class _Group:
    """One parameter group's part of a `Plan`."""

    def __init__(self, optimizer: WeightDecayAdam, group: dict[str, Any]) -> None:
        check_values(group)
        self._optimizer, self._group = optimizer, group
        self.parameters: list[Tensor] = group["params"]
        self._rows = group["members"] or 1
        apart = any(spread(group["separated"], 1))
        self._flats = [optimizer.flat(p, group, decays_apart=apart) for p in self.parameters]
        kinds = {(p.dtype, p.device) for p in self.parameters}
        steps = {tuple(spread(state["step"], self._rows)) for state in self._states()}
        if len(kinds) > 1 or len(steps) > 1:
            raise ValueError(
                "a plan takes groups whose parameters share dtype, device and steps taken, not "
                f"{sorted(map(str, kinds))} after {sorted(steps)} steps: step() takes any"
            )
        self._update = list_update(
            self._flats, self.parameters[0].dtype, group["rounding"], compiled=optimizer.compile
        )

    def coefficients(self, active: Sequence[bool] | None) -> Tensor:
        acting = acting_members(active, self._group["members"])
        current = any(group is self._group for group in self._optimizer.param_groups)
        current = current and all(map(Flat.is_current, self._flats, self._states()))
        check_values(self._group)
        apart = any(spread(self._group["separated"], 1)) and len(self._flats[0].buffers) == 2
        if apart or not current:
            raise RuntimeError("the optimizer's buffers are not those of the plan: make a new one")
        steps = [t + acts for t, acts in zip(self._steps(), acting, strict=True)]
        return coefficients(self._group, steps, acting, self.parameters[0].dtype)

    def apply(self, gradients: Sequence[Tensor], rows: Tensor) -> None:
        for flat in self._flats:
            flat.read()
        pairs = zip(self._flats, gradients, strict=True)
        self._update([flat.matrix(gradient.resolve_neg()) for flat, gradient in pairs], rows)
        for flat in self._flats:
            flat.write()

    def advance(self, active: Sequence[bool] | None) -> None:
        acting = acting_members(active, self._group["members"])
        steps = [t + acts for t, acts in zip(self._steps(), acting, strict=True)]
        for state in self._states():
            state["step"] = list(steps) if self._group["members"] else steps[0]

    def _states(self) -> list[dict[str, Any]]:
        return [self._optimizer.state[parameter] for parameter in self.parameters]

    def _steps(self) -> list[int]:
        return spread(self._optimizer.state[self.parameters[0]]["step"], self._rows)
