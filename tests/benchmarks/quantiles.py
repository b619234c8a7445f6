"""Quantiles of log|m/w| over a fused AdamW step: python -m tests.benchmarks.quantiles"""

import torch
from torch import nn

from shared_optim.figures import QUANTILES
from shared_optim.measures.histogram import log_quantiles, split_counts
from tests.benchmarks.timing import compare, hardware, table
from tests.shared_optim.reference import ratio_histogram

ELEMENTS = 37_000_000
BAR = 3.5


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(ELEMENTS))
    parameter.grad = torch.randn(ELEMENTS) * 1e-3
    optimizer = torch.optim.AdamW([parameter], fused=True)
    optimizer.step()
    moment, weight = optimizer.state[parameter]["exp_avg"], parameter.detach()
    probabilities = torch.tensor(list(QUANTILES.values()))

    def quantiles() -> torch.Tensor:
        inner, _ = split_counts(ratio_histogram(moment, weight))
        return log_quantiles(inner, probabilities)

    comparison = compare("m/w quantiles, 37M", quantiles, optimizer.step, at_most=BAR)
    print(hardware())
    print(table([comparison]))


if __name__ == "__main__":
    main()
