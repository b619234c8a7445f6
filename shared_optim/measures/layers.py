"""The sums, histograms and quantiles of layers: in C where that can be, else by operators."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor

from shared_optim.layout import flatten, in_order, is_distributed, memory_order
from shared_optim.measures.histogram import BINS
from shared_optim.measures.native import measure
from shared_optim.measures.operators import measure_by_operators
from shared_optim.measures.statistics import PROBABILITIES, SUMS, StepReport

Columns = Sequence[Sequence[Tensor]]
"""w, g, w', m and w_0 of the layers on this process; w' in place of w_0 without a start."""

Limits = list[tuple[float, float]]
"""(inside, decay) of each member: an element is drowned where |m/w - inside| < decay."""


def measured(
    names: Sequence[str],
    parameters: Sequence[Tensor],
    columns: Columns,
    limits: Sequence[Limits],
    *,
    has_start: bool,
) -> StepReport:
    """What a step did to its layers, all of as many members.

    Args:
        names: of the layers.
        parameters: whose step was measured.
        columns: of the layers; each layer's are laid out alike.
        limits: of each layer.
        has_start: whether to measure `distance`.
    """
    members = len(limits[0])
    if not all(map(in_order, columns[1 : 5 if has_start else 4])):
        rows = [_ordered(row, members) for row in zip(*columns, strict=True)]
        columns = list(zip(*rows, strict=True))
    counts = torch.zeros(members, BINS, dtype=torch.int64, device=columns[0][0].device)
    sums = np.zeros((len(names), members), SUMS)
    logs = torch.zeros(len(names), members, len(PROBABILITIES), dtype=torch.float64)
    dtypes = (map(attrgetter("dtype"), columns[i]) for i in (0, 1, 3))
    places = (map(attrgetter("is_cpu"), columns[0]), map(is_distributed, parameters))
    kinds = list(zip(*dtypes, *places, strict=True))
    for kind in (different := dict.fromkeys(kinds)):
        mine = [i for i, own in enumerate(kinds) if own == kind]
        own = columns if len(different) == 1 else [[c[i] for i in mine] for c in columns]
        *_, on_cpu, distributed = kind
        found = None
        if on_cpu and not distributed:
            found = measure(own, [row for i in mine for row in limits[i]], counts, has_start)
        if found is None:
            found = measure_by_operators(
                [parameters[i] for i in mine], own, [row for i in mine for row in limits[i]], counts
            )
        if len(different) == 1:
            sums, logs = found
        else:
            sums[mine], logs[mine] = found
    return StepReport(tuple(names), sums, logs, counts.cpu(), has_start)


def _ordered(tensors: Sequence[Tensor], members: int) -> tuple[Tensor, ...]:
    """Contiguous, their elements in one order, a member's together."""
    if in_order(tensors):
        return tuple(tensors)
    axes = memory_order(tensors[2], stacked=members > 1)
    return tuple(flatten(tensor.resolve_neg(), axes, members) for tensor in tensors)
