"""Parameters that share a call of a kernel, and the decay that needs all of them together."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shared_optim.formula import arithmetic
from shared_optim.kernel import ListUpdate
from shared_optim.layout import Flat, is_distributed, over_shards
from shared_optim.rule import Variant


@dataclass(frozen=True)
class Batch:
    """What one call of a kernel updates.

    Attributes:
        flats: views of parameters that share device, dtypes and variant.
        rows: the number of each one's first row in the table.
        variant: of the rule.
        update: the kernel.
        stable_rows: those of `rows` whose parameters decay by the scheme `stable`.
    """

    flats: list[Flat]
    rows: list[int]
    variant: Variant
    update: ListUpdate
    stable_rows: tuple[int, ...]

    @functools.cached_property
    def copies(self) -> list[Flat]:
        """Those whose theta is a copy of their parameter."""
        return [flat for flat in self.flats if not flat.is_view]

    @functools.cached_property
    def dtype(self) -> torch.dtype:
        """Of the arithmetic, and so of the table."""
        return arithmetic(self.flats[0].theta.dtype)

    @functools.cached_property
    def device(self) -> torch.device:
        return self.flats[0].theta.device


def apply(
    batches: Sequence[Batch], gradients: Sequence[Sequence[Tensor]], tables: Sequence[Tensor]
) -> None:
    """Update all parameters and buffers in place. Decides nothing on the host.

    Args:
        batches: of all parameters that have a gradient.
        gradients: of each batch's parameters, as `Flat.in_order` gives them.
        tables: coefficients [rows, fields], on each batch's device and in its dtype.
    """
    for batch in batches:
        for flat in batch.copies:
            flat.read()
    if any(batch.stable_rows for batch in batches):
        # one mean over all parameters, so it comes before any of them changes
        means = _second_moments(batches, gradients, tables)
        tables = [
            _with_stable_decay(batch, table, means)
            for batch, table in zip(batches, tables, strict=True)
        ]
    for batch, each, table in zip(batches, gradients, tables, strict=True):
        batch.update(each, table)
        for flat in batch.copies:
            flat.write()


def _second_moments(
    batches: Sequence[Batch], gradients: Sequence[Sequence[Tensor]], tables: Sequence[Tensor]
) -> dict[int, Tensor]:
    """The mean of v^ after this step over all elements of each member: by K, [K] float64."""
    sums: dict[int, list[Tensor]] = defaultdict(list)
    counts: dict[int, int] = defaultdict(int)
    for batch, each, table in zip(batches, gradients, tables, strict=True):
        for flat, gradient, row in zip(batch.flats, each, batch.rows, strict=True):
            rows = table[row : row + flat.rows]
            tensors = (flat.theta, gradient.view(flat.theta.shape), flat.buffers[1])
            # one by one on a CPU, where the bits of a sum depend on its shape
            size = 1 if table.device.type == "cpu" else flat.rows
            members = zip(*(torch.split(t, size) for t in (*tensors, rows)), strict=True)
            found = torch.cat(
                [
                    _sum_of_second_moments(member, coefficients, batch.variant)
                    for *member, coefficients in members
                ]
            )
            parameter = flat.parameter
            if is_distributed(parameter):
                found = over_shards(found, parameter)
            sums[flat.rows].append(found)
            counts[flat.rows] += parameter.numel() // flat.rows
    return {
        members: torch.stack([each.to(found[0].device) for each in found]).sum(0) / counts[members]
        for members, found in sums.items()
    }


def _sum_of_second_moments(tensors: Sequence[Tensor], rows: Tensor, variant: Variant) -> Tensor:
    """The sum of v^ as this step will leave it, [K] float64; as in the formula of Adam."""
    c = variant.rule.coefficients(*rows.unsqueeze(1).unbind(2))
    theta, gradient, v = (tensor.to(rows.dtype) for tensor in tensors)
    g = c.direction * gradient + c.l2 * theta  # type: ignore[attr-defined]
    v = c.beta2 * v + c.rest2 * (g * g)  # type: ignore[attr-defined]
    return (v * c.unbias).double().sum(1)  # type: ignore[attr-defined,no-any-return]


def _with_stable_decay(batch: Batch, table: Tensor, means: dict[int, Tensor]) -> Tensor:
    """The table with the decay of `stable` in its fields of decoupled decay."""
    fields = batch.variant.rule.fields
    members = dict(zip(batch.rows, (flat.rows for flat in batch.flats), strict=True))
    table = table.clone()
    for row in batch.stable_rows:
        rows = table[row : row + members[row]]
        mean = means[members[row]].to(table.device)
        decay = rows[:, fields.index("stable")].double() / mean.sqrt()
        decay = torch.where(mean > 0, decay, 0.0).to(table.dtype)
        for name, sign in (("decoupled", 1), ("kept", -1)):
            rows[:, fields.index(name)] += sign * decay
            rows[:, fields.index(f"{name}_aligned")] += sign * decay
    return table
