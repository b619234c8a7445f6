"""Which epochs will be kept, against what training leaves."""

import pytest

from tests.vision.runs import prepared, recipe, train
from workload.errors import UserError
from workload.keeping import will_keep
from workload.kept import read_kept


@pytest.mark.parametrize("keep_every", [0, 2])
def test_what_will_be_kept_is_what_is_kept(tmp_path, keep_every):
    """Before training, and after it, of each of three epochs and one that never comes."""
    data_dir, run = prepared(tmp_path), tmp_path / "run"
    epochs = range(1, 5)
    before = [will_keep(run, epoch, (3, keep_every)) for epoch in epochs]
    train(data_dir, run, recipe(epochs=3), keep_every=keep_every)
    after = [will_keep(run, epoch, None) for epoch in epochs]
    held = []
    for epoch in epochs:
        try:
            held.append(read_kept(run, epoch)["epoch"] == epoch)
        except UserError:
            held.append(False)
    assert before == after == held == [False, keep_every == 2, True, False]
    # made longer, what has passed does not come back, and the newest is not the newest any more
    longer = [will_keep(run, epoch, (5, 1)) for epoch in range(1, 7)]
    assert longer == [False, keep_every == 2, False, True, True, False]
