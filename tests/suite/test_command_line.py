"""The commands as a shell starts them."""

import errno
import importlib.metadata
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import suite.__main__ as commands
from tests.suite.fake_training import metrics_row
from tests.suite.run_files import make_run

HEAVY = (
    "torch",
    "lightning",
    "matplotlib",
    "tensorboard",
    "gymnasium",
    "ale_py",
    "rich",
    "fairseq",
)


def shell(*code_or_module):
    return subprocess.run(
        [sys.executable, *code_or_module], capture_output=True, text=True, timeout=60
    )


HELPS = [
    ["--help"],
    ["run", "--help"],
    *(["run", name, "--help"] for name in ("rl", "nlp", "vision", "lm")),
]


@pytest.mark.parametrize("argv", [*HELPS, ["plot", "--help"]])
def test_help_imports_nothing_heavy(argv):
    code = (
        "import sys\nfrom suite.__main__ import main\n"
        f"try:\n    main({argv})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    answer = shell("-c", code)
    assert answer.stderr == "[]\n"
    assert "usage: " in answer.stdout


def test_the_list_of_commands_is_printed_without_what_only_commands_need():
    """Metadata of packages, a reader of files, arrays and reports: a third of a second of CPU time
    together."""
    code = "import sys\nfrom suite.__main__ import main\nmain(['--help'])\nprint(*sys.modules)"
    imported = set(shell("-c", code).stdout.splitlines()[-1].split())
    assert all(f"{each}.workload" in imported for each in ("rl", "nlp", "vision", "lm"))
    assert not imported & {"importlib.metadata", "jsonargparse", "yaml", "numpy"}
    assert not imported & {"workload.report", "rl.report", "nlp.report", "vision.report"}


def test_python_m_suite_wdbench_and_lightning_are_one_command(capsys):
    answer = shell("-m", "suite", "run", "rl", "--scheme", "l3")
    assert answer.returncode == 2
    for command in (commands.main, commands.lightning):
        assert command(["run", "rl", "--scheme", "l3"]) == 2
        assert capsys.readouterr().err == answer.stderr


def test_the_version_is_the_installed_ones(capsys):
    assert commands.main(["--version"]) == 0
    assert capsys.readouterr().out == f"wdbench {importlib.metadata.version('wdbench')}\n"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, capsys):
    run = make_run(tmp_path, rows=[metrics_row(1000)])
    file = run.path / "config.json"
    assert commands.main(["plot", str(run.path), "--out", str(file / "a.png")]) == 2
    assert capsys.readouterr().err == f"wdbench: error: {file}: File exists\n"


def test_help_of_run_shows_names_units_defaults_and_choices(capsys):
    with pytest.raises(SystemExit) as leaving:
        commands.main(["run", "rl", "--help"])
    assert leaving.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--gamma X discount per agent step (a number; default 0.99)" in text
    assert "--replay-capacity N" in text
    assert "--device {auto,cpu,cuda}" in text


def entry_point(name, module):
    point = importlib.metadata.EntryPoint(name, f"{module}:main", "console_scripts")
    return importlib.metadata.EntryPoints([point])


def install_other(monkeypatch):
    """Another distribution's console script `lightning`, which exits with 42."""
    other = entry_point("lightning", "tests.suite.other_lightning")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: other)


def test_lightning_passes_what_is_not_ours_to_the_other_lightning(monkeypatch, capsys):
    install_other(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    assert commands.lightning(["login", "--key", "x"]) == 42
    assert sys.argv == ["lightning", "login", "--key", "x"]
    assert capsys.readouterr().out == "the other lightning\n"


def test_lightning_keeps_run_rl_beside_another_lightning(monkeypatch, capsys):
    install_other(monkeypatch)
    assert commands.lightning(["run", "rl", "--scheme", "l3"]) == 2
    assert "'l3' is not one of" in capsys.readouterr().err


def test_lightning_alone_answers_everything(monkeypatch, capsys):
    ours = entry_point("lightning", "suite.__main__")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: ours)
    assert commands.lightning(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: lightning COMMAND")


def test_lightning_run_model_is_fabric_run(monkeypatch):
    seen = []
    fabric = SimpleNamespace(_main=lambda: seen.append(list(sys.argv)))
    monkeypatch.setitem(sys.modules, "lightning.fabric.cli", fabric)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    assert commands.lightning(["run", "model", "train.py", "--devices", "2"]) == 0
    assert seen == [["fabric", "run", "train.py", "--devices", "2"]]


def test_lightning_run_model_without_click_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "lightning.fabric.cli", SimpleNamespace())
    assert commands.lightning(["run", "model", "train.py"]) == 2
    assert "pip install click" in capsys.readouterr().err


def test_a_file_system_for_reading_alone_is_an_error_of_input(monkeypatch, capsys):
    def write(argv, prog):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "runs/plot.png")

    monkeypatch.setattr("suite.commands.plot.main", write)
    assert commands.main(["plot", "runs"]) == 2
    assert capsys.readouterr().err == "wdbench: error: runs/plot.png: Read-only file system\n"
