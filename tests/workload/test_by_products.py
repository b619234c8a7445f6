"""What no result depends on ends nothing; what does is named where the system refuses it."""

import errno
import os

import pytest
import torch

from workload.by_products import by_product, discard
from workload.files import write_json, write_whole


def refuse(*_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_by_product_that_cannot_be_written_is_told_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("os.fsync", refuse)
    for _ in range(3):
        with by_product(tmp_path / "progress.json"):
            write_json(tmp_path / "progress.json", {})
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"wdbench: {tmp_path / 'progress.json'}: Input/output error")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_put_aside(tmp_path, capsys):
    (tmp_path / "progress.json" / "something").mkdir(parents=True)
    write_json(tmp_path / "progress.json", {})
    assert (tmp_path / "progress.json.damaged" / "something").is_dir()
    assert (tmp_path / "progress.json").read_text() == "{}\n"
    assert "it is progress.json.damaged from here on" in capsys.readouterr().err


def test_what_cannot_be_deleted_stays_and_is_told(tmp_path, capsys):
    (tmp_path / "001.pt").mkdir()
    discard(tmp_path / "001.pt")
    assert str(tmp_path / "001.pt") in capsys.readouterr().err


def test_a_run_that_was_taken_away_is_no_by_product(tmp_path):
    with pytest.raises(FileNotFoundError), by_product(tmp_path / "gone" / "progress.json"):
        write_json(tmp_path / "gone" / "progress.json", {})


def test_an_error_of_the_disk_within_torch_save_names_the_file_and_the_error(tmp_path):
    def content(stream):
        stream.write = refuse
        torch.save({"weights": torch.zeros(1000)}, stream)

    with pytest.raises(OSError, match="Input/output error") as caught:
        write_whole(tmp_path / "001.pt", content)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(tmp_path / "001.pt"))
    assert not any(tmp_path.iterdir())
