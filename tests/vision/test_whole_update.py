"""Updates taken as a whole are those that Lightning takes, bit for bit."""

import copy

import pytest
import torch

from tests.vision import runs
from vision.module import VisionModule
from vision.whole_update import WholeUpdate, _State
from workload.errors import ConfigError
from workload.member import Member

pytestmark = pytest.mark.slow


@pytest.fixture
def data_dir(tmp_path):
    return runs.prepared(tmp_path, train=40)  # two whole batches of 16 and one of 8


@pytest.fixture
def whole(monkeypatch):
    """Lets a processor take updates as a whole, as a GPU does."""

    def use(module, mode):
        module.model.train()
        module._whole = module.whole_updates()

    monkeypatch.setattr(VisionModule, "use_graphs", use)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"norm": "none", "momentum": 0.0},
        {"optimizer": "adam", "learning_rate": 0.001, "flip": False},
        {"precision": "bf16"},
        {"decay_biases": False, "decay_schedule": "early:1epochs", "batch_size": 40},
    ],
    ids=str,
)
def test_rows_are_those_of_the_plain_path(tmp_path, data_dir, monkeypatch, changes):
    recipe = runs.recipe(**changes)
    _, expected = runs.train(data_dir, tmp_path / "plain", recipe)
    taken, every = [], []

    def use(module, mode):
        module.model.train()
        module._whole = module.whole_updates()
        every.extend(module._whole)
        for key, update in module._whole.items():
            count(update._program, key)

    def count(program, key):
        run = program.function
        program.function = lambda: (taken.append(key), run())

    monkeypatch.setattr(VisionModule, "use_graphs", use)
    outcome, log = runs.train(data_dir, tmp_path / "whole", recipe)
    assert outcome.status == "finished"
    assert set(taken) == set(every)  # an epoch's last batch, and those looked into, as well
    assert log.rows == expected.rows


def test_a_killed_run_goes_on_bit_for_bit(tmp_path, data_dir, whole):
    _, expected = runs.train(data_dir, tmp_path / "undisturbed")
    calls = iter(range(100))
    outcome, _ = runs.train(data_dir, tmp_path / "run", stop=lambda: next(calls) >= 4)
    assert outcome.status == "interrupted"
    _, log = runs.train(data_dir, tmp_path / "run")
    assert log.rows == expected.rows


def tensors_of(module):
    """Everything that training changes, by name."""
    found = dict(module.model.state_dict())
    for name, parameter in module.model.named_parameters():
        state = module.optimizer.state[parameter]
        found |= {f"{name} {k}": v for k, v in state.items() if isinstance(v, torch.Tensor)}
    found |= {name: v for name, v in vars(module).items() if isinstance(v, torch.Tensor)}
    found |= {"growth": module.growth.sums}
    return found


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_proof_covers_everything_that_an_update_writes(data_dir, optimizer):
    module = runs.new_module(data_dir, runs.recipe(optimizer=optimizer))
    update = WholeUpdate(module, 16)
    covered = {tensor.data_ptr() for tensor in update._written().values()}
    before = {name: tensor.clone() for name, tensor in tensors_of(module).items()}
    update(torch.arange(16), 5, 0.1)
    after = tensors_of(module)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {"growth", "window", "epoch_sums", "conv1.weight"} <= changed
    assert all(after[name].data_ptr() in covered for name in changed)


class Stream:
    def synchronize(self):
        pass


def test_the_proof_puts_everything_back(data_dir):
    module = runs.new_module(data_dir)
    update = WholeUpdate(module, 16)
    update(torch.arange(16), 5, 0.1)
    before = {name: tensor.clone() for name, tensor in tensors_of(module).items()}
    steps = copy.deepcopy([state["step"] for state in module.optimizer.state.values()])
    state = _State(update._written(), Stream())
    update._run()
    update._run()
    assert not torch.equal(module.window, before["window"])
    state.put_back()
    after = tensors_of(module)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [state["step"] for state in module.optimizer.state.values()] == steps


def test_without_a_gpu_there_are_none(data_dir):
    module = runs.new_module(data_dir)
    module.use_graphs("auto")
    assert not module.replays_graphs
    with pytest.raises(ConfigError, match="none on cpu; choose auto or off"):
        module.use_graphs("on")


class Differing:
    """Stands for updates that do something else as a graph."""

    def __init__(self, *arguments, **options):
        pass

    def capture(self):
        return "fc bias differs"


class OnGpu:
    """Labels that say they are on a GPU."""

    class device:
        type = "cuda"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("auto", pytest.warns(RuntimeWarning, match="slower: fc bias differs")),
        ("on", pytest.raises(ConfigError, match="on, but fc bias differs; choose auto or off")),
    ],
)
def test_what_differs_as_a_graph_is_said_and_not_used(data_dir, monkeypatch, mode, expected):
    module = runs.new_module(data_dir)
    monkeypatch.setattr("vision.module.WholeUpdate", Differing)
    monkeypatch.setattr(module.data, "labels", OnGpu())
    with expected:
        module.use_graphs(mode)
    assert not module.replays_graphs


def test_a_member_may_have_no_decay(tmp_path, data_dir, whole):
    outcome, _ = runs.train(data_dir, tmp_path / "run", member=Member("none", 0.0, 0))
    assert outcome.status == "finished"
