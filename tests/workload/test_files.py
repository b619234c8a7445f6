"""Whole files and locks."""

import errno
import fcntl
import hashlib
import json
import math
import multiprocessing
import os
import re
import stat

import pytest

from workload.errors import UserError
from workload.files import LockedError, lock, read_json, write_json, write_whole


def test_what_is_written_is_there_with_its_sha256(tmp_path):
    digest = write_whole(tmp_path / "state", lambda stream: stream.write(b"a state"))
    assert (tmp_path / "state").read_bytes() == b"a state"
    assert digest == hashlib.sha256(b"a state").hexdigest()
    assert write_whole(tmp_path / "state", b"another") == hashlib.sha256(b"another").hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_reader_sees_the_old_content_until_the_new_is_whole(tmp_path):
    path = tmp_path / "state"
    write_whole(path, b"old")

    def content(stream):
        stream.write(b"half of")
        stream.flush()
        assert path.read_bytes() == b"old"
        stream.write(b" the new")

    write_whole(path, content)
    assert path.read_bytes() == b"half of the new"


def test_a_record_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch):
    write_json(tmp_path / "meta.json", {"old": True})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "meta.json", {"old": False})
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]
    assert read_json(tmp_path / "meta.json") == {"old": True}


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "done.json").write_text('{"status": ')
    with pytest.raises(UserError, match=r"done\.json is damaged"):
        read_json(tmp_path / "done.json")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "done.json"
    write_json(path, {"status": "finished"})
    with pytest.raises(TypeError):
        write_json(path, {"status": object()})
    assert read_json(path) == {"status": "finished"}


def test_numbers_that_json_does_not_have_are_null(tmp_path):
    path = tmp_path / "done.json"
    write_json(path, {"figures": {"loss": math.nan, "q": [math.inf, 1.0]}, "status": "diverged"})
    value = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert value == {"figures": {"loss": None, "q": [None, 1.0]}, "status": "diverged"}


def hold(path, held, release):
    with lock(path):
        held.set()
        release.wait(30)


def test_a_lock_is_held_by_one_process_which_it_names_until_that_is_gone(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path / "lock", held, release))
    holder.start()
    assert held.wait(30)
    with pytest.raises(LockedError) as refused, lock(tmp_path / "lock"):
        pass
    assert refused.value.holder == f"process {holder.pid} on {os.uname().nodename}"
    holder.kill()
    holder.join()
    with lock(tmp_path / "lock"):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


def test_a_file_system_that_cannot_sync_a_folder_is_good_enough(tmp_path, monkeypatch):
    whole = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        whole(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    message = f"{tmp_path / 'lock'}: its file system has no locks"
    with pytest.raises(UserError, match=re.escape(message)), lock(tmp_path / "lock"):
        pass
