"""Preparation of images: what lies on disk, what is made again, and mistakes."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from suite.commands.arguments import Parser
from tests.vision.data.archives import cifar10, md5
from vision.data import prepare as preparing
from vision.data import published
from vision.data.command import main
from vision.data.images import Split, read_split, write_split
from vision.data.prepare import prepare
from vision.data.prepared import ImageSpec, Prepared
from workload import stages
from workload.errors import ConfigError


def split(count, seed):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return Split(images, np.arange(count) % 2)


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write_split(folder / "train.npz", split(6, 0))
    write_split(folder / "test.npz", split(4, 1))
    return folder


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An archive whose checksum is the published one."""
    path = cifar10(tmp_path / "elsewhere.tar.gz")
    changed = dataclasses.replace(published.PUBLISHED["cifar10"], md5=md5(path))
    monkeypatch.setitem(published.PUBLISHED, "cifar10", changed)
    return path


def test_moments_are_those_of_the_training_images(own, tmp_path):
    prepared = prepare(str(own), tmp_path / "data")
    pixels = split(6, 0).images.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(prepared.mean, pixels.mean(0), rtol=1e-14)
    np.testing.assert_allclose(prepared.std, pixels.std(0), rtol=1e-14)
    assert (prepared.train, prepared.test, prepared.side) == (6, 4, (4, 4))
    np.testing.assert_array_equal(prepared.read().test.images, split(4, 1).images)
    assert prepared == Prepared.open(tmp_path / "data" / "mine" / "all")


def test_variants_lie_beside_each_other(own, tmp_path):
    prepared = prepare(str(own), tmp_path / "data", subset=3, test_subset=2, pool=2)
    assert prepared.folder == tmp_path / "data" / "mine" / "subset-3-test-2-pool-2"
    assert (prepared.train, prepared.test, prepared.side) == (3, 2, (2, 2))
    wanted = split(6, 0).subset(3).pooled(2)
    np.testing.assert_array_equal(prepared.read().train.images, wanted.images)
    prepare(str(own), tmp_path / "data")
    assert {path.name for path in (tmp_path / "data" / "mine").iterdir()} == {
        "all",
        "subset-3-test-2-pool-2",
    }


def test_nothing_is_made_twice(own, tmp_path, monkeypatch):
    prepare(str(own), tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "_make", None)
        prepare(str(own), tmp_path / "data")
    write_split(own / "test.npz", split(3, 5))
    assert prepare(str(own), tmp_path / "data").test == 3


def test_archive_is_kept_for_the_next_variant(archive, tmp_path):
    prepare("cifar10", tmp_path / "data", archive=archive)
    archive.unlink()
    prepared = prepare("cifar10", tmp_path / "data", pool=2)
    assert prepared.side == (16, 16)
    assert prepared.classes == ("plane", "car", "bird")


def test_archive_with_another_checksum(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"not the published cifar-10-binary.tar.gz: md5 "):
        prepare("cifar10", tmp_path / "data", archive=archive)
    assert not (tmp_path / "data").exists()


def test_download_that_is_not_the_published_file_is_kept_and_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "download", lambda url, path, progress: _write(path, b"page"))
    with pytest.raises(ConfigError, match=r"cannot download .*md5 .*kept in .*partial"):
        prepare("cifar10", tmp_path / "data")
    assert [p.name for p in (tmp_path / "data" / "cifar10").rglob("*") if p.is_file()] == [
        "cifar-10-binary.tar.gz.partial"
    ]


def test_download_that_is(archive, tmp_path, monkeypatch):
    content = archive.read_bytes()
    monkeypatch.setattr(preparing, "download", lambda url, path, progress: _write(path, content))
    assert prepare("cifar10", tmp_path / "data").train == 10
    monkeypatch.setattr(preparing, "download", None)
    assert prepare("cifar10", tmp_path / "data", subset=4).train == 4


@pytest.mark.parametrize("links", [True, False])
def test_a_failure_beside_the_download_does_not_lose_it(archive, tmp_path, monkeypatch, links):
    """The disk is full as its record is written: the same command goes on without a download."""
    content = archive.read_bytes()
    monkeypatch.setattr(preparing, "download", lambda url, path, progress: _write(path, content))
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _no_space)
    with monkeypatch.context() as full:
        full.setattr(stages, "write_record", _no_space)
        with pytest.raises(OSError, match="No space left"):
            prepare("cifar10", tmp_path / "data")
    (kept,) = (p for p in (tmp_path / "data").rglob("*") if p.is_file())
    assert kept.read_bytes() == content
    monkeypatch.setattr(preparing, "download", None)
    assert prepare("cifar10", tmp_path / "data").train == 10
    assert not (tmp_path / "data" / "cifar10" / "download").exists()


def _no_space(*_arguments):
    raise OSError(28, "No space left on device")


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_shapes_need_nothing(tmp_path):
    prepared = prepare("shapes", tmp_path / "data", subset=100, test_subset=50)
    assert (prepared.train, prepared.test, prepared.side) == (100, 50, (16, 16))


def test_real_images_pooled(cifar10_lossless, tmp_path):
    """Against a plain mean of their 2 x 2 squares in float64."""
    prepared = prepare(str(cifar10_lossless), tmp_path / "data", subset=100, pool=2)
    raw = read_split(cifar10_lossless / "test.npz").images.astype(np.float64)
    squares = (raw[:, ::2, ::2] + raw[:, 1::2, ::2] + raw[:, ::2, 1::2] + raw[:, 1::2, 1::2]) / 4
    np.testing.assert_array_equal(prepared.read().test.images, np.rint(squares))
    assert len(prepared.classes) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subset": 7}, r"subset: 7 is more than the 6 train images of mine"),
        ({"test_subset": 5}, r"test_subset: 5 is more than the 4 test images"),
        ({"pool": 3}, r"pool: 3 does not divide the 4 x 4 pixels"),
        ({"pool": 0}, r"pool: 0 is no number of pixels"),
        ({"subset": -1}, r"subset: -1 is negative"),
        ({"archive": "x"}, r"archive: goes with cifar10 or cifar100 or tiny-imagenet alone"),
    ],
)
def test_mistakes_leave_nothing(own, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        prepare(str(own), tmp_path / "data", **changes)
    assert not (tmp_path / "data").exists()


def test_names_that_are_none(tmp_path):
    with pytest.raises(ConfigError, match=r"'cifar11' is none of cifar10, .* and no folder"):
        prepare("cifar11", tmp_path / "data")
    (tmp_path / "shapes").mkdir()
    with pytest.raises(ConfigError, match="rename the folder"):
        prepare(str(tmp_path / "shapes"), tmp_path / "data")


def test_other_folder_of_the_same_name(own, tmp_path):
    prepare(str(own), tmp_path / "data")
    other = tmp_path / "other" / "mine"
    other.mkdir(parents=True)
    write_split(other / "train.npz", split(5, 3))
    write_split(other / "test.npz", split(5, 4))
    with pytest.raises(ConfigError, match="which holds other images; rename"):
        prepare(str(other), tmp_path / "data", pool=2)
    assert [path.name for path in (tmp_path / "data" / "mine").iterdir()] == ["all"]
    copy = tmp_path / "copy" / "mine"
    shutil.copytree(own, copy)
    assert prepare(str(copy), tmp_path / "data", pool=2).side == (2, 2)
    with pytest.raises(ConfigError, match="which holds other images; rename"):
        prepare(str(other), tmp_path / "data")


def test_damaged_preparation_is_noticed(own, tmp_path):
    folder = prepare(str(own), tmp_path / "data").folder
    content = bytearray((folder / "train.npz").read_bytes())
    content[200] ^= 1
    (folder / "train.npz").write_bytes(content)
    with pytest.raises(ConfigError, match="is not what was prepared"):
        Prepared.open(folder)
    assert Prepared.open(prepare(str(own), tmp_path / "data").folder).train == 6


def test_command_says_what_there_is(own, tmp_path, capsys):
    arguments = [str(own), "--pool", "2", "--data-dir", str(tmp_path / "data")]
    assert main(Parser("wdbench prepare", "prepare"), arguments) == 0
    assert capsys.readouterr().out == (
        "6 images to train on and 4 to test on, 2 x 2 pixels, 2 classes\n"
        f"ready in {tmp_path / 'data' / 'mine' / 'pool-2'}\n"
    )


def test_command_that_makes_it(tmp_path):
    spec = ImageSpec("cifar10", 4000, 5085, 2)
    assert spec.command(tmp_path, "cifar10") == (
        f"wdbench prepare cifar10 --subset 4000 --test-subset 5085 --pool 2 --data-dir {tmp_path}"
    )
    assert json.dumps(spec.variant) == '"subset-4000-test-5085-pool-2"'
