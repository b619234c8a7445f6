"""Batches of one epoch from fairseq's own iterator, resumable inside an epoch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nlp.collation import Collation
from nlp.fairseq_model import MAX_POSITIONS, quiet
from nlp.shapes import Shape

Batch = dict[str, Any]


class TrainingBatches:
    """The training batches of the present epoch, as a loader for Lightning's Trainer.

    The order is fairseq's: pairs of similar length share a batch of at most `max_tokens`, batches
    are shuffled anew in every epoch by the seed and the epoch. As with fairseq, the batch of the
    longest pairs is left out where it is no multiple of 8 pairs. With several processes, each takes
    every `shards`-th batch; where they do not come out even the last ones get an empty batch, `{}`.

    Args:
        task: fairseq's TranslationTask with the split `train` loaded.
        max_tokens: tokens per batch with padding.
        seed: of the order.
        shard, shards: which process of how many this is.
    """

    def __init__(self, task: Any, max_tokens: int, seed: int, shard: int, shards: int) -> None:
        self._new_iterator: Callable[[], Any] = lambda: task.get_batch_iterator(
            dataset=task.dataset("train"),
            max_tokens=max_tokens,
            max_positions=(MAX_POSITIONS, MAX_POSITIONS),
            required_batch_size_multiple=8,
            seed=seed,
            num_shards=shards,
            shard_id=shard,
            epoch=1,
            disable_iterator_cache=True,
        )
        self._pairs = task.dataset("train")
        self._collation: Collation | None = None
        self.seek(0, 0)
        self.per_epoch = len(self._epochs)

    def seek(self, epoch: int, done: int) -> None:
        """Continue with epoch `epoch`, counted from 0, after `done` of this process's batches."""
        state = {"epoch": epoch + 1, "iterations_in_epoch": done, "shuffle": True, "version": 2}
        with quiet():
            # of one that has come to its end, fairseq would skip the epoch that is asked for
            self._epochs = self._new_iterator()
            self._epochs.dataset, self._epochs.collate_fn = range(len(self._pairs)), self._collate
            self._epochs.load_state_dict(state)

    def first(self) -> Batch:
        """The batch of the shortest pairs, whatever this process's share is."""
        return self.at(0)

    def shapes(self) -> list[Shape]:
        """Of all batches of an epoch, in an order of their own; every epoch has the same ones."""
        source, target = self._pairs.src_sizes, self._pairs.tgt_sizes
        return [
            Shape(
                len(pairs),
                int(source[pairs].max()),
                int(target[pairs].max()),
                int(target[pairs].sum()),
            )
            for pairs in map(list, self._epochs.frozen_batches)
        ]

    def at(self, number: int) -> Batch:
        """The batch whose shape `shapes` has at this index."""
        return self._collate(self._epochs.frozen_batches[number])

    def _collate(self, indices: Sequence[int]) -> Batch:
        if self._collation is None:
            self._collation = Collation(self._pairs)
        return self._collation(indices)

    def __iter__(self) -> Iterator[Batch]:
        with quiet():
            batches = self._epochs.next_epoch_itr(shuffle=True)
        for batch in batches:
            yield batch or {}


def validation_batches(task: Any, split: str, max_tokens: int) -> Iterator[Batch]:
    """A split in batches of pairs of similar length, as fairseq validates: without the last batch,
    of the longest pairs, where that is no multiple of 8 pairs."""
    with quiet():
        epochs = task.get_batch_iterator(
            dataset=task.dataset(split),
            max_tokens=max_tokens,
            max_positions=(MAX_POSITIONS, MAX_POSITIONS),
            required_batch_size_multiple=8,
            disable_iterator_cache=True,
        )
        batches = epochs.next_epoch_itr(shuffle=False)
    yield from batches
