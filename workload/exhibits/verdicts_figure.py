"""All claims of all sources in one picture: a line per claim that runs have tested."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from workload.claims import counted_words
from workload.exhibits.claims_figure import AT_THE_EDGE, COLOURS, FURTHEST, draw_interval
from workload.exhibits.document import Picture
from workload.exhibits.drawing import GREY, WIDTH, Style, picture
from workload.verdict import FAILS, FEW, HOLDS, OPEN, UNTESTED, Claim, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, MARGIN = 0.148, 0.3  # inches
LETTER = 6.3  # points
CLAIM, PLACE, INTERVALS, WORDS = 0.08, 3.72, 4.45, 5.72  # inches from the left
CONTROL = "control"
Line = str | tuple[Verdict, ...]
"""A heading or a remark, or what there is of a claim."""


def verdicts_figure(found: Mapping[str, Sequence[Verdict]], name: str) -> Picture:
    """The verdicts by workload, a claim to a line, those that are not tested counted.

    Args:
        found: of each workload, by its title.
        name: of the files.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [line for title, own in found.items() for line in _lines(title, own)]
    height = LINE * len(lines) + 2 * MARGIN
    figure = Figure(figsize=(WIDTH, height), dpi=200)
    FigureCanvasAgg(figure)
    below, high = MARGIN / height, 1 - 1.5 * MARGIN / height
    paper = figure.add_axes((0, below, 1, high), xlim=(0, WIDTH))  # inches
    paper.axis("off")
    across = (WORDS - INTERVALS - 0.1) / WIDTH
    axes = figure.add_axes((INTERVALS / WIDTH, below, across, high))
    axes.set(xlim=(-FURTHEST - 1.5, FURTHEST + 1.5), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_xlabel("does not hold  < 0 <  holds", fontsize=LETTER, labelpad=2)
    for place, line in enumerate(lines):
        if isinstance(line, str):
            _write_heading(paper, place, line)
        else:
            _write_claim(paper, place, line)
            for verdict in line:
                draw_interval(axes, place, verdict)
    for each in (paper, axes):
        each.set_ylim(len(lines) - 0.5, -0.5)
    counts = counted_words(each for own in found.values() for each in own)
    caption = (
        f"{counts}; a claim counts once for each kind of runs that tests it. A dot is the mean "
        "over seeds of a claim's number, a bar its 95 % interval, both over the interval's "
        f"half-width: a bar that leaves 0 out is a verdict. {AT_THE_EDGE}"
    )
    return picture(name, "Verdicts on all claims", caption, figure)


def _lines(title: str, own: Sequence[Verdict]) -> list[Line]:
    """Of a workload: per source a heading, its claims, and how many of them are not tested."""
    authors, author = [], ""
    for each in own:
        author = author if each.claim.source == CONTROL else each.claim.source.partition(",")[0]
        authors.append(author)
    lines: list[Line] = []
    for heading in dict.fromkeys(authors):
        mine = [each for each, by in zip(own, authors, strict=True) if by == heading]
        lines.append(f"{title}: {heading}")
        lines += [
            tuple(alike)
            for _, alike in groupby((v for v in mine if v.seeds), key=lambda v: v.claim.id)
        ]
        absent = [place_of(each.claim) for each in mine if not each.seeds]
        if absent:
            places = ", ".join(sorted(set(absent)))
            lines.append(f"{UNTESTED}: {len(absent)} ({places})")
    return lines


def place_of(claim: Claim) -> str:
    """Where in its source a claim stands: what is between the authors and a semicolon."""
    return claim.source.partition(", ")[2].partition(";")[0] or claim.source


def in_one(words: Sequence[str]) -> str:
    """The verdicts on a claim by several kinds of runs as one: theirs where they agree; how many
    hold where one is decided at all."""
    if len(set(words)) == 1:
        return words[0]
    if {HOLDS, FAILS} & set(words):
        return f"{HOLDS} in {words.count(HOLDS)} of {len(words)}"
    return OPEN if OPEN in words else FEW


def _write_heading(paper: "Axes", place: int, text: str) -> None:
    style: Style = {"weight": "bold"}
    if text.startswith(UNTESTED):
        style = {"color": GREY, "style": "italic"}
    paper.text(CLAIM, place, text, va="center", fontsize=LETTER, **style)


def _write_claim(paper: "Axes", place: int, found: Sequence[Verdict]) -> None:
    said = in_one([verdict.word for verdict in found])
    for inches, text, ink in (
        (CLAIM, found[0].claim.claim, "black"),
        (PLACE, place_of(found[0].claim), GREY),
        (WORDS, said, COLOURS.get(said, GREY)),
    ):
        paper.text(inches, place, text, va="center", fontsize=LETTER, color=ink)
