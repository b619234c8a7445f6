"""The Python of the pages is run as it stands, page by page; optimizer.md has a test of its own."""

import os
from unittest.mock import patch

import pytest
import torch

from shared_optim.schemes import SCHEMES
from tests.docs.pages import PAGES, README, blocks


def code_of(page):
    """Its Python that is to be typed; a block with a title is a file."""
    return [block for block in blocks(page, "python") if not block.title]


WITH_CODE = [page for page in PAGES if page.name != "optimizer.md" and code_of(page)]


def test_pages_with_code_are_found():
    names = {page.name for page in WITH_CODE}
    assert {"own-model.md", "inside.md", "images.md", "files.md", "modules.md"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_its_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "rl" / "Pong" / "none" / "seed0-00000000"
    os.makedirs(run)
    (run / "metrics.jsonl").write_text('{"agent_steps": 4, "optim/weight_norm": 31.5}\n')
    space = {"__name__": "page"}
    with patch.dict(SCHEMES):
        for block in code_of(page):
            exec(compile(block.text, str(page), "exec"), space)


def test_the_code_of_the_readme_runs():
    """It speaks of a model, batches and a loss, as any training loop has them."""
    space = {
        "model": torch.nn.Linear(3, 1),
        "batches": [(torch.randn(4, 3), torch.randn(4, 1))],
        "loss_function": torch.nn.functional.mse_loss,
    }
    python = blocks(README, "python")
    assert len(python) == 2
    for block in python:
        exec(compile(block.text, str(README), "exec"), space)
    assert space["figures"]["optim/gradient_norm"] > 0
