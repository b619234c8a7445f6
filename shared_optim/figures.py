"""The optimizer's figures that tables and plots show, of those that `StepReport.metrics` gives."""

from shared_optim.metric import Metric

PREFIX = "optim"
QUANTILES = {f"q{percent:02d}": percent / 100 for percent in (1, 5, 25, 50, 75, 95, 99)}
QUANTILE_KEYS = {name: f"{PREFIX}/log_m_over_w/{name}" for name in QUANTILES}
BANDS = (("q01", "q99", 0.12), ("q05", "q95", 0.18), ("q25", "q75", 0.35))
"""From which quantile to which a band reaches, and how opaque it is drawn."""

WEIGHT_NORM = Metric(f"{PREFIX}/weight_norm", "weight norm", "2-norm of all weights", 2)
MEDIAN = Metric(QUANTILE_KEYS["q50"], "median |m/w|", "ln", 2)
DROWNED = Metric(f"{PREFIX}/drowned_fraction", "drowned", "%", 1)
FIGURES = (WEIGHT_NORM, MEDIAN, DROWNED)
