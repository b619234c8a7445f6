"""Whether a training logged what its report declares."""

from shared_optim.figures import FIGURES, QUANTILE_KEYS


def check_declared(report, metrics, evaluations):
    """Every declared key has a number in a row of its file."""
    wanted = {figure.key for figure in FIGURES} | set(QUANTILE_KEYS.values())
    wanted |= {curve.metric.key for curve in report.curves if curve.between}
    assert wanted - logged(metrics) == set()
    wanted = {curve.metric.key for curve in report.curves} | {m.key for m in report.columns}
    wanted |= {metric.fallback for metric in report.columns if metric.fallback}
    assert wanted - logged(evaluations) == set()


def logged(rows):
    return {key for row in rows for key, value in row.items() if isinstance(value, int | float)}
