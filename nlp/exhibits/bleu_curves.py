"""BLEU over epochs (Figure 7)."""

import math

from nlp.metrics import VALID_BLEU
from shared_optim.schemes import BASELINE
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    BAND_NOTE,
    LAMBDA,
    draw_mean,
    label_edges,
    legend,
    panels,
    picture,
    scheme_handles,
    scheme_style,
    titles,
)
from workload.exhibits.grid import RecordGrid, Row
from workload.exhibits.series import by_round


def bleu_figure(grid: RecordGrid, corpus: str, name: str) -> Picture | None:
    """Validation BLEU over epochs, a panel per lambda, a line per scheme; None without values.

    `none` stands in the panels whose recipe is its own, alone where there is none.

    Args:
        grid: translation runs.
        corpus: the column.
        name: of the files.
    """
    from matplotlib.ticker import MaxNLocator

    rows = grid.rows_of(corpus)
    decays: dict[tuple[float, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        if row.scheme != BASELINE:
            decays.setdefault((row.weight_decay, row.extras), []).append(row)
    by_panel = []
    for own in decays.values():
        plain = grid.partner(own[0])
        by_panel.append([plain, *own] if plain in rows else own)
    compared = {row for own in by_panel for row in own}
    by_panel += [[row] for row in rows if row not in compared]
    curves = {row: by_round(grid.at(row, corpus), VALID_BLEU.key, grid.epoch_key) for row in rows}
    if not any(curves.values()):
        return None
    columns = min(3, len(by_panel))
    labels = [own[-1].label(grid.keys) for own in by_panel]
    labels = [
        label if own[-1].scheme == BASELINE else label.replace(own[-1].scheme, LAMBDA, 1)
        for own, label in zip(by_panel, labels, strict=True)
    ]
    broken, title_lines = titles(labels, columns)
    figure, axes = panels(
        math.ceil(len(by_panel) / columns),
        columns,
        1.9,
        title_lines=title_lines,
        sharex=True,
        sharey=True,
    )
    for panel, own, title in zip(axes, by_panel, broken, strict=False):
        for row in own:
            drawn = curves[row]
            if drawn is not None:
                draw_mean(panel, drawn, scheme_style(row.scheme))
        panel.set_title(title)
        panel.set_xlabel("epoch")
        panel.set_xlim(left=0, auto=None)
    axes[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
    label_edges(axes, len(by_panel), columns, "validation BLEU, tokenised")
    legend(figure, scheme_handles(rows))
    caption = f"{corpus}: tokenised BLEU of the validation set after each epoch. {BAND_NOTE}"
    return picture(
        name,
        f"{corpus}: BLEU over epochs",
        caption,
        figure,
    )
