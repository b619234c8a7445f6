"""`wdbench completion SHELL`: the script, as a shell runs it."""

import shutil
import subprocess

import pytest

from suite.__main__ import main
from suite.registry import names

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
_shtab_wdbench
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """What bash offers for the last word of a command line."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    script = tmp_path_factory.mktemp("completion") / "wdbench"
    with pytest.MonkeyPatch.context() as patch, script.open("w") as stream:
        patch.setattr("sys.stdout", stream)
        assert main(["completion", "bash"]) == 0

    def complete(*words):
        command = ["bash", "-c", ASK, "bash", script, "wdbench", *words]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return set(answer.stdout.split())

    return complete


def test_commands_of_the_suite_and_of_the_workloads_are_offered(completed):
    assert {"run", "report", "completion", "prepare", "watch", "sharpness"} <= completed("")
    assert completed("run", "") == set(names())
    assert completed("demo", "") == set(names())


def test_flags_are_offered_with_dashes(completed):
    assert completed("run", "rl", "--weight") == {"--weight-decay"}
    assert completed("report", "runs", "--gr") == {"--grid"}


def test_choices_are_offered(completed):
    models = {"resnet8", "resnet18", "resnet50", "densenet121", "vgg16"}
    assert completed("run", "vision", "--model", "") == models
    assert "cautious" in completed("run", "nlp", "--scheme", "ca")


def test_files_are_offered_where_a_file_is_expected(completed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").touch()
    assert completed("batch", "gr") == {"grid.yaml"}
