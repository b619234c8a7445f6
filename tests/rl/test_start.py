"""What a training of agents does without until its first update."""

import pytest

from tests.first_update import first_update


@pytest.mark.slow
def test_agents_learn_without_what_takes_longer_to_import_than_torch(tmp_path):
    """Lightning with torchmetrics, and torch.compile, which any optimizer of torch's imports."""
    argv = ["run", "rl", "--preset", "demo", "--scheme", "separated", "--weight-decay", "1e-3"]
    argv += ["--warm-up", "40", "--device", "cpu", "--threads", "1", "--runs", str(tmp_path)]
    imported = first_update(argv, tmp_path).modules
    assert {"torch", "ale_py", "rl.population"} <= imported
    heavy = {"lightning", "torchmetrics", "torch._dynamo", "torch._inductor", "sympy"}
    heavy |= {"scipy", "matplotlib", "pandas", "fairseq", "torch.distributed.tensor"}
    assert not heavy & imported
