"""Archives laid out like the published ones, with few images."""

import hashlib
import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

CLASSES = ["plane", "car", "bird"]


def cifar_images(count, seed):
    """Labels [N] and images [N, 32, 32, 3]."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(CLASSES), count)
    return labels, random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def record(label_bytes, image):
    """A record as the publisher describes it: labels, then all red bytes row by row, all green
    ones, all blue ones."""
    content = bytearray(label_bytes)
    for channel in range(3):
        for y in range(32):
            for x in range(32):
                content.append(image[y, x, channel])
    return bytes(content)


def tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def cifar10(path, count=2):
    """Five training files and a test file of `count` images each."""
    root = "cifar-10-batches-bin"
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    files = {f"{root}/batches.meta.txt": ("\n".join(CLASSES) + "\n\n").encode()}
    for seed, name in enumerate(names):
        labels, images = cifar_images(count, seed)
        files[f"{root}/{name}"] = b"".join(
            record([label], image) for label, image in zip(labels, images, strict=True)
        )
    return tar(path, files)


def cifar100(path, count=3):
    root = "cifar-100-binary"
    files = {f"{root}/fine_label_names.txt": "\n".join(CLASSES).encode()}
    for seed, name in enumerate(("train.bin", "test.bin")):
        labels, images = cifar_images(count, seed)
        files[f"{root}/{name}"] = b"".join(
            record([77, label], image) for label, image in zip(labels, images, strict=True)
        )
    return tar(path, files)


def jpeg(colour, side=64, mode="RGB"):
    stream = io.BytesIO()
    Image.new(mode, (side, side), colour).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def tiny_imagenet(path, colours):
    """A training and a validation image of one colour for each WordNet number."""
    root = "tiny-imagenet-200"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/wnids.txt", "\n".join(reversed(list(colours))))
        rows = []
        for i, (name, colour) in enumerate(colours.items()):
            mode = "L" if isinstance(colour, int) else "RGB"
            picture = jpeg(colour, mode=mode)
            archive.writestr(f"{root}/train/{name}/images/{name}_0.JPEG", picture)
            archive.writestr(f"{root}/val/images/val_{i}.JPEG", picture)
            archive.writestr(f"{root}/test/images/test_{i}.JPEG", picture)
            rows.append(f"val_{i}.JPEG\t{name}\t0\t0\t62\t62")
        archive.writestr(f"{root}/val/val_annotations.txt", "\n".join(rows) + "\n")
    return path


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()
