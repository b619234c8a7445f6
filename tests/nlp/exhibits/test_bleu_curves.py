"""BLEU over epochs, a panel per lambda."""

import pytest

from nlp.exhibits.bleu_curves import bleu_figure
from tests.suite.results.runs import grid_of, translation_run
from tests.workload.exhibits.drawn import figures, legend_texts, lines, panels


def test_bleu_stands_over_epochs_a_panel_per_lambda(tmp_path):
    places = [("none", 0.0), ("l2", 1e-3), ("decoupled", 1e-3), ("decoupled", 1e-4)]
    runs = [
        translation_run(tmp_path, "iwslt14", *place, seed, (30.0 + 3 * i + 6 * seed, 30.0))
        for i, place in enumerate(places)
        for seed in (0, 1)
    ]
    with figures() as found:
        bleu_figure(grid_of(runs), "iwslt14", "bleu")
    drawn = panels(found["bleu"])
    lamda = "\N{GREEK SMALL LETTER LAMDA}"
    assert list(drawn) == [f"{lamda} 1e-3", f"{lamda} 1e-4"]
    for title, indices in zip(drawn, [(0, 1, 2), (0, 3)], strict=True):
        # each seed rises in thirds to its BLEU; the mean of both is 33 + 3 i
        expected = [([1, 2, 3], [(33 + 3 * i) * epoch / 3 for epoch in (1, 2, 3)]) for i in indices]
        for (x, y), (epochs, values) in zip(lines(drawn[title]), expected, strict=True):
            assert x == epochs
            assert y == pytest.approx(values)
    assert legend_texts(found["bleu"]) == ["none", "l2", "decoupled"]


def test_bleu_of_another_recipe_stands_apart_with_its_own_none(tmp_path):
    settings = [("none", 0.0, 4_000), ("none", 0.0, 200), ("l2", 1e-3, 200), ("none", 0.0, 90)]
    runs = [
        translation_run(tmp_path, "iwslt14", scheme, decay, 0, (30.0 + i, 30.0), warm_up=warm_up)
        for i, (scheme, decay, warm_up) in enumerate(settings)
    ]
    with figures() as found:
        bleu_figure(grid_of(runs), "iwslt14", "bleu")
    last = {
        " ".join(title.split()): [y[-1] for _, y in lines(axes)]
        for title, axes in panels(found["bleu"]).items()
    }
    assert last == {
        "\N{GREEK SMALL LETTER LAMDA} 1e-3 warm_up=200": [31.0, 32.0],
        "none warm_up=4000": [30.0],
        "none warm_up=90": [33.0],
    }
