"""What `native.measure` gives, by torch's operators: on a GPU, of shards, and of every dtype.

A call of an operator costs a GPU's host some microseconds, and a network has hundreds of layers.
So many layers are measured at once: cut into pieces of one size, filled up with zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared_optim.layout import is_distributed, over_shards
from shared_optim.measures.histogram import (
    BINS,
    at_least_float,
    log_quantiles,
    ratio_bins,
    split_counts,
)
from shared_optim.measures.statistics import PROBABILITIES, SUMS

_PIECE = 1024  # elements
_CACHED = 1 << 7  # pieces that are measured at once on a CPU, so that they stay in its cache
_LARGEST = 1 << 14  # pieces, and
_MOST = 256  # layers that are measured at once; on a CPU, whose calls cost little,
_MOST_ON_CPU = 16


def measure_by_operators(
    parameters: Sequence[Tensor],
    columns: Sequence[Sequence[Tensor]],
    limits: Sequence[tuple[float, float]],
    counts: Tensor,
) -> tuple[NDArray[np.void], Tensor]:
    """Sums [layers, K] of SUMS, and quantiles of ln|m/w| [layers, K, Q] float64.

    Args:
        parameters: of the layers.
        columns: w, g, w', m and w_0 of the layers on this process, contiguous, each of one dtype.
        limits: (inside, decay) of each layer's members in turn.
        counts: [K, BINS] int64, to which the layers' histograms are added.
    """
    members = len(counts)
    if members == 1:
        rows = [[tensor.reshape(-1) for tensor in column] for column in columns]
    else:
        rows = [[row for t in column for row in t.reshape(members, -1)] for column in columns]
    found, logs = [], []
    for first, last in _batches([len(row) for row in rows[0]], counts.is_cpu):
        sums, histograms = _measured([column[first:last] for column in rows], limits[first:last])
        for at, row in enumerate(range(first, last)):
            if is_distributed(parameter := parameters[row // members]):
                sums[at] = over_shards(sums[at].to(counts.device), parameter).cpu()
                histograms[at] = over_shards(histograms[at], parameter)
        found.append(sums)
        logs.append(log_quantiles(histograms, PROBABILITIES).cpu())
        for k in range(members):
            counts[k] += histograms[(k - first) % members :: members].sum(0)
    by_name = torch.cat(found).numpy().view(SUMS)
    return by_name.reshape(-1, members), torch.cat(logs).view(len(parameters), members, -1)


def _batches(sizes: Sequence[int], on_cpu: bool) -> Iterator[tuple[int, int]]:
    """The first row that is measured with others, and the one behind the last."""
    room, most = (_CACHED, _MOST_ON_CPU) if on_cpu else (_LARGEST, _MOST)
    first, pieces = 0, 0
    for row, size in enumerate(sizes):
        own = _pieces_of(size)
        if row > first and (pieces + own > room or row - first == most):
            yield first, row
            first, pieces = row, 0
        pieces += own
    yield first, len(sizes)


def _pieces_of(size: int) -> int:
    return -(-size // _PIECE)


def _measured(
    columns: Sequence[Sequence[Tensor]], limits: Sequence[tuple[float, float]]
) -> tuple[Tensor, Tensor]:
    """Sums [rows, S] float64 on the CPU, and what `split_counts` leaves of |m/w| [rows, BINS]."""
    first, sizes = columns[0][0], [len(row) for row in columns[0]]
    device, at_once = first.device, _CACHED * _PIECE
    if first.is_cpu and len(sizes) == 1 and len(first) > at_once:
        total = torch.zeros(1, len(SUMS.names or ()), dtype=torch.float64)
        histogram = torch.zeros(1, BINS, dtype=torch.int64)
        for part in zip(*(torch.split(column[0], at_once) for column in columns), strict=True):
            sums, counted = _measured([[tensor] for tensor in part], limits)
            total += sums
            histogram += counted
        return total, histogram
    pieces = [_pieces_of(size) for size in sizes]
    filled_up = [_PIECE * own - size for own, size in zip(pieces, sizes, strict=True)]
    w, g, new, m, start = _in_pieces(columns, filled_up)
    owners = torch.from_numpy(np.repeat(np.arange(len(sizes)), pieces)).to(device)
    kind = torch.promote_types(torch.float32, w.dtype)
    limit = torch.tensor(limits, dtype=kind).to(device)[owners]
    bins = ratio_bins(m, w) + BINS * owners.unsqueeze(1)
    histograms = torch.bincount(bins.view(-1), minlength=len(sizes) * BINS).view(-1, BINS)
    of_pieces, ends = _sums(limit, w, g, new, m, start).cpu().numpy(), np.cumsum(pieces)
    rows = [of_pieces[end - own : end].sum(0) for own, end in zip(pieces, ends, strict=True)]
    sums = torch.from_numpy(np.stack(rows))
    # bin 0 has those whose m is 0 as well, and of the others those whose ratio is below 1e-40
    inner, zeros = split_counts(histograms)
    inner[:, 0] = zeros - sums[:, -1].to(device, torch.int64)
    sums[:, 7] -= torch.tensor(filled_up)
    return torch.cat([torch.tensor(sizes).double().unsqueeze(1), sums[:, :-1]], 1), inner


def _in_pieces(columns: Sequence[Sequence[Tensor]], filled_up: Sequence[int]) -> list[Tensor]:
    """[pieces, _PIECE] of each column: every row from the beginning of a piece on, and zeros."""
    ends = {}
    for first, *_ in columns:
        if first.dtype not in ends:
            zeros = first.new_zeros(_PIECE)
            ends[first.dtype] = [zeros[:count] for count in filled_up]
    return [
        torch.cat(list(itertools.chain(*zip(rows, ends[rows[0].dtype], strict=True)))).view(
            -1, _PIECE
        )
        for rows in columns
    ]


def _sums(limit: Tensor, w: Tensor, g: Tensor, new: Tensor, m: Tensor, start: Tensor) -> Tensor:
    """[pieces, S] float64: SUMS without `elements`, and last the elements whose ratio is 0 / w."""
    inside, decay = limit.unsqueeze(2).unbind(1)
    w, m = at_least_float(w), at_least_float(m)
    no_weight, no_moment = w == 0, m == 0
    masks = (
        (m / w).sub_(inside).abs_() < decay,
        no_weight,
        no_moment & ~no_weight,
        no_moment & ~no_weight & ~w.isnan(),
    )
    # squares of small gradients are no float32
    w, g, new = w.double(), g.double(), new.double()
    update, away = new - w, new - start.double()
    pairs = ((w, w), (g, g), (update, update), (w, g), (w, update), (away, away))
    sums = [*((a * b).sum(1) for a, b in pairs), *(mask.sum(1).double() for mask in masks)]
    return torch.stack(sums, 1)
