"""Parameters that share a call of a kernel, and the decay that needs all of them together."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from shared_optim.formula import arithmetic
from shared_optim.kernel import ListUpdate, eager_update
from shared_optim.layout import Flat, check_gradients, is_distributed, is_plain, over_shards
from shared_optim.rule import Variant

Owners = Sequence[tuple[Tensor, dict[str, Any]]]
"""Parameters with their states."""

_PIECE = 2**16  # columns that are summed up at once on a CPU, where whole copies would take memory


@dataclass(frozen=True)
class Batch:
    """What one call of a kernel updates.

    Attributes:
        flats: of parameters that share device, dtypes and variant.
        rows: the number of each one's first row in the table.
        variant: of the rule.
        update: the kernel; None updates by the formula.
        stable_rows: those of `rows` whose parameters decay by the scheme `stable`.
    """

    flats: list[Flat]
    rows: list[int]
    variant: Variant
    update: ListUpdate | None
    stable_rows: tuple[int, ...]

    def tensors(self, owners: Owners) -> list[list[Tensor]]:
        """theta and the buffers of each parameter, [K, n] each."""
        return [flat.tensors(*owner) for flat, owner in zip(self.flats, owners, strict=True)]

    @functools.cached_property
    def copies(self) -> list[int]:
        """The places of those whose theta is a copy of their parameter."""
        return [place for place, flat in enumerate(self.flats) if flat.copy is not None]

    @functools.cached_property
    def dtype(self) -> torch.dtype:
        """Of the arithmetic, and so of the table."""
        return arithmetic(self.flats[0].place[3])

    @property
    def device(self) -> torch.device:
        device: torch.device = self.flats[0].kind[0]
        return device


def apply(
    batches: Sequence[Batch],
    owners: Sequence[Owners],
    gradients: Sequence[Sequence[Tensor]],
    tables: Sequence[Tensor],
) -> None:
    """Update all parameters and buffers in place. Decides nothing on the host.

    Args:
        batches: of all parameters that have a gradient.
        owners: of each batch; they lie where its flats say.
        gradients: of each batch's parameters, as `Flat.in_order` gives them.
        tables: coefficients [rows, fields], on each batch's device and in its dtype.

    Changes nothing where it raises

        RuntimeError: the memory of a gradient was freed.
        TypeError: tables of fake tensors, which have no memory.
    """
    for table in tables:
        if not is_plain(table):
            raise TypeError(f"real tensors cannot take a step among those of {type(table)}")
    for each in gradients:
        if not all(map(Tensor.data_ptr, each)):
            check_gradients(each)
    for batch, mine in zip(batches, owners, strict=True):
        for place in batch.copies:
            batch.flats[place].read(mine[place][0])
    if any(batch.stable_rows for batch in batches):
        # one mean over all parameters, so it comes before any of them changes
        means = _second_moments(batches, owners, gradients, tables)
        tables = [
            _with_stable_decay(batch, table, means)
            for batch, table in zip(batches, tables, strict=True)
        ]
    for batch, mine, each, table in zip(batches, owners, gradients, tables, strict=True):
        if batch.update is None:
            eager_update(batch.tensors(mine), batch.rows, each, table, batch.variant)
        else:
            batch.update(each, table)
        for place in batch.copies:
            batch.flats[place].write(mine[place][0])
        # kernels write into memory: autograd has to be told, or a later backward() through the
        # weights of before would use these
        increment_version([parameter for parameter, _ in mine])


def _second_moments(
    batches: Sequence[Batch],
    owners: Sequence[Owners],
    gradients: Sequence[Sequence[Tensor]],
    tables: Sequence[Tensor],
) -> dict[int, Tensor]:
    """The mean of v^ after this step over all elements of each member: by K, [K] float64."""
    sums: dict[int, list[Tensor]] = defaultdict(list)
    counts: dict[int, int] = defaultdict(int)
    for batch, mine, each, table in zip(batches, owners, gradients, tables, strict=True):
        for (parameter, _), (theta, _, v, *_), gradient, row in zip(
            mine, batch.tensors(mine), each, batch.rows, strict=True
        ):
            members = theta.shape[0]
            rows = table[row : row + members]
            # one by one on a CPU, where the bits of a sum depend on its shape
            size = 1 if table.device.type == "cpu" else members
            split = [torch.split(t, size) for t in (theta, gradient.view(theta.shape), v, rows)]
            found = torch.cat(
                [
                    _sum_of_second_moments(part, coefficients, batch.variant)
                    for *part, coefficients in zip(*split, strict=True)
                ]
            )
            if is_distributed(parameter):
                found = over_shards(found, parameter)
            sums[members].append(found)
            counts[members] += parameter.numel() // members
    return {
        members: torch.stack([each.to(found[0].device) for each in found]).sum(0) / counts[members]
        for members, found in sums.items()
    }


def _sum_of_second_moments(tensors: Sequence[Tensor], rows: Tensor, variant: Variant) -> Tensor:
    """The sum of v^ as this step will leave it, [K] float64; as in the formula of Adam."""
    c = variant.rule.coefficients(*rows.unsqueeze(1).unbind(2))
    total = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    size = _PIECE if rows.device.type == "cpu" else max(tensors[0].shape[1], 1)
    for pieces in zip(*(torch.split(tensor, size, dim=1) for tensor in tensors), strict=True):
        theta, gradient, v = (piece.to(rows.dtype) for piece in pieces)
        g = c.direction * gradient + c.l2 * theta  # type: ignore[attr-defined]
        v = c.beta2 * v + c.rest2 * (g * g)  # type: ignore[attr-defined]
        total += (v * c.unbias).double().sum(1)  # type: ignore[attr-defined]
    return total


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
