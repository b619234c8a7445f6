"""Why the norm of the weights grows: what each step adds to its square."""

import functools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vision.step_products import step_products

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

    Attributes:
        groups: those that have parameters.
        parameters: of all groups, in their order.

    Source: Bjorck, Weinberger and Gomes, AAAI 2021, equation 4, for the raw terms.
    """

    def __init__(self, groups: Mapping[str, Sequence[Tensor]]) -> None:
        self.groups = {name: list(each) for name, each in groups.items() if each}
        self.parameters = [p for group in self.groups.values() for p in group]
        self._device = self.parameters[0].device
        shape = len(self.groups), len(TERMS)
        self.sums = torch.zeros(shape, dtype=torch.float64, device=self._device)

    @functools.cached_property
    def _flats(self) -> Tensor:
        """Room for the weights before and after a step and for the gradients, [3, N]; not taken
        where a plan measures its steps itself."""
        size = sum(p.numel() for p in self.parameters)
        dtype = functools.reduce(torch.promote_types, (p.dtype for p in self.parameters))
        return torch.zeros(3, size, dtype=dtype, device=self._device)

    @functools.cached_property
    def _copies(self) -> list[list[Tensor]]:
        """The same, shaped like the parameters."""
        return list(map(self._shaped, self._flats))

    @torch.no_grad()
    def before_step(self) -> None:
        """Keep the weights that the step reads."""
        torch._foreach_copy_(self._copies[0], self.parameters)

    @torch.no_grad()
    def after_step(self, alpha: float | Tensor, gradients: Sequence[Tensor | None]) -> None:
        """Add the terms of the step that has been taken.

        Args:
            alpha: its learning rate; a tensor of float64 is read where it lies.
            gradients: of `parameters`; None is zero.
        """
        _, after, kept = self._copies
        torch._foreach_copy_(after, self.parameters)
        present = [
            torch.zeros_like(p) if g is None else g
            for p, g in zip(self.parameters, gradients, strict=True)
        ]
        torch._foreach_copy_(kept, present)
        sizes = [sum(p.numel() for p in group) for group in self.groups.values()]
        parts = torch.split(self._flats, sizes, dim=1)
        self.add(alpha, torch.stack([step_products(*part) for part in parts]))

    @torch.no_grad()
    def add(self, alpha: float | Tensor, products: Tensor) -> None:
        """Add the terms of a step whose products have been measured.

        Args:
            alpha: as for `after_step`.
            products: of the groups, as `step_products` gives them, [groups, 4].
        """
        updates, crossed, raw, raw_crossed = products.unbind(1)
        terms = [updates, 2 * crossed, alpha * alpha * raw, -2 * alpha * raw_crossed]
        self.sums += torch.stack(terms, 1)

    def take(self) -> dict[str, float]:
        """The sums since the last call as `growth/TERM`, and per group as `growth/TERM_GROUP`."""
        sums = self.sums.cpu().clone()
        self.sums.zero_()
        result = {f"growth/{term}": float(sums[:, t].sum()) for t, term in enumerate(TERMS)}
        for name, row in zip(self.groups, sums.tolist(), strict=True):
            result |= {f"growth/{term}_{name}": v for term, v in zip(TERMS, row, strict=True)}
        return result

    def _shaped(self, flat: Tensor) -> list[Tensor]:
        """A vector's parts, shaped like the parameters and in the order of their memory."""
        parts = torch.split(flat, [p.numel() for p in self.parameters])
        strides = [torch.empty_like(p, device="meta").stride() for p in self.parameters]
        return [
            part.as_strided(p.shape, stride)
            for part, p, stride in zip(parts, self.parameters, strides, strict=True)
        ]
