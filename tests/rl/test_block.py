"""A block on a CPU, with a stand-in for the capture of graphs that calls the functions again."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rl.dqn_update import dqn_update
from rl.network import Part
from rl.population import Population
from shared_optim.group import spread
from shared_optim.schemes import BASELINE, SCHEMES
from tests.rl.conftest import SEEDED, SMALL
from workload.errors import ConfigError
from workload.member import Member
from workload.program import Program

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


class Replayed:
    """What a captured graph is to its `Program`: the same work, on the same tensors."""

    def __init__(self, function):
        self.function, self.replays = function, 0

    def replay(self):
        self.replays += 1
        self.function()


def stand_in(program):
    program._graph = Replayed(program.function)


def population(members=SEEDED, **options):
    return Population(SMALL, members, CPU, **options)


def raw_frames(monkeypatch):
    """As beside a GPU: a graph cannot hold what compresses."""
    monkeypatch.setattr("rl.population.compresses", lambda *arguments: False)


def with_graphs(monkeypatch, mode, capture=stand_in, **options):
    raw_frames(monkeypatch)
    monkeypatch.setattr(Program, "capture", capture)
    made = population(**options)
    for block in made.blocks:
        block._unproved = mode
    return made


def trained(made, chunks=12):
    rows = [row for _ in range(chunks) for row in made.run(24)]
    state = {}
    for k in range(made.size):
        block, place = made.block_of(k)
        for name, parameter in block.parameters.items():
            state[f"{k} {name}"] = parameter.detach()[place].clone()
            for key, value in block.optimizer.state[parameter].items():
                value = value[place]
                state[f"{k} {name} {key}"] = torch.as_tensor(value).clone()
        newest, size = block.replay.appended[place], block.replay.sizes[place]
        kept = block.replay.rows(place, newest - size, newest)
        state |= {f"{k} replay {name}": torch.from_numpy(a) for name, a in kept._asdict().items()}
    made.close()
    return sorted(rows, key=lambda row: (row.member, row.log)), state


@pytest.fixture(scope="module")
def plain():
    return trained(population())


def same(one, other):
    """To the last bit, but for buffers that others in a block need and a member does not."""
    assert one[0] == other[0]
    for name in one[1].keys() | other[1].keys():
        if name in one[1] and name in other[1]:
            assert torch.equal(one[1][name], other[1][name]), name
        else:
            assert "decay_exp_avg" in name


def test_replayed_programs_do_what_their_functions_do(monkeypatch, plain):
    """Bit for bit, rows, weights, moments and replays: the proof leaves nothing behind."""
    made = with_graphs(monkeypatch, "auto")
    replayed = trained(made)
    assert all(block._learn._graph.replays > 10 for block in made.blocks)
    same(replayed, plain)


def test_a_proof_between_two_chunks_leaves_the_newest_row_as_it_was(monkeypatch, plain):
    """As after a resume: the last row is complete, and nothing will write it again."""
    raw_frames(monkeypatch)
    monkeypatch.setattr(Program, "capture", stand_in)
    made = population()
    rows = [row for _ in range(3) for row in made.run(24)]
    for block in made.blocks:
        block._unproved = "auto"
    later, state = trained(made, chunks=9)
    assert all(block.replays_graphs for block in made.blocks)
    both = sorted([*rows, *later], key=lambda row: (row.member, row.log))
    same((both, state), plain)


def test_raw_frames_change_nothing(monkeypatch, plain):
    raw_frames(monkeypatch)
    made = population()
    rows, state = trained(made)
    assert made.blocks[0].replay.nbytes > 7056 * SMALL.replay_capacity
    same((rows, state), plain)


def test_blocks_that_take_turns_change_nothing(monkeypatch, plain):
    made = population(block_size=1)
    made._lag = 2
    same(trained(made), plain)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_on_a_cpu_no_bit_depends_on_who_shares_a_block(plain, size):
    same(trained(population(block_size=size)), plain)


@pytest.mark.parametrize("size", [1, 3])
def test_gradients_in_bfloat16_are_taken_as_they_are(monkeypatch, size):
    recipe = replace(SMALL, precision="bf16")
    taken = set()

    def seen(*given, **more):
        result = dqn_update(*given, **more)
        taken.update((name, gradient.dtype) for name, gradient in result.gradients.items())
        return result

    monkeypatch.setattr("rl.block.dqn_update", seen)
    own = trained(Population(recipe, SEEDED, CPU, block_size=size), chunks=4)
    assert {("hidden.weight", torch.bfloat16), ("conv1.weight", torch.float32)} <= taken
    for module in ("rl.block", "rl.dqn_update"):
        monkeypatch.setattr(f"{module}.gradient_dtype", lambda *_: torch.float32)
    same(trained(Population(recipe, SEEDED, CPU, block_size=size), chunks=4), own)


def test_members_that_are_computed_together_train_the_same_to_rounding(monkeypatch, plain):
    """As on a GPU: another order of summation."""
    together = population(block_size=3)
    (block,) = together.blocks
    for weights in (block.online, block.target):
        weights.parts = [Part(slice(0, block.size), weights.values)]
    block._joined = None
    rows, _ = trained(together, chunks=4)
    first = next(row for row in rows if row.values.get("updates"))
    expected = next(row for row in plain[0] if row.values.get("updates"))
    assert first.values["loss"] == pytest.approx(expected.values["loss"], rel=1e-4)


def test_on_a_cpu_a_block_is_of_neighbours_that_keep_the_same_buffers():
    names = ("none", "l2", "separated", "separated", *["decoupled"] * 6)
    made = population(
        [Member(name, 0.0 if name == "none" else 1e-3, k) for k, name in enumerate(names)]
    )
    assert [part.stop - part.start for part in made.slices] == [2, 2, 4, 2]
    assert [made.block_of(k)[1] for k in range(10)] == [0, 1, 0, 1, 0, 1, 2, 3, 0, 1]
    assert [made.blocks.index(made.block_of(k)[0]) for k in range(10)] == [
        0,
        0,
        1,
        1,
        *[2] * 4,
        3,
        3,
    ]
    made.close()


def test_who_does_not_learn_is_not_computed(monkeypatch):
    made = population(block_size=3)
    (block,) = made.blocks
    made.run(SMALL.warm_up + 24)
    learned = []

    def update(online, target, batch, kind, into):
        learned.append(batch.state.shape[0])
        return into

    monkeypatch.setattr("rl.block.dqn_update", update)
    block._learning[:] = [False, True, False]
    block._gradients()
    assert learned == [1]
    assert not block.replay.gathered[[0, 2]].any()
    assert block.replay.gathered[1].any()
    made.close()


def test_who_rests_or_explores_is_not_computed(monkeypatch):
    made = population(block_size=3)
    (block,) = made.blocks
    asked = []
    monkeypatch.setattr(
        "rl.block.greedy_actions",
        lambda values, seen: asked.append(len(seen)) or torch.zeros(len(seen), dtype=torch.int64),
    )
    uniforms = np.zeros((3, 2))
    monkeypatch.setattr(block, "_exploration", SimpleNamespace(row=lambda tick: uniforms), False)
    sent = []
    monkeypatch.setattr(block.environments, "send", sent.append)
    active = np.array([True, False, True])
    block.act(0, np.array([1.0, 0.0, 0.0]), active, training=False)
    assert asked == [1]
    made.close()


def forgetful(program):
    """Replays everything but the last call's effect on the weights: as a stale pointer would."""
    program._graph = Replayed(lambda: None)


def test_a_program_that_differs_is_found_and_not_used(monkeypatch, plain):
    made = with_graphs(monkeypatch, "auto", forgetful, members=SEEDED)
    with pytest.warns(RuntimeWarning, match=r"without CUDA graphs, slower: .* differs by"):
        same(trained(made), plain)
    assert not any(block._learn.captured for block in made.blocks)


def test_who_insists_gets_an_error_that_names_the_tensor(monkeypatch):
    made = with_graphs(monkeypatch, "on", forgetful, members=SEEDED[:1])
    with pytest.raises(ConfigError, match=r"graphs: on, but .* differs by .*graphs: auto"):
        trained(made)


def test_who_insists_without_a_gpu_is_told():
    with pytest.raises(ConfigError, match="graphs: on, but there are none on cpu; choose auto"):
        population(SEEDED[:1], graphs="on")


def test_a_capture_that_fails_is_a_warning(monkeypatch, plain):
    def impossible(program):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    made = with_graphs(monkeypatch, "auto", impossible)
    with pytest.warns(RuntimeWarning, match="not permitted when stream is capturing"):
        same(trained(made), plain)


def test_an_epoch_of_decay_is_an_iteration():
    recipe = replace(SMALL, decay_schedule="late:3epochs")
    made = Population(recipe, SEEDED, CPU)
    per_iteration = SMALL.training_steps // SMALL.update_every
    for block in made.blocks:
        schedules = {s for g in block.optimizer.param_groups for s in spread(g["schedule"], 1)}
        assert schedules == {f"late:{3 * per_iteration}"}
    made.close()


def test_a_population_has_every_scheme_and_each_is_one_of_its_own():
    """All begin with the same weights and see the same frames until their actions differ."""
    members = [Member(name, 0.0 if name == BASELINE else 0.5, 0) for name in SCHEMES]
    made = Population(SMALL, members, CPU)
    for _ in range(5):
        made.run(24)
    weights = {}
    for k, member in enumerate(members):
        block, place = made.block_of(k)
        own = [parameter.detach()[place].flatten() for parameter in block.parameters.values()]
        weights[member.scheme] = torch.cat(own)
        assert weights[member.scheme].isfinite().all()
    made.close()
    # at a constant learning rate, alpha^2 / max alpha is alpha
    assert torch.equal(weights.pop("corrected"), weights["decoupled"])
    for one, other in itertools.combinations(weights, 2):
        assert not torch.equal(weights[one], weights[other]), (one, other)


def test_off_tries_nothing(monkeypatch):
    made = with_graphs(monkeypatch, "off", lambda program: pytest.fail("captured"))
    made.run(100)
    made.close()


def test_the_proof_covers_everything_that_an_update_writes(monkeypatch):
    """Each tensor that two ticks change is among those compared."""
    made = population([Member("separated", 1e-3, 3)])
    block = made.blocks[0]
    made.run(80)
    held = {
        "target": block.target.values,
        "inboxes": {**block._seen.tensors, **block._drawn.tensors},
        "replay": {"heads": block.replay._heads, "ages": block.replay._next_ages},
    }
    known = {tensor.data_ptr() for tensor in block._written().values()}
    known |= {tensor.data_ptr() for group in held.values() for tensor in group.values()}
    for parameter in block.parameters.values():
        for value in block.optimizer.state[parameter].values():
            if isinstance(value, torch.Tensor):
                assert value.data_ptr() in known
    for weights in (block.online.values, block.parameters):
        assert all(tensor.data_ptr() in known for tensor in weights.values())
    assert block.window.loss.data_ptr() in known
    made.close()
