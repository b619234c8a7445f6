"""An optimizer's steps cut in two: what the processor decides, and what the device does."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from shared_optim.batch import apply
from shared_optim.triton_update import TritonUpdate
from shared_optim.values import acting_members, spread

if TYPE_CHECKING:
    from shared_optim.base import DecayOptimizer


class Plan:
    """The steps of an optimizer for whoever queues them ahead, in a CUDA graph for example.

    A step is three calls, and the same to the last bit as `optimizer.step()`:

        table = plan.coefficients()              # on the host: today's lr, lambdas and schedule
        plan.apply(gradients, table.to(device))  # on the device; may be captured and replayed
        plan.advance()                           # on the host: the step counts

    `apply` decides nothing on the host and touches the same memory at every call. So a captured
    call may be replayed with another table copied over the one that it was captured with.

    Args:
        optimizer: all its parameters get a gradient at every step.
        gradient_dtypes: of those whose gradients are not of their own dtype. A gradient in bfloat16
            of a parameter in float32 is read as it is, which changes no bit.

    Attributes:
        parameters: in the order in which `apply` wants their gradients.

    Raises:
        ValueError: parameters differ in device, those of one group in dtype or steps taken, or some
            of all groups are float64 and some are not.
    """

    @torch.no_grad()
    def __init__(
        self, optimizer: DecayOptimizer, gradient_dtypes: Mapping[Tensor, torch.dtype]
    ) -> None:
        self._optimizer = optimizer
        self._owners = [group for group in optimizer.param_groups if group["params"]]
        self.parameters: list[Tensor] = [p for group in self._owners for p in group["params"]]
        wide = {parameter.dtype == torch.float64 for parameter in self.parameters}
        if len(wide) > 1:
            raise ValueError(
                "a plan has one table for all groups, in float64 or in float32, and these hold "
                "parameters of float64 beside narrower ones: step() takes any"
            )
        devices = {parameter.device for parameter in self.parameters}
        if len(devices) > 1:
            raise ValueError(
                f"a plan has one table on one device, not {sorted(map(str, devices))}: step() "
                "takes any"
            )
        self._variants = [optimizer.variant(group) for group in self._owners]
        self._batches, self._places = optimizer.planned_batches(self._owners, gradient_dtypes)
        for group in self._owners:
            kinds = {p.dtype for p in group["params"]}
            steps = {tuple(spread(optimizer.state[p]["step"], 1)) for p in group["params"]}
            if len(kinds) > 1 or len(steps) > 1:
                raise ValueError(
                    "a plan takes groups whose parameters share dtype and steps taken, not "
                    f"{sorted(map(str, kinds))} after {sorted(steps)} steps: step() takes any"
                )

    def coefficients(self, active: Sequence[bool] | None = None) -> Tensor:
        """What the next step multiplies with, computed in float64: `table_shape`, on the CPU.

        Args:
            active: [K], see `DecayOptimizer.step`.

        Raises:
            RuntimeError: the optimizer has other buffers than when the plan was made.
            ValueError: a value in a parameter group is out of range, or `active` is not [K].
        """
        optimizer = self._optimizer
        if not self._is_current():
            raise RuntimeError("the optimizer's buffers are not those of the plan: make a new one")
        rows: list[tuple[float, ...]] = []
        for group in self._owners:
            acting = acting_members(active, group["members"])
            rows += optimizer.rows(group, acting, self._steps(group))
        kind = np.float64 if self._batches[0].dtype == torch.float64 else np.float32
        return torch.from_numpy(np.array(rows, dtype=kind))

    @torch.no_grad()
    def apply(self, gradients: Sequence[Tensor], table: Tensor) -> None:
        """Update all parameters and buffers in place.

        Args:
            gradients: one per parameter, of its shape.
            table: what `coefficients` gave, on the parameters' device.
        """
        sorted_gradients = [
            [
                flat.in_order(gradients[place], self.parameters[place])
                for flat, place in zip(batch.flats, places, strict=True)
            ]
            for batch, places in zip(self._batches, self._places, strict=True)
        ]
        owners = [self._with_states(places) for places in self._places]
        apply(self._batches, owners, sorted_gradients, [table] * len(self._batches))

    def measure(self, groups: Sequence[Sequence[Tensor]]) -> bool:
        """Have `apply` measure the steps that it takes from here on, where its kernel can: on a GPU
        with Triton, for float32. Returns whether it does.

        Args:
            groups: parameters of the plan that are measured together.

        Raises ValueError for parameters of others.
        """
        places = {id(parameter): place for place, parameter in enumerate(self.parameters)}
        for parameter in itertools.chain.from_iterable(groups):
            if id(parameter) not in places:
                raise ValueError(
                    f"a parameter of shape {tuple(parameter.shape)} is not among those of the plan"
                )
        updates = self._updates
        if not all(isinstance(update, TritonUpdate) for update in updates):
            return False
        chosen = [{places[id(parameter)] for parameter in group} for group in groups]
        for update, own in zip(updates, self._places, strict=True):
            update.measure([[i for i, place in enumerate(own) if place in g] for g in chosen])
        return True

    @property
    def products(self) -> Tensor:
        """<u, u>, <w, u>, <g, g> and <w, g> of the last step from w to w + u with gradients g, of
        the groups of `measure`: [groups, 4] float64, on the device.

        An inactive member's are those of the last step that it took.
        """
        return torch.stack([update.products for update in self._updates]).sum(0)

    @property
    def _updates(self) -> list[Any]:
        return [batch.update for batch in self._batches]

    def advance(self, active: Sequence[bool] | None = None) -> None:
        """Count a step of the active members."""
        # torch's schedulers of learning rates ask whether there was a step before theirs
        self._optimizer._opt_called = True  # type: ignore[attr-defined]
        for group in self._owners:
            acting = acting_members(active, group["members"])
            steps = [t + acts for t, acts in zip(self._steps(group), acting, strict=True)]
            for parameter in group["params"]:
                state = self._optimizer.state[parameter]
                state["step"] = list(steps) if group["members"] else steps[0]
            group.remember(acting, steps)

    def _steps(self, group: dict[str, Any]) -> list[int]:
        first = group["params"][0]
        return spread(self._optimizer.state[first]["step"], 1)

    def _is_current(self) -> bool:
        own = [group for group in self._optimizer.param_groups if group["params"]]
        same = len(own) == len(self._owners) and all(map(operator.is_, own, self._owners))
        return (
            same
            and [self._optimizer.variant(group) for group in own] == self._variants
            and all(
                flat.is_current(parameter, state, batch.variant.buffers, flat.rows)
                for batch, places in zip(self._batches, self._places, strict=True)
                for flat, (parameter, state) in zip(
                    batch.flats, self._with_states(places), strict=True
                )
            )
        )

    def _with_states(self, places: Sequence[int]) -> list[tuple[Tensor, dict[str, Any]]]:
        parameters = [self.parameters[place] for place in places]
        return [(parameter, self._optimizer.state[parameter]) for parameter in parameters]
