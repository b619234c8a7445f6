"""Whatever the moment of a kill and whichever file is damaged: whole states or a named error."""

import hashlib
import os

import pytest

from workload.checkpoint_files import CheckpointFiles
from workload.errors import CheckpointError
from workload.files import TEMPORARY


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def checkpoint(files, step):
    """Write and publish the state of a step; its content is its name."""
    name = f"{step:03d}.pt"
    digest = files.write(name, lambda stream: stream.write(name.encode()))
    entry = {"file": name, "sha256": digest, "position": [step], "rows": 10 * step}
    return files.publish(entry)


@pytest.fixture
def files(tmp_path):
    """Three checkpoints were made, so two are kept: 002.pt and 003.pt."""
    (tmp_path / "run").mkdir()
    files = CheckpointFiles(tmp_path / "run")
    for step in (1, 2, 3):
        checkpoint(files, step)
    return files


def names(files):
    return sorted(path.name for path in files.folder.iterdir())


def test_a_first_state_that_was_never_pointed_to_is_in_nobodys_way(tmp_path):
    (tmp_path / "run").mkdir()
    files = CheckpointFiles(tmp_path / "run")
    files.write("001.pt", lambda stream: stream.write(b"001.pt"))  # and a kill before the pointer
    assert files.entry() is None
    files.write("005.pt", lambda stream: stream.write(b"005.pt"))  # and another
    assert files.entry() is None
    checkpoint(files, 7)
    assert files.entry()["position"] == [7]
    assert names(files) == ["007.pt", "checkpoint.json"]


def test_pointers_that_were_both_lost_are_damage(files):
    files.pointer.unlink()
    files.copy.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.json: is missing"):
        files.entry()
    assert names(files) == ["002.pt", "003.pt"]


def test_of_a_run_that_was_taken_away_nothing_comes_back(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint(CheckpointFiles(tmp_path / "run"), 1)
    assert not any(tmp_path.iterdir())


def test_a_run_without_a_checkpoint_has_none_and_looking_makes_nothing(tmp_path):
    files = CheckpointFiles(tmp_path / "run")
    assert files.entry() is None
    assert files.entry(previous=True) is None
    assert files.sound() is None
    assert not any(tmp_path.iterdir())


def test_the_newest_and_the_one_before_are_kept(files):
    assert names(files) == ["002.pt", "003.pt", "checkpoint.json"]
    assert files.entry() == {
        "file": "003.pt",
        "sha256": hashlib.sha256(b"003.pt").hexdigest(),
        "position": [3],
        "rows": 30,
    }
    assert files.entry(previous=True)["file"] == "002.pt"
    assert [files.sound(previous=p)["file"] for p in (False, True)] == ["003.pt", "002.pt"]


def test_publishing_tells_what_is_kept(tmp_path):
    files = CheckpointFiles(tmp_path)
    kept = [[entry["rows"] for entry in checkpoint(files, step)] for step in (1, 2, 3)]
    assert kept == [[10], [20, 10], [30, 20]]


def test_a_kill_while_a_state_is_written_leaves_the_states_before(files):
    def half(stream):
        stream.write(b"half a")
        raise Killed

    with pytest.raises(Killed):
        files.write("004.pt", half)
    # a killed process does not sweep up what it was writing
    (files.folder / f"004.pt.elsewhere.1{TEMPORARY}").write_bytes(b"half a")
    assert files.sound()["file"] == "003.pt"
    checkpoint(files, 4)
    assert names(files) == ["003.pt", "004.pt", "checkpoint.json"]


def test_a_state_that_was_never_published_is_swept_away_by_the_next(files):
    files.write("004.pt", lambda stream: stream.write(b"a whole state"))
    assert files.sound()["file"] == "003.pt"
    checkpoint(files, 5)
    assert names(files) == ["003.pt", "005.pt", "checkpoint.json"]


@pytest.mark.parametrize("moment", ["replace", "fsync"])
def test_a_kill_while_the_pointer_is_written_leaves_the_one_before(files, moment, monkeypatch):
    digest = files.write("004.pt", lambda stream: stream.write(b"004.pt"))

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "replace":
            patch.setattr(type(files.folder), "replace", kill)
        else:
            patch.setattr(os, "fsync", kill)
        with pytest.raises(Killed):
            files.publish({"file": "004.pt", "sha256": digest, "position": [4]})
    assert files.sound()["file"] == "003.pt"
    assert files.sound(previous=True)["file"] == "002.pt"
    checkpoint(files, 4)
    assert names(files) == ["003.pt", "004.pt", "checkpoint.json"]


def test_a_kill_before_old_states_are_deleted_loses_nothing(files, monkeypatch):
    def kill(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(files.folder), "unlink", kill)
        with pytest.raises(Killed):
            checkpoint(files, 4)
    assert [files.sound(previous=p)["file"] for p in (False, True)] == ["004.pt", "003.pt"]
    checkpoint(files, 5)
    assert names(files) == ["004.pt", "005.pt", "checkpoint.json"]


DAMAGED_POINTERS = (
    b"",
    b"\xff\x00",
    b"[]",
    b"[" * 3000,
    b'{"latest": null}',
    b'{"latest": null, "previous": null}',
    b'{"latest": {"file": "003.pt"}}',
    b'{"latest": {"file": "003.pt", "sha256": "0", "position": ["x"]}, "previous": null}',
    b'{"latest": {"file": "003.pt", "sha256": "0", "position": 3}, "previous": null}',
)


@pytest.mark.parametrize("content", DAMAGED_POINTERS)
def test_two_damaged_pointers_are_named_and_nothing_is_touched(files, content):
    files.pointer.write_bytes(content)
    files.copy.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged: no checkpoint's pointer") as caught:
        files.entry()
    assert caught.value.path == files.pointer
    with pytest.raises(CheckpointError):
        checkpoint(files, 4)
    assert files.pointer.read_bytes() == content
    assert {"002.pt", "003.pt"} <= set(names(files))


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("lost", ["pointer", "copy"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        folder_in_its_place,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text(path.read_text().replace("30", "31")),  # its own digest knows
    ],
    ids=["delete", "folder", "empty", "digit"],
)
def test_one_of_two_pointers_is_enough_and_the_other_comes_back(files, lost, damage, capsys):
    whole = files.pointer.read_text()
    damage(getattr(files, lost))
    assert [files.entry(previous=p)["position"] for p in (False, True)] == [[3], [2]]
    assert (str(files.pointer) in capsys.readouterr().err) == (lost == "pointer")
    checkpoint(files, 4)
    assert [files.entry(previous=p)["position"] for p in (False, True)] == [[4], [3]]
    if not files.copy.is_dir():
        assert files.copy.read_text() == files.pointer.read_text() != whole


def test_states_that_were_taken_away_are_missed(files):
    for path in list(files.folder.iterdir()):
        path.unlink()
    files.folder.rmdir()
    with pytest.raises(CheckpointError, match=r"003\.pt is missing; .*002\.pt is missing"):
        files.sound()


@pytest.mark.parametrize(("damage", "problem"), [("flip", "is damaged"), ("delete", "is missing")])
def test_a_damaged_state_is_named_and_the_one_before_is_taken(files, damage, problem, capsys):
    newest = files.folder / "003.pt"
    if damage == "flip":
        newest.write_bytes(b"003.pu")
    else:
        newest.unlink()
    assert files.sound()["file"] == "002.pt"
    assert f"{newest} {problem}" in capsys.readouterr().err


def test_the_only_state_has_nothing_before_it(tmp_path):
    files = CheckpointFiles(tmp_path)
    checkpoint(files, 1)
    (files.folder / "001.pt").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint before it is known"):
        files.sound()


def test_going_on_from_the_one_before_puts_the_newest_aside(files):
    (files.folder / "003.pt").write_bytes(b"003.pu")
    files.go_on_from(files.sound())
    assert files.sound()["file"] == "002.pt"
    assert files.entry(previous=True) is None
    assert (files.folder / "003.pt.damaged").read_bytes() == b"003.pu"
    checkpoint(files, 3)
    assert names(files) == ["002.pt", "003.pt", "003.pt.damaged", "checkpoint.json"]


def test_what_somebody_else_has_put_there_stays(files):
    for name in ("mine.pt", "003 (copy).pt", "003.pt.backup"):
        (files.folder / name).write_bytes(b"mine")
    checkpoint(files, 4)
    files.forget_previous()
    assert set(names(files)) == {
        "mine.pt", "003 (copy).pt", "003.pt.backup", "004.pt", "checkpoint.json"
    }  # fmt: skip
