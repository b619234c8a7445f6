"""What the suite asks the workload before it trains, and the way through the command line."""

import json

import pytest

from suite.__main__ import main
from tests.vision.runs import prepared, recipe
from vision.config import Machine, Recipe
from vision.workload import WORKLOAD
from workload.errors import UserError
from workload.member import Member


def machine(tmp_path):
    return Machine(device="cpu", data_dir=str(tmp_path / "data"))


def test_data_that_nobody_knows(tmp_path):
    with pytest.raises(UserError, match=r"no folder of images, and .*did you mean cifar10"):
        WORKLOAD.validate(Recipe(data="cifar11"), machine(tmp_path))


def test_schemes_of_the_optimizer(tmp_path):
    separated = [Member("none", 0.0, 0), Member("separated", 1e-4, 0)]
    with pytest.raises(UserError, match="the optimizer sgd has no separated; allowed are none, l2"):
        WORKLOAD.validate_members(Recipe(), separated)
    WORKLOAD.validate_members(Recipe(optimizer="adam"), separated)


def test_how_to_prepare_is_said(tmp_path):
    own = Recipe(subset=4000, pool=2)
    assert WORKLOAD.missing_data(own, machine(tmp_path)) == (
        f"data: cifar10 is not prepared in {tmp_path}/data/cifar10/subset-4000-pool-2; run "
        f"`wdbench prepare cifar10 --subset 4000 --pool 2 --data-dir {tmp_path}/data` first"
    )
    with pytest.raises(UserError, match="is not prepared in"):
        WORKLOAD.check(own, machine(tmp_path), [tmp_path / "run"])


def test_pictures_that_a_network_cannot_halve(tmp_path):
    prepared(tmp_path)
    with pytest.raises(UserError, match=r"vgg16 halves 8 x 8 pixels 5 times; .* multiples of 32"):
        WORKLOAD.check(recipe(model="vgg16"), machine(tmp_path), [tmp_path / "run"])
    WORKLOAD.check(recipe(), machine(tmp_path), [tmp_path / "run"])


def test_drawings_that_are_not_made_yet_are_checked_like_others(tmp_path):
    """A first run with `shapes`: 16 x 16 pixels, pooled to half; nothing is left behind."""
    own = Recipe(data="shapes", subset=200, width=4, epochs=2, pool=2, model="vgg16")
    with pytest.raises(UserError, match=r"vgg16 halves 8 x 8 pixels 5 times"):
        WORKLOAD.check(own, machine(tmp_path), [tmp_path / "run"])
    assert list(tmp_path.iterdir()) == []
    # a pool that does not divide them is told when they are made
    WORKLOAD.check(Recipe(data="shapes", pool=3), machine(tmp_path), [tmp_path / "run"])
    with pytest.raises(UserError, match="pool: 3 does not divide the 16 x 16 pixels"):
        WORKLOAD.prepare_data(Recipe(data="shapes", pool=3), machine(tmp_path))


def test_more_images_than_were_published(tmp_path):
    """Not: too little memory for them."""
    with pytest.raises(UserError, match="subset: 60,000 is more than the 50,000 training images"):
        WORKLOAD.validate(Recipe(data="cifar10", subset=60_000), machine(tmp_path))


def test_updates_are_counted_from_the_images(tmp_path):
    """40 images in batches of 16 are 3 batches an epoch, the last one smaller."""
    prepared(tmp_path)
    places = machine(tmp_path), [tmp_path / "run"]
    WORKLOAD.check(recipe(warm_up=8), *places)
    with pytest.raises(UserError, match="warm_up: 9 is not within the 9 updates"):
        WORKLOAD.check(recipe(warm_up=9), *places)


def test_length_is_free_where_no_schedule_reads_it():
    def free(**changes):
        return "epochs" in WORKLOAD.free_keys(Recipe(**changes).values())

    assert free()
    assert free(learning_rate_schedule="steps:0.1@100epochs")
    assert not free(learning_rate_schedule="cosine")
    assert not free(learning_rate_schedule="wsd:50epochs")
    assert not free(match_budget=True)
    assert not free(branch="l2-1e-2@50")


def test_time_is_guessed_from_images_and_pixels():
    whole = WORKLOAD.core_seconds(Recipe(), Machine())
    part = WORKLOAD.core_seconds(Recipe(subset=5_000, pool=2), Machine())
    assert whole == pytest.approx(40 * part)
    assert WORKLOAD.core_seconds(Recipe(data="unknown"), Machine()) is None


def test_an_image_set_has_one_name_however_it_is_written(tmp_path):
    one = WORKLOAD.resolved(Recipe(data=str(tmp_path / "mine")))
    assert one == WORKLOAD.resolved(Recipe(data=f"{tmp_path}/mine/")) | {}
    assert one["data"] == "mine"


def test_presets_can_be_read():
    assert set(WORKLOAD.preset_names()) == {
        "cifar10",
        "cifar100",
        "cifar10-small",
        "shapes-tiny",
        "tiny-imagenet",
    }


@pytest.mark.slow
def test_the_commands_from_beginning_to_end(tmp_path, monkeypatch, capsys):
    """prepare, run, sharpness and table on drawings, as a user types them."""
    monkeypatch.chdir(tmp_path)

    def wdbench(*arguments, code=0):
        assert main([*map(str, arguments)]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    options = ["--subset", "64", "--test-subset", "50", "--width", "4", "--epochs", "3"]
    options += ["--preset", "shapes-tiny", "--scheme", "l2", "--weight-decay", "1e-3"]
    schedule = ["--decay-schedule", "early:2epochs", "--log-every", "1"]
    printed = wdbench("run", "vision", *options, *schedule)
    assert "decay budget sum(alpha * lambda) / (1 - momentum) = " in printed
    (run,) = tmp_path.glob("runs/vision/shapes/l2-1e-3/*")
    assert "is already finished" in wdbench("run", "vision", *options, *schedule)
    done = json.loads((run / "done.json").read_text())
    assert done["status"] == "finished"
    (run / "done.json").unlink()  # as where a kill came between it and the last checkpoint
    assert "resumes" in wdbench("run", "vision", *options, *schedule)
    again = json.loads((run / "done.json").read_text())
    assert [again[key] for key in done if key not in ("end", "seal")] == [
        done[key] for key in done if key not in ("end", "seal")
    ]
    few = ["--images", "20", "--draws", "1", "--probes", "1", "--gammas", "0.1"]
    assert "Keskar" in wdbench("sharpness", run, *few)
    assert "shapes" in wdbench("table", run)
    assert "ready in data/shapes/pool-2" in wdbench("prepare", "--pool", "2", "shapes")
    refused = wdbench("prepare", "nothing", code=2)
    assert "is none of" in refused
    assert "cifar10, cifar100, tiny-imagenet, shapes" in refused
    assert "the optimizer sgd has no separated" in wdbench(
        "run", "vision", *options, "--scheme", "separated", code=2
    )


def test_help_of_prepare_names_both_kinds(capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    out = capsys.readouterr().out
    assert "CORPUS" in out
    assert "IMAGES" in out
