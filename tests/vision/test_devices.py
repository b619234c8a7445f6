"""Two processes that share each update, against one."""

from dataclasses import replace

import pytest

from tests.list_log import Asked
from tests.vision.runs import prepared, recipe, train, trained
from vision.config import Machine, check_devices
from vision.workload import WORKLOAD
from workload.errors import ConfigError, UserError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """33 images: of an epoch's third batch of 16 one process has a single image, one none."""
    return prepared(tmp_path_factory.mktemp("images"), train=33)


def assert_equal_to_rounding(ours, theirs):
    """Rows of float32; what is inside a layer may be a difference of nearly equal numbers."""
    for file in ("metrics", "eval"):
        for one, other in zip(ours.rows[file], theirs.rows[file], strict=True):
            assert one.keys() == other.keys()
            whole = {key: value for key, value in one.items() if "/layer/" not in key}
            assert {key: other[key] for key in whole} == pytest.approx(whole, rel=2e-3, abs=1e-5)


@pytest.mark.slow
def test_two_processes_go_on_from_what_one_began(data_dir, tmp_path):
    """In the middle of an epoch and between two rows, with looks inside, momentum and l2."""
    own = recipe(epochs=2)
    _, alone = train(data_dir, tmp_path / "alone", own)
    stopped, _ = train(data_dir, tmp_path / "shared", own, stop=Asked(2))
    assert stopped.status == "interrupted"
    outcome, log = train(data_dir, tmp_path / "shared", own, devices=2)
    assert outcome.status == "finished"
    assert_equal_to_rounding(alone, log)


@pytest.mark.slow
def test_one_process_goes_on_from_what_two_began(data_dir, tmp_path):
    """Of a branch, whose beginning every process reads."""
    trained(data_dir, tmp_path / "trunk", recipe(epochs=1), keep_every=1)
    own = recipe(epochs=3, branch=f"{tmp_path / 'trunk'}@1", learning_rate=0.02)
    _, alone = train(data_dir, tmp_path / "alone", own)
    stopped, begun = train(data_dir, tmp_path / "shared", own, stop=Asked(2), devices=2)
    assert stopped.status == "interrupted"
    assert len(begun.rows["metrics"]) == 1
    outcome, log = train(data_dir, tmp_path / "shared", own)
    assert outcome.status == "finished"
    assert_equal_to_rounding(alone, log)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 17}, "devices: 17 cannot share the 16 images of an update; choose at most 16"),
        ({"devices": 2, "graphs": "on"}, "graphs: on, but there are none with 2 devices"),
        ({"devices": 0}, "devices: 0 is not above 0"),
    ],
)
def test_devices_that_cannot_share_an_update(changes, message):
    check_devices(recipe(), Machine(devices=16))
    with pytest.raises(ConfigError, match=message):
        check_devices(recipe(), Machine(**changes))


def test_each_process_takes_memory(data_dir, tmp_path, monkeypatch):
    """1.5 GB of a training process."""
    monkeypatch.setattr("workload.resources.free_memory", lambda: 4 * 10**9)
    machine = Machine(devices=2, data_dir=str(data_dir), device="cpu")
    WORKLOAD.check(recipe(), machine, [tmp_path / "run"])
    with pytest.raises(UserError, match=r"takes 4\.5 GB of memory in all, 4 GB are free"):
        WORKLOAD.check(recipe(), replace(machine, devices=3), [tmp_path / "run"])
