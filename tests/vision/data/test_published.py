"""Archives as the publishers lay them out, read back to the images that were put in."""

import numpy as np
import pytest

from tests.vision.data.archives import CLASSES, cifar10, cifar100, cifar_images, tar, tiny_imagenet
from vision.data.published import read_cifar10, read_cifar100, read_tiny_imagenet
from workload.errors import ConfigError


def nothing(*_progress):
    pass


def test_cifar10_is_its_five_training_files_in_order(tmp_path):
    images = read_cifar10(cifar10(tmp_path / "a.tar.gz"), nothing)
    wanted = [cifar_images(2, seed) for seed in range(6)]
    np.testing.assert_array_equal(images.train.images, np.concatenate([w[1] for w in wanted[:5]]))
    np.testing.assert_array_equal(images.train.labels, np.concatenate([w[0] for w in wanted[:5]]))
    np.testing.assert_array_equal(images.test.images, wanted[5][1])
    np.testing.assert_array_equal(images.test.labels, wanted[5][0])
    assert images.classes == tuple(CLASSES)


def test_cifar100_takes_the_fine_labels(tmp_path):
    images = read_cifar100(cifar100(tmp_path / "a.tar.gz"), nothing)
    labels, pixels = cifar_images(3, 0)
    np.testing.assert_array_equal(images.train.labels, labels)
    np.testing.assert_array_equal(images.train.images, pixels)
    np.testing.assert_array_equal(images.test.labels, cifar_images(3, 1)[0])


def test_tiny_imagenet_tests_on_the_validation_images(tmp_path):
    """One colour a class; a grey picture has three equal channels; classes are sorted."""
    colours = {"n02": (200, 30, 60), "n01": 120, "n03": (10, 220, 90)}
    images = read_tiny_imagenet(tiny_imagenet(tmp_path / "tiny.zip", colours), nothing)
    assert images.classes == ("n01", "n02", "n03")
    for split in (images.train, images.test):
        assert sorted(split.labels) == [0, 1, 2]
        for picture, label in zip(split.images, split.labels, strict=True):
            wanted = np.broadcast_to(colours[images.classes[label]], 3)
            assert np.abs(picture.astype(int) - wanted).max() <= 2  # JPEG rounds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-100], r"cannot be read as an archive"),
        (lambda content: b"nothing", r"cannot be read as an archive"),
    ],
)
def test_truncated_or_foreign_archive(tmp_path, change, message):
    path = cifar10(tmp_path / "a.tar.gz")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ConfigError, match=message):
        read_cifar10(path, nothing)


def test_archive_without_a_file(tmp_path):
    path = tar(tmp_path / "a.tar.gz", {"cifar-10-batches-py/data_batch_1": b"pickle"})
    with pytest.raises(ConfigError, match=r"has no data_batch_1.bin"):
        read_cifar10(path, nothing)


def test_records_that_are_cut_off(tmp_path):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin", "batches.meta.txt"]
    path = tar(tmp_path / "a.tar.gz", dict.fromkeys(names, b"x" * 4000))
    with pytest.raises(ConfigError, match=r"20,000 bytes are no whole records of 3,073"):
        read_cifar10(path, nothing)


def test_label_out_of_range(tmp_path):
    """A class more than there are names."""
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    files = dict.fromkeys(names, bytes([3]) + bytes(3072)) | {"batches.meta.txt": b"a\nb\nc"}
    with pytest.raises(ConfigError, match=r"labels from 3 to 3; with 3 classes .* from 0 to 2"):
        read_cifar10(tar(tmp_path / "a.tar.gz", files), nothing)
