import pytest

from workload.exhibits.verdicts_figure import in_one


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["holds"], "holds"),
        (["does not hold", "does not hold"], "does not hold"),
        (["holds", "does not hold", "undecided", "holds"], "holds in 2 of 4"),
        (["does not hold", "undecided"], "holds in 0 of 2"),
        (["undecided", "too few seeds: points for"], "undecided"),
        (["too few seeds: points for", "too few seeds: points against"], "too few seeds"),
    ],
)
def test_several_kinds_of_runs_are_one_verdict(words, said):
    """What nothing decides is not called refuted."""
    assert in_one(words) == said
