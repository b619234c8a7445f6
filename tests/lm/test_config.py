"""Recipes: what is refused, and what a run is called."""

import pytest

from lm.config import Machine, Recipe
from lm.workload import WORKLOAD
from tests.lm.runs import MEMBER, recipe
from workload.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": 0}, "rounds: 0 is not above 0"),
        ({"data": ""}, "data: '' names no text"),
        ({"tokens": "bin"}, "vocabulary: tokens bin need their number"),
        ({"tokens": "bpe"}, "vocabulary: 0 is not from 257 to 65,536"),
        ({"vocabulary": 300}, "vocabulary: characters have that of the text"),
        ({"heads": 3}, "width: 16 is not a multiple of the 3 heads"),
        ({"weights": "bf16"}, "weights: bf16 goes with precision bf16"),
        ({"warm_up": 12}, "warm_up: 12 is not within the 12 updates"),
        ({"learning_rate_schedule": "exponential:0.9"}, "counts epochs; in one pass there are"),
        ({"decay_schedule": "early:1epochs"}, "counts epochs"),
        ({"decay_schedule": "late:12"}, "decay_schedule: late:12 is not within the 12"),
        ({"learning_rate_schedule": "steps:.1@12"}, "is not within the 12 updates"),
        ({"learning_rate_schedule": "wsd:11"}, "decay: 11 is not from 1 to the 10 updates"),
        ({"learning_rate_schedule": "linear"}, "none of constant"),
        ({"branch": "none@x"}, "branch: 'none@x' is no RUN@UPDATE"),
        ({"branch": "none@3"}, "branch: update 3 is not the end of a round of 4 updates"),
        ({"branch": "none@12"}, "branch: after update 12 nothing is left of the 12"),
        ({"optimizer": "adam", "momentum": 0.5}, "momentum: is for the optimizer sgd alone"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


def test_graphs_are_refused():
    with pytest.raises(ConfigError, match="graphs: on, but language models have none"):
        Machine(graphs="on")


def test_the_default_is_the_talks_run():
    """3.28 billion tokens in updates of 480 windows."""
    own = Recipe()
    assert (own.windows, own.context) == (480, 256)
    assert own.updates * own.windows * own.context == pytest.approx(3.28e9, rel=1e-3)


def test_a_text_has_one_name_however_it_is_written(tmp_path):
    given = [str(tmp_path / "words.txt"), "words", f"{tmp_path}/other/../words.txt.xz"]
    assert len({str(WORKLOAD.resolved(recipe(data=each))) for each in given}) == 1


def test_a_run_named_by_its_decay_is_meant_beside_a_folder_called_so(tmp_path, monkeypatch):
    """As there is one where runs are kept."""
    own = recipe(branch="none@4")
    without = WORKLOAD.resolved(own), WORKLOAD.references(own, [MEMBER])
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    assert (WORKLOAD.resolved(own), WORKLOAD.references(own, [MEMBER])) == without
    assert len(without[1]) == 1


def test_length_is_free_where_no_schedule_reads_it():
    def free(**changes):
        return "rounds" in WORKLOAD.free_keys(recipe(**changes).values())

    assert free()
    assert free(learning_rate_schedule="steps:0.1@5")
    assert not free(learning_rate_schedule="cosine")
    assert not free(learning_rate_schedule="wsd:5")
    assert not free(branch="none@4")
