"""Figures of a report before they become files, so that tests can look at what is drawn."""

from contextlib import contextmanager

import pytest

import nlp.exhibits.bleu_curves
import rl.exhibits.profile
from workload.exhibits import curves, lambda_sweep, optimizer_figures
from workload.exhibits.document import Picture
from workload.exhibits.drawing import typography

DRAWING = (
    nlp.exhibits.bleu_curves,
    rl.exhibits.profile,
    curves,
    lambda_sweep,
    optimizer_figures,
)


@contextmanager
def figures():
    """A dictionary that fills with the matplotlib figures that are drawn within, by name."""
    found = {}

    def keep(name, title, caption, figure):
        found[name] = figure
        return Picture(name, title, caption, b"", b"")

    with pytest.MonkeyPatch.context() as patch, typography():
        for module in DRAWING:
            patch.setattr(module, "picture", keep)
        yield found


def panels(figure):
    """The axes that are shown, by title."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}


def lines(axes):
    """The points of each line: x and y."""
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]
