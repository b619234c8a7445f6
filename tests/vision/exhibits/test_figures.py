"""Figures: which runs they show, under which names, and that they draw what is there."""

import pytest

from tests.suite.results.runs import grid_of, records_of_table
from tests.vision.exhibits.image_runs import EARLY, LATE, image_run, study
from vision.exhibits.curves import curve_figure
from vision.exhibits.figures import published_figures
from vision.exhibits.sharpness_figure import sharpness_figure, sharpness_table
from vision.exhibits.variants import STYLES, name_of, styles, variants


def test_names_of_runs(tmp_path):
    grid = study(tmp_path, seeds=1)
    named = {variant.label: variant.name for variant in variants(grid, "patterns")}
    assert list(named.values()) == [
        *("none", "always", "early", "late", "late, matched", "stuttered", "none, shuffled")
    ]
    assert list(named) == [
        *("none learning_rate=0.1", "always learning_rate=0.1", "early learning_rate=0.1"),
        *("late learning_rate=0.1", "late, matched learning_rate=0.1"),
        *("stuttered learning_rate=0.1", "none, shuffled learning_rate=0.01"),
    ]


def test_what_all_share_is_not_said(tmp_path):
    runs = [image_run(tmp_path, 50), image_run(tmp_path, 60, decay_schedule=EARLY)]
    runs += [image_run(tmp_path, 40, scheme="none"), image_run(tmp_path, 41, scheme="none", seed=1)]
    found = variants(grid_of(runs), "patterns")
    assert [variant.label for variant in found] == ["none", "always", "early"]
    assert [len(variant.records) for variant in found] == [2, 1, 1]


def test_schemes_that_differ_are_said(tmp_path):
    runs = [image_run(tmp_path, 50), image_run(tmp_path, 60, scheme="decoupled")]
    labels = [variant.label for variant in variants(grid_of(runs), "patterns")]
    assert labels == ["always decoupled", "always l2"]


def test_runs_with_norms_of_others(tmp_path):
    run = image_run(tmp_path, 50, scheme="none", match_norms="l2-1e-2@early:1epochs")
    (record,) = variants(grid_of([run]), "patterns")[0].records
    assert name_of(record) == "none, norms of early"


def test_every_label_has_a_look_of_its_own(tmp_path):
    runs = [image_run(tmp_path, 50, learning_rate=rate, scheme="none") for rate in (0.1, 0.2, 0.3)]
    looks = styles(variants(grid_of(runs), "patterns"))
    assert len({str(look) for look in looks.values()}) == 3


def test_the_usual_decay_looks_as_its_name_does(tmp_path):
    """With late decay of two lambdas, one of which always and early have as well."""
    decayed = [image_run(tmp_path, 50), image_run(tmp_path, 60, decay_schedule=EARLY)]
    late = [image_run(tmp_path, 40, scheme=s, decay_schedule=LATE) for s in ("decoupled", "l2")]
    looks = styles(variants(grid_of([*decayed, *late]), "patterns"))
    assert list(looks) == ["always l2", "early l2", "late decoupled", "late l2"]
    assert looks["late l2"] == STYLES["late"] != looks["late decoupled"]


def test_the_usual_setting_looks_as_its_name_does(tmp_path):
    """With none at the learning rate of shuffled labels as well."""
    slow = image_run(tmp_path, 50, scheme="none", learning_rate=0.01)
    runs = [image_run(tmp_path, 50, scheme="none"), image_run(tmp_path, 60), slow]
    looks = styles(variants(grid_of(runs), "patterns"))
    assert looks["none learning_rate=0.1"] == STYLES["none"] != looks["none learning_rate=0.01"]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_papers_figures_are_drawn_from_one_study(tmp_path, norm):
    grid = study(tmp_path, seeds=2)
    drawn = {spec.name: curve_figure(grid, spec) for spec in published_figures(norm)}
    if norm == "none":  # this study has batch normalisation alone
        assert drawn == dict.fromkeys(["figure19", "figure20", "figure22", "figure21"])
        return
    assert list(drawn) == [*("figure1", "figure3", "figure4", "figure5", "figure8", "figure10"),
                           "figure12"]  # fmt: skip
    # the study has no runs with norms of others
    assert [name for name, each in drawn.items() if each is None] == ["figure3"]
    del drawn["figure3"]
    assert all(each.png.startswith(b"\x89PNG") for each in drawn.values())
    again = {spec.name: curve_figure(grid, spec) for spec in published_figures(norm)}
    assert all(drawn[name].png == again[name].png for name in drawn)


def test_sharpness_beside_each_other(tmp_path):
    grid = study(tmp_path, seeds=2)
    rows = records_of_table(sharpness_table(grid, "patterns", "sharpness"))
    found = {row["decay"].split()[0]: row for row in rows}
    assert list(found) == ["none", "always", "early", "late"]
    assert found["late"]["multiplicative, S(0.1)"] == pytest.approx(2.5)
    assert found["late"]["S - L"] == pytest.approx(2.4)
    assert found["always"]["additive, A"] == pytest.approx(4.0)
    assert found["none"]["seeds"] == 2
    assert sharpness_figure(grid, "patterns", "figure2").png.startswith(b"\x89PNG")


def test_no_sharpness_without_measurements(tmp_path):
    grid = grid_of([image_run(tmp_path, 50)])
    assert sharpness_table(grid, "patterns", "sharpness") is None
    assert sharpness_figure(grid, "patterns", "figure2") is None
