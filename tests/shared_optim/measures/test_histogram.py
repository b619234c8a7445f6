"""Quantiles from bit histograms against numpy's from the data."""

import numpy as np
import pytest
import torch

from shared_optim.measures.histogram import BINS, log_quantiles, split_counts
from tests.shared_optim.reference import ratio_histogram

PROBABILITIES = torch.tensor([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0])


def pair(n, seed=0):
    random = np.random.default_rng(seed)
    numerator = random.standard_normal(n) * 10 ** random.uniform(-12, 12, n)
    return (
        torch.from_numpy(numerator.astype(np.float32)),
        torch.from_numpy(random.standard_normal(n).astype(np.float32)),
    )


@pytest.mark.parametrize("n", [1, 2, 7, 1_000, 300_000])
def test_quantiles_are_right_to_within_half_a_bin(n):
    numerator, denominator = pair(n)
    counts, zeros = split_counts(ratio_histogram(numerator, denominator))
    logs = np.log(np.abs(numerator.double().numpy() / denominator.double().numpy()))
    expected = np.quantile(logs, PROBABILITIES.double().numpy(), method="inverted_cdf")
    result = log_quantiles(counts, PROBABILITIES.double()).numpy()
    assert np.abs(result - expected).max() <= 0.0039
    assert (counts.sum(), zeros) == (n, 0)


def test_histograms_of_parts_add_up_to_that_of_the_whole_exactly():
    numerator, denominator = pair(200_001)
    parts = zip(numerator.split(70_000), denominator.split(70_000), strict=True)
    merged = sum(ratio_histogram(*part) for part in parts)
    assert torch.equal(merged, ratio_histogram(numerator, denominator))


def test_zeros_on_either_side_are_told_apart():
    numerator = torch.tensor([0.0, -0.0, 0.0, 5.0, -5.0, 2.0])
    denominator = torch.tensor([1.0, -2.0, 0.0, 0.0, -0.0, -1.0])
    whole = ratio_histogram(numerator, denominator)
    counts, zeros = split_counts(whole)
    assert (counts.sum(), zeros, whole.sum()) == (1, 2, 6)
    assert log_quantiles(counts, torch.tensor([0.5])) == pytest.approx(np.log(2), abs=0.0039)


def test_every_element_is_counted_whatever_it_holds():
    special = torch.tensor([0.0, 1e-45, 1e-30, 1.0, 3e38, float("inf"), float("nan")])
    numerator, denominator = (x.flatten() for x in torch.meshgrid(special, -special, indexing="ij"))
    assert ratio_histogram(numerator, denominator).sum() == 49


def test_no_data_have_no_quantiles():
    assert log_quantiles(torch.zeros(2, BINS, dtype=torch.int64), PROBABILITIES).isnan().all()


def test_members_are_told_apart():
    histograms = torch.stack([ratio_histogram(*pair(500, seed)) for seed in range(3)])
    together = log_quantiles(histograms, PROBABILITIES)
    for k in range(3):
        assert torch.equal(together[k], log_quantiles(histograms[k], PROBABILITIES))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes_are_counted_as_float32(dtype):
    numerator, denominator = torch.tensor([3.0, 8.0]).to(dtype), torch.tensor([1.0, 2.0]).to(dtype)
    expected = ratio_histogram(numerator.float(), denominator.float())
    assert torch.equal(ratio_histogram(numerator, denominator), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_quotients_of_narrow_dtypes_are_neither_rounded_to_them_nor_overflow(dtype):
    numerator = torch.full((128,), 1000.0, dtype=dtype)
    denominator = torch.linspace(1e-3, 2e-3, 128).to(dtype)
    counts, _ = split_counts(ratio_histogram(numerator, denominator))
    logs = np.log(numerator.double().numpy() / denominator.double().numpy())
    expected = np.quantile(logs, PROBABILITIES.double().numpy(), method="inverted_cdf")
    assert np.abs(log_quantiles(counts, PROBABILITIES).numpy() - expected).max() <= 0.0039
    assert counts.sum() == 128
