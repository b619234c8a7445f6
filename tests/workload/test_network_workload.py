"""What all workloads of single networks answer alike."""

import pytest

from lm.workload import WORKLOAD as LM
from nlp.workload import WORKLOAD as NLP
from vision.workload import WORKLOAD as VISION


@pytest.mark.parametrize("workload", [VISION, LM, NLP])
@pytest.mark.parametrize(
    ("position", "begun"), [((0, 0, 0), 0), ((0, 1, 1), 1), ((1, 6, 13), 2), ((2, 0, 14), 2)]
)
def test_an_epoch_that_has_ended_is_not_the_next(workload, position, begun):
    """Epochs, batches of the next, and updates of them all: of 2 epochs nothing is left."""
    assert workload.epochs_begun(position) == begun
