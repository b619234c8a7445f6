"""Why the norm of the weights grows: what each step adds to its square."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

TERMS = ("square", "cross", "raw_square", "raw_cross")


class Growth:
    """Sums over steps of the terms of the norm's change, for groups of parameters.

    With w before a step, w + u after it, g the gradient at w and alpha the learning rate::

        |w + u|^2 - |w|^2 = |u|^2 + 2<u, w>      square and cross: exact, whatever u is made of
        alpha^2 |g|^2  and  -2 alpha <g, w>      raw_square and raw_cross: of the gradient alone

    Without momentum and decay the two lines are the same. With momentum a step is made of many
    gradients: for weights before normalisation <g, w> is 0, and <u, w> is not. Sums are in float64,
    on the parameters' device; nothing waits for them.

    Args:
        groups: parameters by the name of their group; each has the same device.

    Source: Bjorck, Weinberger and Gomes, AAAI 2021, equation 4, for the raw terms.
    """

    def __init__(self, groups: Mapping[str, Sequence[Tensor]]) -> None:
        self._groups = {name: list(each) for name, each in groups.items() if each}
        device = next(iter(self._groups.values()))[0].device
        self.sums = torch.zeros(len(self._groups), len(TERMS), dtype=torch.float64, device=device)
        self._before: list[Tensor] = []

    @torch.no_grad()
    def before_step(self) -> None:
        """Keep the weights that the step reads."""
        self._before = [_flat(group) for group in self._groups.values()]

    @torch.no_grad()
    def after_step(self, alpha: float) -> None:
        """Add the terms of the step that has been taken, at this learning rate."""
        for place, group in enumerate(self._groups.values()):
            w, after = self._before[place].double(), _flat(group).double()
            u, g = after - w, _flat([_gradient(parameter) for parameter in group]).double()
            self.sums[place] += torch.stack(
                [u.dot(u), 2 * w.dot(u), alpha**2 * g.dot(g), -2 * alpha * w.dot(g)]
            )
        self._before = []

    def take(self) -> dict[str, float]:
        """The sums since the last call as `growth/TERM`, and per group as `growth/TERM_GROUP`."""
        sums = self.sums.cpu().clone()
        self.sums.zero_()
        result = {f"growth/{term}": float(sums[:, t].sum()) for t, term in enumerate(TERMS)}
        for name, row in zip(self._groups, sums.tolist(), strict=True):
            result |= {f"growth/{term}_{name}": v for term, v in zip(TERMS, row, strict=True)}
        return result


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
