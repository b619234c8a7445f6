"""Free memory under a container's limit."""

import os
import resource
from types import SimpleNamespace

import psutil
import pytest

from workload import resources
from workload.errors import UserError
from workload.wording import amount, duration


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000))
    return tmp_path


def limit(folder, names, maximum, used, cache_line):
    folder.mkdir(exist_ok=True)
    for name, text in zip(names, (maximum, used, f"anon 1\n{cache_line}"), strict=True):
        (folder / name).write_text(f"{text}\n")


V2 = ("memory.max", "memory.current", "memory.stat")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")


def test_without_a_limit_it_is_what_the_system_has_available(cgroup):
    assert resources.free_memory() == 8_000


def test_a_limit_counts_less_what_is_used_but_not_the_page_cache(cgroup):
    limit(cgroup, V2, 5_000, 3_000, "inactive_file 1000")
    assert resources.free_memory() == 3_000


def test_an_unlimited_cgroup_does_not_count(cgroup):
    limit(cgroup, V2, "max", 3_000, "inactive_file 0")
    assert resources.free_memory() == 8_000


def test_the_older_cgroups_count_too(cgroup):
    limit(cgroup / "memory", V1, 5_000, 3_000, "total_inactive_file 500")
    assert resources.free_memory() == 2_500


def test_disk_of_a_folder_that_does_not_exist_yet_is_that_of_its_parent(tmp_path):
    assert resources.free_disk(tmp_path / "a" / "b") > 0
    assert resources.writable(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    assert not resources.writable(tmp_path / "file" / "b")


def test_used_disk_adds_up_the_files_below(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"123")
    assert resources.used_disk(tmp_path) == 8
    assert resources.used_disk(tmp_path / "none") == 0


def test_files_that_vanish_while_they_are_counted_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "walk", lambda path: [(str(tmp_path), [], ["gone", "there"])])
    (tmp_path / "there").write_bytes(b"123")
    assert resources.used_disk(tmp_path) == 3


def test_amounts_and_durations_read_well():
    assert [amount(n) for n in (12, 7066, 7_066_000_000)] == ["12 B", "7.07 kB", "7.07 GB"]
    assert [duration(s) for s in (5, 65, 3720)] == ["5 s", "1 min 05 s", "1 h 02 min"]


@pytest.mark.parametrize(
    ("soft", "hard", "count", "then"),
    [(1024, 4096, 160, 1024), (256, 4096, 160, 360), (256, resource.RLIM_INFINITY, 400, 600)],
)
def test_the_limit_of_open_files_is_raised_as_far_as_needed(monkeypatch, soft, hard, count, then):
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, new: limits.append(new))
    resources.allow_open_files(count)
    assert limits[-1] == (then, hard)


def test_a_limit_that_cannot_be_raised_is_named(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 300))
    with pytest.raises(UserError, match=r"this needs 360 open files, but `ulimit -Hn` allows 300"):
        resources.allow_open_files(160)


def test_more_processes_than_gpus(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    resources.check_device("auto", 2)
    resources.check_device("cpu", 3)
    with pytest.raises(UserError, match="devices: 3 processes take a GPU each, and torch finds 2"):
        resources.check_device("auto", 3)
