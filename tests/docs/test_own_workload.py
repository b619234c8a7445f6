"""The page that takes a reader from a model of their own to a report: its files, its commands."""

import shlex
from unittest.mock import patch

import pytest

from shared_optim.schemes import SCHEMES
from suite.__main__ import main
from tests.docs.no_drawing import without_drawing
from tests.docs.pages import DOCS, blocks, commands
from tests.installed_toy import install, on_the_path

pytestmark = pytest.mark.slow

PAGE = DOCS / "tutorials" / "own-workload.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the page's files lie, its package is installed, and its commands were given."""
    folder = tmp_path_factory.mktemp("own")
    for language in ("toml", "python"):
        for block in blocks(PAGE, language):
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    (folder / "mine/mine/__init__.py").touch()
    site = install(folder / "mine", folder)
    with pytest.MonkeyPatch.context() as patched, on_the_path(site), patch.dict(SCHEMES):
        patched.chdir(folder)
        without_drawing(patched)
        given = [words[1:] for words in commands(PAGE)]
        for words in given:
            if "--help" not in words:
                assert main(words) == 0, shlex.join(words)
        yield folder, {words[0] for words in given}


def test_the_scheme_of_ones_own_is_trained_beside_the_four(folder):
    path, _ = folder
    runs = {done.parent.parent.name for done in path.glob("runs/mine/noisy/*/*/done.json")}
    assert runs == {"none", "l2-1e-1", "decoupled-1e-1", "separated-1e-1", "halved-1e-1"}
    assert len(list(path.glob("runs/mine/*/*/*/done.json"))) == 10


def test_it_ends_in_a_report_that_names_the_scheme(folder):
    path, given = folder
    assert given == {"run", "table", "show", "report"}
    assert "| halved | 1e-1 |" in (path / "results/mine/report.md").read_text()
