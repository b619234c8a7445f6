"""The pages as Markdown, and the whole site where mkdocs is installed."""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import PAGES, README, ROOT

TABLE = re.compile(r"(?:^\|.*\|\n)+", re.M)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_have_as_many_cells_as_their_heads(page):
    """A bar within a cell, as of an absolute value, begins another one unless it is escaped."""
    for table in TABLE.findall(page.read_text() + "\n"):
        counts = [len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()]
        assert len(set(counts)) == 1, table


def test_links_of_the_readme_lead_somewhere():
    """The site's own are checked when it is built; the README is no page of it."""
    links = re.findall(r"\]\(([^)]+)\)", README.read_text())
    assert len(links) > 20
    for link in links:
        file, _, anchor = link.partition("#")
        assert (ROOT / file).is_file(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.M)
            assert anchor in {re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in heads}


def test_it_is_built_without_a_warning(tmp_path):
    """Every link and anchor leads somewhere, every page is in the navigation, every name of the API
    exists."""
    pytest.importorskip("mkdocstrings", reason="make docs installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)  # and 404.html
    for page in pages:  # nothing is fetched from elsewhere
        assert not re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="https?:', page.read_text())
