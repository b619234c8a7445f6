"""The shapes to which batches are padded: few, large enough, and little larger."""

import itertools
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

from nlp.batches import TrainingBatches
from nlp.shapes import MOST, Shape, Shapes
from tests.nlp.data import iwslt_lines
from tests.nlp.test_fairseq_model import task_with_lengths


def random_batches(count):
    generator = np.random.default_rng(0)
    for _ in range(count):
        sentences, source, target = (int(size) for size in generator.integers(1, 60, 3))
        yield Shape(sentences, source, target, int(generator.integers(1, sentences * target + 1)))


def test_two_are_joined_where_that_costs_least_until_few_are_left():
    """Against a plain search over all pairs; costs are in positions and quarters of a row."""

    def cost(sizes):
        sentences, source, target, rows = sizes
        return sentences * (source + target) + rows / 4

    batches = [*random_batches(30)] * 2 + [*random_batches(9)]
    counts = Counter()
    for sentences, source, target, rows in batches:
        up = min(-(-rows // 64) * 64, sentences * target)
        counts[sentences, source, target, up] += 1
    groups = [([sizes], number) for sizes, number in counts.items()]
    while len(groups) > 6:
        most = {}
        for (one, (a, n)), (two, (b, m)) in itertools.combinations(enumerate(groups), 2):
            large_a, large_b = np.max(a, axis=0), np.max(b, axis=0)
            together = cost(np.maximum(large_a, large_b)) * (n + m)
            most[one, two] = together - cost(large_a) * n - cost(large_b) * m
        one, two = min(most, key=most.get)
        (a, n), (b, m) = groups[one], groups.pop(two)
        groups[one] = (a + b, n + m)
    expected = {tuple(np.max(sizes, axis=0).tolist()) for sizes, _ in groups}
    assert set(Shapes(batches, most=6).all) == expected


def test_a_batch_gets_the_cheapest_shape_that_holds_it():
    batches = [*random_batches(200)]
    shapes = Shapes(batches, most=10)
    assert len(shapes.all) == 10
    for batch in batches:
        chosen = shapes.of(batch)
        assert all(size >= needed for size, needed in zip(chosen, batch, strict=True))
        assert chosen.rows <= chosen.sentences * chosen.target
        assert not any(s.holds(batch) and s.cost < chosen.cost for s in shapes.all)


def test_a_batch_larger_than_all_is_refused():
    shapes = Shapes([Shape(2, 3, 4, 5)])
    assert shapes.of(Shape(2, 3, 4, 5)) == Shape(2, 3, 4, 8)
    with pytest.raises(ValueError, match="larger than every batch"):
        shapes.of(Shape(2, 3, 5, 5))


@pytest.mark.slow
def test_what_padding_costs_on_the_true_training_lengths():
    """As the docstring of MOST has it; no shape is met only once."""
    source, target = (
        [int(line) for line in iwslt_lines(f"meta/train_lengths.{language}.txt")]
        for language in ("de", "en")
    )
    batches = TrainingBatches(task_with_lengths(source, target), 4_096, 1, 0, 1).shapes()
    assert len(batches) == 1_101
    assert sum(batch.rows for batch in batches) <= sum(target)
    shapes = Shapes(batches)
    chosen = [shapes.of(batch) for batch in batches]
    assert len(set(chosen)) == MOST
    assert min(Counter(chosen).values()) >= 3
    positions, rows = (
        sum(getattr(shape, what) for shape in chosen)
        / sum(getattr(batch, what) for batch in batches)
        for what in ("positions", "rows")
    )
    assert positions == pytest.approx(1.08, abs=0.005)
    assert rows == pytest.approx(1.10, abs=0.005)
