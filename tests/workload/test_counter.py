"""Random numbers against published values, plain integers and what chance allows."""

import math

import torch

from workload import counter

CPU = torch.device("cpu")
MASK = 2**64 - 1


def splitmix64(seed):
    """The generator as its authors give it, in Python's integers."""
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def unsigned(numbers):
    return [number & MASK for number in numbers.tolist()]


def test_published_numbers():
    """Of the seed 1234567, as Rosetta Code lists them."""
    assert unsigned(counter.bits(1234567, torch.arange(5))) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_every_number_can_be_had_alone():
    seed = counter.stream(3, counter.AUGMENTATION, 7)
    reference = splitmix64(seed)
    wanted = [next(reference) for _ in range(1000)]
    places = torch.randperm(1000)
    assert unsigned(counter.bits(seed, places)) == [wanted[i] for i in places]


def test_streams_differ_in_every_coordinate():
    seeds = {counter.stream(a, b, c) for a in range(20) for b in range(3) for c in range(200)}
    assert len(seeds) == 20 * 3 * 200


def test_whole_numbers_are_spread_evenly():
    """Chi squared of two fields of bits together, 9 x 9 cells, within its 1e-6 quantiles."""
    numbers = counter.bits(counter.stream(0), torch.arange(200_000))
    cells = counter.below(numbers, 0, 9) * 9 + counter.below(numbers, 20, 9)
    counts = torch.bincount(cells, minlength=81).double()
    expected = 200_000 / 81
    chi = float(((counts - expected) ** 2 / expected).sum())
    assert 30 < chi < 160  # mean 80, deviation 12.6
    assert abs(float((numbers < 0).double().mean()) - 0.5) < 5 * 0.5 / math.sqrt(200_000)


def test_orders_are_permutations_and_differ():
    first, second = (counter.permutation(counter.stream(0, e), 500, CPU) for e in (0, 1))
    assert sorted(first.tolist()) == list(range(500))
    assert (first == second).sum() < 20
    correlation = torch.corrcoef(torch.stack([first, second]).double())[0, 1]
    assert abs(float(correlation)) < 5 / math.sqrt(500)
