"""`wdbench prepare IMAGES`: download or take images, and keep them as training opens them."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from vision.data.prepare import prepare
from vision.data.prepared import Prepared
from workload.output import say, stage_line
from workload.stages import tidy_on_sigterm


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument(
        "images",
        metavar="IMAGES",
        help="cifar10, cifar100, tiny-imagenet, shapes, or a folder with train.npz and test.npz "
        "(images, labels), or with train/CLASS/*.png and test/CLASS/*.png",
    )
    parser.add_argument("--archive", type=Path, metavar="FILE", help="the archive: no download")
    parser.add_argument(
        "--subset", type=int, default=0, metavar="N", help="images to train on; 0 takes all"
    )
    for flag in ("--test_subset", "--test-subset"):
        parser.add_argument(
            flag, type=int, default=0, metavar="N", help="images to test on; 0 takes all"
        )
    parser.add_argument(
        "--pool", type=int, default=1, metavar="N", help="average squares of N x N pixels"
    )
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag, type=Path, default=Path("data"), metavar="DIR", help="where images are kept"
        )
    values = parser.parse_args(arguments)
    with tidy_on_sigterm(), stage_line() as show:
        prepared = prepare(
            values.images,
            values.data_dir,
            subset=values.subset,
            test_subset=values.test_subset,
            pool=values.pool,
            archive=values.archive,
            progress=show,
        )
    say(summary(prepared))
    return 0


def summary(prepared: Prepared) -> str:
    """How many images of what size in how many classes, and where they are."""
    height, width = prepared.side
    return (
        f"{prepared.train:,} images to train on and {prepared.test:,} to test on, "
        f"{height} x {width} pixels, {len(prepared.classes)} classes\nready in {prepared.folder}"
    )
