"""What translation adds to tables, plots and reports."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nlp.metrics import BLEU, BLEU_13A, CHRF, LOSS, TER, VALID_BLEU
from workload.report import Curve, Report

if TYPE_CHECKING:
    from workload.exhibits.grid import RecordGrid
    from workload.report import Exhibit, LeaveOut

SAME_BLEU = 0.3
"""How much worse a translation may score and still count as the best."""


def exhibits(grid: "RecordGrid", leave_out: "LeaveOut") -> "Sequence[Exhibit]":
    """Tables, then figures, in the order of the report."""
    from nlp.exhibits.bleu_curves import bleu_figure
    from nlp.exhibits.bleu_table import bleu_table
    from workload.exhibits.lambda_sweep import lambda_sweep
    from workload.exhibits.optimizer_figures import norm_figure, quantile_figure
    from workload.exhibits.smallest_difference import smallest_difference
    from workload.exhibits.tuning import tuning_table

    corpora, name = grid.tasks, grid.file_name
    return [
        bleu_table(grid, leave_out),
        smallest_difference(grid, BLEU, "smallest_difference_corpora", decimals=BLEU.decimals),
        tuning_table(grid, BLEU, "tuning_corpora", decimals=BLEU.decimals, near=SAME_BLEU),
        lambda_sweep(grid, BLEU, "stability_corpora", label="test BLEU, tokenised"),
        *(bleu_figure(grid, corpus, f"bleu_epochs_{name(corpus)}") for corpus in corpora),
        *(quantile_figure(grid, corpus, f"quantiles_{name(corpus)}") for corpus in corpora),
        norm_figure(grid, "weight_norm_corpora"),
    ]


def claims(grid: "RecordGrid") -> "Mapping[str, Mapping[str, Sequence[float]]]":
    """What runs say of the claims in configs/claims."""
    from workload.exhibits.scheme_claims import scheme_claims

    return scheme_claims(grid, BLEU)


REPORT = Report(
    title="Translation",
    task="corpus",
    tasks="corpora",
    scores=(BLEU, BLEU_13A),
    others=(VALID_BLEU, CHRF, TER),
    curves=(Curve("training", LOSS, between=True), Curve("validation", VALID_BLEU)),
    defaults="the paper's",
    exhibits=exhibits,
    claims=claims,
)
