"""`wdbench report`: equal results give equal bytes, bad input one message."""

import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from suite.__main__ import main
from suite.runs.directory import Run
from tests.nlp.exhibits.translations import references, translated
from tests.suite.results.runs import (
    contents,
    edit_json,
    game_run,
    inside,
    translation_run,
)
from tests.workload.exhibits.drawn import figures

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def make_runs(folder):
    """A game with three rows of two seeds, not all of them finished, and a corpus."""
    rows = (("none", 0.0), ("l2", 1e-3), ("separated", 1e-3))
    for (scheme, decay), seed in itertools.product(rows, (0, 1)):
        status = "unfinished" if (scheme, seed) == ("l2", 1) else "finished"
        metrics = [inside(step, 30.0 + seed) for step in (1000, 2000)]
        returns = [1.0, 2.0 + seed, 3.0 + decay]
        game_run(folder, "Pong", scheme, decay, seed, returns, status, metrics)
    lines = references(20)
    for scheme, decay, wrong in (("none", 0.0, 0.3), ("l2", 1e-3, 0.4)):
        hypotheses = translated(lines, wrong, 1)
        bleu = bleu_of(hypotheses, lines)
        translation_run(
            folder, "grammar", scheme, decay, 0, (bleu, bleu), texts=(hypotheses, lines)
        )


def bleu_of(hypotheses, lines):
    """0 where sacrebleu is not installed and nothing is compared with it."""
    try:
        import sacrebleu
    except ImportError:
        return 0.0
    return sacrebleu.corpus_bleu(hypotheses, [lines], lowercase=True, force=True).score


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs, the report on them, and its files."""
    folder = tmp_path_factory.mktemp("made")
    make_runs(folder / "runs")
    assert main(["report", str(folder / "runs"), "--out", str(folder / "out")]) == 0
    return folder, contents(folder / "out")


def without_provenance(files):
    """The page names its revision and the newest run's date, and ends with the provenance."""
    told = ("provenance.md", "report.html")
    return {name: data for name, data in files.items() if name not in told}


def elsewhere(runs, folder):
    """The same results, come about otherwise: other sessions, places, times and interruptions."""
    shuffled = sorted(path.parent for path in runs.rglob("config.json"))
    random.Random(1).shuffle(shuffled)
    for place, path in enumerate(shuffled):
        copy = folder / f"{place % 3}" / f"{len(shuffled) - place}"
        shutil.copytree(path, copy)
        session = {"start": "2020-02-02T02:02:02+00:00", "end": None, "error": "OSError: full"}
        (copy / "meta.json").write_text(json.dumps({"sessions": [session] * (place + 1)}))
        (copy / "progress.json").write_text("{}")
        (copy / "plot.png").write_bytes(b"a picture")
        os.utime(copy / "config.json", (place, place))
        if Run.at(copy).status() == "unfinished":
            (copy / "failed.json").write_text('{"error": "OSError: full"}')


MATPLOTLIBRC = """\
font.size: 20
lines.linewidth: 7
savefig.dpi: 31
figure.facecolor: red
axes.formatter.use_locale: True
text.parse_math: True
"""


def test_equal_results_give_equal_bytes_whatever_the_circumstances(made, tmp_path):
    folder, expected = made
    elsewhere(folder / "runs", tmp_path / "other")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "matplotlibrc").write_text(MATPLOTLIBRC)
    paths = [str(tmp_path / "other" / name) for name in "201"]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "77",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
        "PYTHONPATH": str(ROOT),
        "SACREBLEU_SEED": "1",
        "MPLBACKEND": "svg",
        "OMP_NUM_THREADS": "2",
        "COLUMNS": "40",
    }
    command = [sys.executable, "-m", "suite", "report", *paths, "--out", "a/b"]
    answer = subprocess.run(
        command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    found = contents(tmp_path / "work" / "a" / "b")
    assert without_provenance(found) == without_provenance(expected)
    assert found["provenance.md"] != expected["provenance.md"]


def test_a_report_written_again_is_the_same_and_the_runs_stay_as_they_were(made):
    folder, expected = made
    runs = contents(folder / "runs")
    assert main(["report", str(folder / "runs"), "--out", str(folder / "out")]) == 0
    assert without_provenance(contents(folder / "out")) == without_provenance(expected)
    assert contents(folder / "runs") == runs


def test_it_has_every_table_and_every_figure(made):
    names = {name.partition(".")[0] for name in made[1] if "/" in name}
    assert names == {
        *("tables/table1_scores", "tables/episodes", "tables/aggregates"),
        "tables/performance_profile",
        *("tables/smallest_difference_games", "tables/smallest_difference_corpora", "tables/bleu"),
        *("figures/stability_games", "figures/stability_corpora", "figures/performance_profile"),
        *("figures/learning_evaluation_Pong", "figures/learning_training_Pong"),
        *("figures/quantiles_Pong", "figures/weight_norm_games", "figures/bleu_epochs_grammar"),
    }
    for name, data in made[1].items():
        start = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-"}.get(Path(name).suffix, b"")
        assert data.startswith(start)


def test_files_say_nothing_of_the_machine(made):
    folder, files = made
    for name, data in without_provenance(files).items():
        assert str(folder).encode() not in data, name
        assert os.uname().nodename.encode() + b":" not in data, name
        assert re.search(rb"/CreationDate|tIME", data) is None, name


class Sources(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.sources = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.sources += [value for key, value in attributes if key in ("src", "srcset", "data")]


def test_the_page_holds_its_pictures_itself_and_no_script(made):
    read = Sources(made[1]["report.html"].decode())
    assert read.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "base"})
    pictures = [name for name in made[1] if name.endswith(".png")]
    assert len(read.sources) == len(pictures)
    assert all(source.startswith("data:image/png;base64,") for source in read.sources)


def test_hostile_names_of_corpora_and_games_are_text_everywhere(tmp_path):
    name = "<script>alert(1)</script>"
    odd = game_run(tmp_path / "runs", "Pong", "none", 0.0, 0, [1.0])
    edit_json(odd.path / "config.json", recipe=odd.config["recipe"] | {"game": 'a|b$x_1$ "\n[1]'})
    odd = translation_run(tmp_path / "runs", "grammar", "none", 0.0, 0, (1.0, 2.0))
    edit_json(odd.path / "config.json", recipe=odd.config["recipe"] | {"data": name})
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    # a folder's name is what stands behind its last slash
    assert "<td>script&gt;</td>" in page
    assert "<th>a|b$x_1$ &quot;?[1]</th>" in page
    assert r"a\|b\$x\_1\$ " in (tmp_path / "out" / "report.md").read_text()
    assert r"a\textbar{}b\$x\_1\$ " in (tmp_path / "out/tables/table1_scores.tex").read_text()


def refused(capsys, *argv):
    """The one message of a command that exits with code 2."""
    assert main(["report", *map(str, argv)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    (message,) = found.err.splitlines()
    assert message.startswith("wdbench: error: ")
    return message


@pytest.mark.parametrize("last", ["0", "-1"])
def test_last_is_above_zero(tmp_path, capsys, last):
    message = refused(capsys, tmp_path, "--out", tmp_path / "out", "--last", last)
    assert message == f"wdbench: error: --last: {last} is not above 0"


def test_a_folder_without_runs_is_an_error_and_makes_nothing(tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    message = refused(capsys, tmp_path / "runs", "--out", tmp_path / "out")
    assert f"{tmp_path / 'runs'} is no run directory and has none below it" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_place_with_other_things_is_refused_before_anything_is_read(tmp_path, capsys, name):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    game_run(tmp_path / "runs", "Pong", "none", 0.0, 0, [1.0])
    before = contents(tmp_path)
    message = refused(capsys, tmp_path / "runs", "--out", tmp_path / name)
    assert f"--out: {tmp_path / name} " in message
    assert contents(tmp_path) == before


def test_bad_runs_are_named_and_the_report_goes_on(tmp_path, capsys):
    for seed in range(3):
        game_run(tmp_path / "runs", "Pong", "none", 0.0, seed, [4.0 + seed])
    truncated, future, good = sorted(p.parent for p in (tmp_path / "runs").rglob("config.json"))
    (truncated / "config.json").write_text('{"format": 1,')
    edit_json(future / "config.json", format=2)
    (tmp_path / "runs" / "web").mkdir()
    (tmp_path / "runs" / "web" / "config.json").write_text('{"name": "of somebody else"}')
    before = contents(tmp_path / "runs")
    with figures():
        assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    provenance = (tmp_path / "out" / "provenance.md").read_text().replace("\\", "")
    for path in (truncated, future, tmp_path / "runs" / "web"):
        assert f"left out: {path}" in said
        assert f"* left out: {path}" in provenance
    assert contents(tmp_path / "runs") == before
    table = (tmp_path / "out" / "tables" / "table1_scores.csv").read_text().splitlines()
    score = 4.0 + Run.at(good).config["member"]["seed"]
    assert table[1].startswith(f"none,0.0,Pong,{score},,1,1,0,")


def test_the_last_evaluations_are_those_that_last_says(tmp_path):
    game_run(tmp_path / "runs", "Pong", "none", 0.0, 0, [1.0, 3.0, 7.0])
    out = tmp_path / "out"
    with figures():
        assert main(["report", str(tmp_path / "runs"), "--out", str(out), "--last", "2"]) == 0
    assert "none,0.0,Pong,5.0," in (out / "tables" / "table1_scores.csv").read_text()


def test_runs_that_have_only_begun_make_a_report(tmp_path):
    game_run(tmp_path / "runs", "Pong", "none", 0.0, 0, [], "unfinished")
    translation_run(tmp_path / "runs", "grammar", "l2", 1e-3, 0, (1.0, 1.0), status="failed")
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "1 runs on Pong: 0 finished, 0 diverged, 1 unfinished." in text
    assert "1 runs on grammar: 0 finished, 0 diverged, 1 unfinished." in text


GRID = """\
workload: rl
base: {iterations: 3, training_steps: 1000, evaluation_steps: 500, warm_up: 100}
axes: {game: Pong, scheme: [none, l2], weight_decay: 1.0e-3, seed: [0, 1, 2]}
"""


def test_with_its_grid_a_report_counts_what_is_missing_and_leaves_out_the_rest(tmp_path, capsys):
    (tmp_path / "grid.yaml").write_text(GRID)
    for scheme, decay, seeds in (("none", 0.0, 2), ("l2", 1e-3, 3), ("decoupled", 1e-3, 3)):
        for seed in range(seeds):
            game_run(tmp_path / "runs", "Pong", scheme, decay, seed, [1.0 + seed], warm_up=100)
    argv = [
        "report",
        tmp_path / "runs",
        "--out",
        tmp_path / "out",
        "--grid",
        tmp_path / "grid.yaml",
    ]
    with figures():
        assert main(list(map(str, argv))) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "6 runs on Pong: 5 finished, 0 diverged, 0 unfinished, 1 missing." in text
    assert "1.5 ± 0.7<br>seeds 2/3" in text
    assert "decoupled |" not in text
    assert "3 runs that the grid file does not name: left out" in capsys.readouterr().err


def test_only_the_chosen_runs_are_reported(tmp_path):
    for scheme, decay in (("none", 0.0), ("l2", 1e-3), ("decoupled", 1e-3)):
        game_run(tmp_path / "runs", "Pong", scheme, decay, 0, [1.0])
    argv = ["report", tmp_path / "runs", "--out", tmp_path / "out", "--only", "scheme=none,l2"]
    with figures():
        assert main(list(map(str, argv))) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "2 runs on Pong" in text
    assert "decoupled |" not in text


def test_a_number_beyond_float32_is_named_and_ends_nothing(tmp_path, capsys):
    run = game_run(tmp_path / "runs", "Pong", "none", 0.0, 0, [1.0, 2.0], rows=[inside(1000)])
    game_run(tmp_path / "runs", "Pong", "l2", 1e-3, 0, [1.0, 2.0])
    row = '{"iteration": 2, "agent_steps": 3000, "eval/return": %s}\n'
    with (run.path / "eval.jsonl").open("a") as file:
        file.write(row % "1e308")
        file.write((row % ("9" * 400)).replace("3000", "4000"))
    for command in (
        ["report", tmp_path / "runs", "--out", tmp_path / "out"],
        ["table", tmp_path / "runs"],
        ["plot", tmp_path / "runs", "--out", tmp_path / "plot.png"],
    ):
        assert main(list(map(str, command))) == 0
        told = capsys.readouterr().err
        assert "line 3 is damaged: eval/return is beyond 3.4e+38" in told
        assert "and 1 more lines" in told
    assert "| none | - | 1.5 ± -" in (tmp_path / "out" / "report.md").read_text()
