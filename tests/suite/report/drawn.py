"""Figures of a report before they become files, so that tests can look at what is drawn."""

from contextlib import contextmanager

import pytest

from suite.report import inside, learning_curves, stability
from suite.report.document import Picture
from suite.report.drawing import typography


@contextmanager
def figures():
    """A dictionary that fills with the matplotlib figures that are drawn within, by name."""
    found = {}

    def keep(name, title, caption, figure):
        found[name] = figure
        return Picture(name, title, caption, b"", b"")

    with pytest.MonkeyPatch.context() as patch, typography():
        for module in (inside, learning_curves, stability):
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
