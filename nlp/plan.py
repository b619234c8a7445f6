"""STAND-IN until shared_optim has `WeightDecayAdam.plan`: then this file goes, and what calls
`plan_of(optimizer)` calls `optimizer.plan()`."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from shared_optim import WeightDecayAdam
from shared_optim.groups import check_values, spread
from shared_optim.update import coefficients, together, write


def plan_of(optimizer: WeightDecayAdam) -> Any:
    return optimizer.plan() if hasattr(optimizer, "plan") else _Plan(optimizer)


class _Plan:
    def __init__(self, optimizer: WeightDecayAdam) -> None:
        self._optimizer = optimizer
        self.parameters: list[Tensor] = []
        self._flats = []
        for group in optimizer.param_groups:
            check_values(group)
            apart = any(spread(group["separated"], group["members"] or 1))
            flats = [optimizer._flat(p, optimizer.state[p], group, apart) for p in group["params"]]
            steps = {str(optimizer.state[p]["step"]) for p in group["params"]}
            if len(steps) > 1:
                raise ValueError(f"parameters of one group took {sorted(steps)} steps")
            self._flats.append(flats)
            self.parameters += group["params"]

    def coefficients(self, active: Any = None) -> Tensor:
        assert active is None
        rows = []
        for group, flats in zip(self._optimizer.param_groups, self._flats, strict=True):
            steps = spread(self._optimizer.state[flats[0].parameter]["step"], flats[0].rows)
            acting = [True] * flats[0].rows
            host = torch.empty(0)
            rows.append(coefficients(group, [t + 1 for t in steps], acting, host))
        return torch.stack(rows)

    @torch.no_grad()
    def apply(self, gradients: Sequence[Tensor], coefficients: Tensor) -> None:
        rest = iter(gradients)
        groups = zip(self._optimizer.param_groups, self._flats, coefficients, strict=True)
        for group, flats, each in groups:
            columns = [
                [flat.read() for flat in flats],
                [flat.matrix(next(rest)) for flat in flats],
                *zip(*(flat.buffers for flat in flats), strict=True),
            ]
            kernel = functools.partial(write, rounding=group["rounding"], masked=False)
            together(kernel)(columns, each)
            for flat in flats:
                flat.write()

    def advance(self, active: Any = None) -> None:
        assert active is None
        for flats in self._flats:
            for flat in flats:
                state = self._optimizer.state[flat.parameter]
                step = state["step"]
                state["step"] = [t + 1 for t in step] if isinstance(step, list) else step + 1
