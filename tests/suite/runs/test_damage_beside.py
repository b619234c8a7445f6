"""A damaged run ends no command for the others: each file of a finished run is damaged, and every
command that takes several runs still shows the sound one beside it.

In CI folders lie in the place of some records of images and language models; with
WDBENCH_EVERY_DAMAGE in the environment every file of every workload is damaged in all six ways.
"""

import re
import shutil
from pathlib import Path

import pytest

from suite.__main__ import main
from tests.suite.runs.damage import (
    DAMAGES,
    WORKLOADS,
    Built,
    files_of,
    folder_in_its_place,
    quick,
)
from tests.suite.runs.test_damage import EVERY

pytestmark = pytest.mark.slow

SOME = {
    "vision": ("eval.jsonl", "meta.json", "sharpness.json"),
    "lm": ("done.json", "metrics.jsonl"),
}
CASES = [(w, damage) for w in WORKLOADS for damage in DAMAGES]
GRID = """workload: {workload}
base: {{{base}}}
axes: {{scheme: [l2], weight_decay: [1.0e-3], seed: [0, 1]}}
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Makes, for a workload, a folder with the grid's two finished runs, of seed 0 and 1, and
    the flag for their data."""
    built, made = Built(tmp_path_factory.mktemp), {}

    def pair(workload):
        if workload not in made:
            made[workload] = folder = tmp_path_factory.mktemp(f"{workload}-pair")
            with pytest.MonkeyPatch.context() as patch:
                quick(patch)
                built.copy(workload, "finished", folder / "both")
                patch.chdir(folder / "both")
                words = built.command(workload)
                assert main([*words, "--seed=1"]) == 0
                (folder / "both" / "grid.yaml").write_text(grid(workload, words))
        return made[workload] / "both", built.command(workload)[-1]

    return pair


def grid(workload, words):
    """The grid file of the two runs that a command line trains."""
    pairs = [word.removeprefix("--").split("=", 1) for word in words[2:]]
    values = {key.replace("-", "_"): value for key, value in pairs}
    preset = values.pop("preset", None)
    for key in ("scheme", "weight_decay", "runs"):
        values.pop(key)
    text = GRID.format(
        workload=workload, base=", ".join(f"{key}: {value}" for key, value in values.items())
    )
    return text + (f"preset: {preset}\n" if preset else "")


def commands(workload, seed_0, seed_1, data):
    """How each command is called, and what of its output shows the run of seed 1, by name."""
    found = {
        "table": (["runs"], r"0\.001 +1 +finished"),
        "plot": (["runs", "--out=compare.png"], "compare.png"),
        "report": (["runs", "--out=report"], "report/"),
        "dump": (["runs", "--out=dumped"], "dumped/rows.csv"),
        "status": (["grid.yaml"], "[12]/2"),
        "verify": (["runs"], "[12] runs?, "),
    }
    if workload == "vision":
        few = ("--draws=1", "--probes=1", "--images=8", "--device=cpu", data)
        found["sharpness"] = [str(seed_0), str(seed_1), *few], seed_1.name
    if workload == "rl":
        few = ("--episodes=1", "--device=cpu")
        found["evaluate"] = [str(seed_0), str(seed_1), *few], seed_1.name
    return found


@pytest.mark.parametrize(
    ("workload", "damage"), CASES if EVERY else [(w, folder_in_its_place) for w in SOME]
)
def test_every_command_shows_the_sound_run(pairs, workload, damage, tmp_path, monkeypatch, capsys):
    both, data = pairs(workload)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    seed_0, seed_1 = sorted(path.relative_to(both) for path in both.glob("runs/*/*/*/*"))
    for file in files_of(both / seed_0) if EVERY else SOME[workload]:
        folder = tmp_path / file.replace("/", "-")
        shutil.copytree(both, folder)
        monkeypatch.chdir(folder)
        damage(seed_0 / file)
        for name, (words, evidence) in commands(workload, seed_0, seed_1, data).items():
            where = f"{name}, {file}, {damage.__name__}"
            capsys.readouterr()
            code = main([name, *words])
            out, error = capsys.readouterr()
            assert code in ((0, 1) if name == "verify" else (0,)), f"{where}: {error}"
            assert re.search(evidence, out), f"{where}: {out} {error}"
        assert f",{seed_1}," in Path("dumped/rows.csv").read_text().replace("\n", ","), where
