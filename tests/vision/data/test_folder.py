"""Anybody's folder of pictures or npz files."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from vision.data.folder import decode, files_of, is_image_folder, read_folder
from vision.data.images import Split, write_split
from workload.errors import ConfigError


def picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pictures(tmp_path):
    """Two classes of 4 x 5 pixels; a grey one among them."""
    random = np.random.default_rng(0)
    for name in ("train/dog/b.png", "train/cat/a.png", "val/dog/c.png"):
        picture(tmp_path / name, random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    picture(tmp_path / "val/cat/grey.png", np.full((4, 5), 99, np.uint8))
    (tmp_path / "train/cat/notes.txt").write_text("no picture")
    return tmp_path


def nothing(*_progress):
    pass


def test_classes_are_sorted_by_name(pictures):
    images = read_folder(pictures, nothing)
    assert images.classes == ("cat", "dog")
    assert images.train.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(
        images.train.images[1], np.asarray(Image.open(pictures / "train/dog/b.png"))
    )
    assert (images.test.images[0] == 99).all()
    assert is_image_folder(pictures)
    assert [path.name for path in files_of(pictures)] == ["a.png", "b.png", "grey.png", "c.png"]


def test_pictures_of_unequal_size_are_named(pictures):
    picture(pictures / "train/dog/z.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"z.png has 4 x 4 pixels, the images before it 4 x 5"):
        read_folder(pictures, nothing)


def test_file_that_is_no_picture_is_named(pictures):
    (pictures / "train/dog/broken.png").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"broken.png cannot be read as an image"):
        read_folder(pictures, nothing)


@pytest.mark.parametrize(("mode", "value"), [("I;16", 40_000), ("I", 40_000), ("F", 0.5)])
def test_pictures_of_more_than_a_byte_per_channel_are_refused(tmp_path, mode, value):
    """Converting them would make all that is above 255 white."""
    file = tmp_path / "deep.tiff"
    Image.new(mode, (4, 4), value).save(file)
    with pytest.raises(ConfigError, match=f"its pixels are {mode}, .* 8 bits per channel"):
        decode(file, "deep", None)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (90, 7), (90, 90, 90)),
        ("P", 0, (0, 0, 0)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (1, 2, 3, 9), (1, 2, 3)),
        ("CMYK", (255, 0, 255, 0), (0, 255, 0)),
    ],
)
def test_pictures_of_a_byte_per_channel_become_colours(tmp_path, mode, colour, expected):
    file = tmp_path / ("picture.tiff" if mode == "CMYK" else "picture.png")
    image = Image.new(mode, (4, 4), colour)
    if mode == "P":
        image.putpalette([0, 0, 0])
    image.save(file)
    assert (decode(file, "picture", (4, 4)) == expected).all()


def test_class_that_is_in_the_test_alone(pictures):
    picture(pictures / "val/emu/x.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"val has the class 'emu', which train has not"):
        read_folder(pictures, nothing)


def test_class_without_images_to_train_on(pictures):
    (pictures / "train/emu").mkdir()
    with pytest.raises(ConfigError, match=r"train/emu has no images \(.png"):
        read_folder(pictures, nothing)


def test_what_programs_hide_is_no_class_and_no_picture(pictures):
    """As Jupyter's folders of checkpoints, and the companions of files that macOS writes."""
    picture(pictures / "train/.ipynb_checkpoints/a.png", np.zeros((4, 5, 3), np.uint8))
    (pictures / "train/cat/._a.png").write_bytes(b"\x00\x05\x16\x07")
    assert read_folder(pictures, nothing).classes == ("cat", "dog")
    assert len(files_of(pictures)) == 4


def test_a_link_to_nothing_and_a_folder_are_no_pictures(pictures):
    (pictures / "val/dog/z.png").symlink_to("nowhere.png")
    with pytest.raises(ConfigError, match=r"z.png is no file, or a link to nothing"):
        files_of(pictures)
    (pictures / "train/cat/folder.png").mkdir()
    with pytest.raises(ConfigError, match=r"folder.png is no file"):
        files_of(pictures)


def test_a_name_that_is_not_utf8(pictures):
    """No record could hold it."""
    os.rename(pictures / "train/dog", os.fsencode(pictures / "train") + b"/d\xff")
    with pytest.raises(ConfigError, match=r"d\\udcff/b.png': its name is not UTF-8; rename it"):
        files_of(pictures)


def test_splits_of_two_kinds(pictures):
    write_split(pictures / "train.npz", Split(np.zeros((2, 4, 5, 3), np.uint8), np.arange(2)))
    with pytest.raises(ConfigError, match=r"has train.npz and a folder train: move one"):
        files_of(pictures)
    shutil.rmtree(pictures / "train")
    with pytest.raises(ConfigError, match=r"has no test.npz or val.npz or valid.npz"):
        files_of(pictures)


@pytest.mark.parametrize(
    ("labels", "wrong"), [([1, 2], 2), ([0, 1, 3_000_000], 3_000_000), ([0, -1], -1)]
)
def test_labels_that_do_not_number_classes(tmp_path, labels, wrong):
    """A class for each number up to the highest would be millions of outputs without an image."""
    images = np.zeros((len(labels), 4, 4, 3), np.uint8)
    for name in ("train", "test"):
        write_split(tmp_path / f"{name}.npz", Split(images, np.array(labels)))
    with pytest.raises(ConfigError, match=f"train.npz has the label {wrong} among .* without a"):
        read_folder(tmp_path, nothing)


def test_label_that_is_in_the_test_alone(tmp_path):
    for name, labels in (("train", [0, 1]), ("test", [0, 5])):
        images = np.zeros((2, 4, 4, 3), np.uint8)
        write_split(tmp_path / f"{name}.npz", Split(images, np.array(labels)))
    with pytest.raises(ConfigError, match="test split has labels from 0 to 5; with 2 classes"):
        read_folder(tmp_path, nothing)


def test_npz_files(tmp_path):
    before = Split(np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3).repeat(3, 0), np.arange(3))
    write_split(tmp_path / "train.npz", before)
    with pytest.raises(ConfigError, match=r"has no test.npz or val.npz or valid.npz"):
        read_folder(tmp_path, nothing)
    write_split(tmp_path / "test.npz", before)
    images = read_folder(tmp_path, nothing)
    assert images.classes == ("0", "1", "2")
    np.testing.assert_array_equal(images.test.images, before.images)
    assert is_image_folder(tmp_path)


def test_other_folders(tmp_path):
    assert not is_image_folder(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "train.de").write_text("Text")
    assert not is_image_folder(tmp_path)
    picture(tmp_path / "train/no_class.png", np.zeros((4, 4, 3), np.uint8))
    assert is_image_folder(tmp_path)
    with pytest.raises(ConfigError, match="has no images in folders of classes"):
        read_folder(tmp_path, nothing)
