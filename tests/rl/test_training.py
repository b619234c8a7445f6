"""Populations trained whole on real Pong for some hundred steps: independence, resume, faults."""

import dataclasses
import json
import statistics
import weakref

import numpy as np
import pytest
import torch

from rl.member_checkpoint import delete_replay, trained_state
from rl.module import DQNModule
from rl.population import Population
from rl.position import EPISODES, Position
from suite.__main__ import main
from tests.list_log import Asked, Killed
from tests.listening import fit_one_epoch
from tests.rl.conftest import SEEDED, SMALL, read_position, run
from workload.errors import CheckpointError
from workload.files import write_whole
from workload.member import Member


def same_run(log, expected):
    """Rows and trained parameters agree to the last bit."""
    assert log.rows == expected.rows
    ours, theirs = trained_state(log.path).parameters, trained_state(expected.path).parameters
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
@pytest.mark.parametrize("k", range(len(SEEDED)))
def test_a_member_trained_alone_equals_the_same_in_a_population(tmp_path, undisturbed, k):
    (log,), _ = run(tmp_path, [SEEDED[k]])
    assert same_run(log, undisturbed[0][k])


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [2, 5, 9, 14])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path, undisturbed, kill_after):
    with pytest.raises(Killed):
        run(tmp_path, SEEDED[:2], kill_after=kill_after)
    logs, outcomes = run(tmp_path, SEEDED[:2])
    assert all(map(same_run, logs, undisturbed[0]))
    assert outcomes == undisturbed[1][:2]


@pytest.mark.slow
@pytest.mark.parametrize("write", [5, 8, 13])
def test_a_kill_inside_a_checkpoint_loses_only_what_came_since_the_last(
    tmp_path, undisturbed, monkeypatch, write
):
    # a checkpoint of two members writes state, state, and twice a pointer and its copy
    written = 0

    def cut_short(path, content):
        nonlocal written
        written += 1
        if written == write:
            path.with_suffix(".temporary").write_bytes(b"half a file")
            raise Killed
        return write_whole(path, content)

    with monkeypatch.context() as killing:
        killing.setattr("workload.checkpoint_files.write_whole", cut_short)
        with pytest.raises(Killed):
            run(tmp_path, SEEDED[:2])
    positions = [read_position(tmp_path / f"{m.name}-{m.seed}") for m in SEEDED[:2]]
    if len(set(positions)) == 1:
        logs, _ = run(tmp_path, SEEDED[:2])
    else:  # killed between the two pointers: each goes on from its own
        logs = [run(tmp_path, [member])[0][0] for member in SEEDED[:2]]
    assert all(map(same_run, logs, undisturbed[0]))
    leftovers = [path for log in logs for path in log.path.rglob("*.temporary")]
    assert not leftovers


@pytest.mark.slow
def test_a_run_killed_after_its_last_checkpoint_ends_without_its_replay(tmp_path, undisturbed):
    (log,), _ = run(tmp_path, SEEDED[:1])
    delete_replay(log.path)
    (log,), (outcome,) = run(tmp_path, SEEDED[:1])
    assert outcome == undisturbed[1][0]
    assert same_run(log, undisturbed[0][0])


@pytest.mark.slow
def test_the_loggers_of_anybodys_trainer_get_the_rows():
    population = Population(SMALL, SEEDED[:2], torch.device("cpu"))
    heard, for_callbacks = fit_one_epoch(DQNModule(population))
    population.close()
    for member in SEEDED[:2]:
        name = f"{member.name}/seed{member.seed}"
        rows = [(step, m) for step, m in heard if f"{name}/optim/weight_norm" in m]
        assert [step for step, _ in rows[:3]] == [80, 100, 120]  # every 20, after 64 to warm up
        layers = {key for key in rows[-1][1] if "/layer/" in key}
        assert f"{name}/optim/layer/conv1.weight/weight_norm" in layers
        assert f"{name}/optim/weight_norm" in for_callbacks
        assert not layers & for_callbacks.keys()


@pytest.mark.slow
def test_a_trained_population_leaves_no_memory_behind(tmp_path, monkeypatch):
    born = []
    monkeypatch.setattr(
        "rl.training.Population",
        lambda *arguments: born.append(weakref.ref(made := Population(*arguments))) or made,
    )
    run(tmp_path, SEEDED[2:], recipe=dataclasses.replace(SMALL, iterations=1))
    assert [population() for population in born] == [None]


@pytest.fixture
def killed_with_a_damaged_replay(tmp_path):
    """Damages the replay of a killed run at a share of its length; returns the segment."""

    def damage(share):
        with pytest.raises(Killed):
            run(tmp_path, SEEDED[:1], kill_after=6)
        (segment,) = tmp_path.rglob("*.blocks")
        content = bytearray(segment.read_bytes())
        content[int(share * len(content))] ^= 1
        segment.write_bytes(content)
        return segment

    return damage


@pytest.mark.slow
def test_damage_inside_the_replay_that_the_checkpoint_before_can_do_without_costs_nothing(
    tmp_path, killed_with_a_damaged_replay, undisturbed, capsys
):
    segment = killed_with_a_damaged_replay(0.99)
    (log,), _ = run(tmp_path, SEEDED[:1])
    assert f"{segment.name} is damaged" in capsys.readouterr().err
    assert same_run(log, undisturbed[0][0])


@pytest.mark.slow
def test_a_run_without_its_replay_fills_it_again_before_it_learns(
    tmp_path, killed_with_a_damaged_replay, undisturbed
):
    segment = killed_with_a_damaged_replay(0.5)
    with pytest.raises(CheckpointError, match=f"{segment.name}.*both checkpoints need it.*--with"):
        run(tmp_path, SEEDED[:1])
    at = read_position(segment.parents[1]).tick
    (log,), (outcome,) = run(tmp_path, SEEDED[:1], without_replay=True)
    assert outcome.status == "finished"
    assert log.rows["remarks"] == [
        f"its replay was lost at {at} agent steps, and filled again by 64 without learning"
    ]
    updates = [(row["agent_steps"], row["updates"]) for row in log.rows["metrics"]]
    expected = [(r["agent_steps"], r["updates"]) for r in undisturbed[0][0].rows["metrics"]]
    # an update at every fourth step of a phase, but for the 64 that fill it
    lost = sum(at < step <= at + 64 for step in range(68, 151, 4))
    lost += sum(at < 150 + step <= at + 64 for step in range(4, 151, 4))
    assert updates[-1] == (expected[-1][0], expected[-1][1] - lost)
    assert [pair for pair in updates if pair[0] <= at] == [p for p in expected if p[0] <= at]


@pytest.mark.slow
def test_one_members_damaged_replay_does_not_end_the_others(tmp_path, monkeypatch, capsys):
    recipe = [f"--{key}={value}" for key, value in SMALL.values().items() if value is not None]
    command = ["run", "rl", *recipe, "--device=cpu", "--checkpoint-every=40", "--seed", "0", "1"]
    command += [f"--runs={tmp_path}"]
    monkeypatch.setattr("suite.results.run_plot.plot", lambda runs, out: out)
    asked = Asked(140)
    with monkeypatch.context() as stopping:
        stopping.setattr("suite.runs.stop.StopRequest.__call__", lambda _: asked())
        assert main(command) > 2
    (segment,) = tmp_path.rglob("seed0-*/replay/*.blocks")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    assert main(command) == 2
    assert f"{segment.parent}: {segment.name} is damaged" in capsys.readouterr().err
    assert [path.parent.name[:5] for path in tmp_path.rglob("done.json")] == ["seed1"]
    assert main([*command, "--without-replay=true"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "none/seed0 was disturbed: its replay was lost at" in told


@pytest.mark.slow
def test_a_stopped_run_is_saved_where_it_stood_and_goes_on_in_other_company(tmp_path, undisturbed):
    logs, outcomes = run(tmp_path, SEEDED, stop_after=4, checkpoint_every=10_000)
    assert [outcome.status for outcome in outcomes] == ["interrupted"] * 3
    # three chunks of 24 steps; the wish is heard before the first step of the fourth
    assert {read_position(log.path) for log in logs} == {Position(0, 0, 72)}
    for k in (2, 0, 1):
        (log,), _ = run(tmp_path, [SEEDED[k]])
        assert same_run(log, undisturbed[0][k])


@pytest.mark.slow
def test_rows_add_up(undisturbed):
    logs, _ = undisturbed
    for log in logs:
        rows, iterations = log.rows["metrics"], log.rows["eval"]
        assert [row["iteration"] for row in iterations] == [0, 1]
        # phases end with an episode, and here every episode is cut off at 50 steps
        assert [row["train/steps"] for row in iterations] == [150, 150]
        assert [row["eval/steps"] for row in iterations] == [50, 50]
        assert [row["agent_steps"] for row in rows] == [
            start + step for start in (0, 150) for step in range(20, 150, 20)
        ]
        # no update in the warm-up of 64 steps, then at every fourth step of a phase
        in_first, until_last_row = (150 - 64) // 4, 140 // 4
        assert rows[-1]["updates"] == in_first + until_last_row
        assert all(row["train/length"] in (None, 50.0) for row in rows)


@pytest.mark.slow
def test_every_episode_is_a_row_and_the_summaries_are_theirs(undisturbed):
    for log in undisturbed[0]:
        episodes = log.rows[EPISODES]
        # every one is cut off at 50 steps: three, then one of evaluation, twice
        assert [row["truncated"] for row in episodes] == [True] * 8
        assert [(row["iteration"], row["phase"], row["agent_steps"]) for row in episodes] == [
            (iteration, phase, 150 * iteration + step)
            for iteration in (0, 1)
            for phase, step in (*(("training", at) for at in (50, 100, 150)), ("evaluation", 150))
        ]
        for i, summary in enumerate(log.rows["eval"]):
            for phase, prefix in (("training", "train"), ("evaluation", "eval")):
                own = [r for r in episodes if r["phase"] == phase and r["iteration"] == i]
                returns = [row["return"] for row in own]
                assert summary[f"{prefix}/episodes"] == len(own)
                assert summary[f"{prefix}/return"] == pytest.approx(statistics.mean(returns))
                assert summary[f"{prefix}/return_median"] == statistics.median(returns)
                assert summary[f"{prefix}/steps"] == sum(row["length"] for row in own)
            so_far = [
                row["return"]
                for row in episodes
                if row["phase"] == "training" and row["iteration"] <= i
            ]
            assert summary["train/return_last100"] == pytest.approx(statistics.mean(so_far))
            assert summary["frames"] == 4 * summary["agent_steps"]


@pytest.mark.slow
def test_a_diverged_member_stops_and_the_others_do_not_notice(tmp_path, undisturbed):
    # alpha * lambda = 2.5e26: theta overflows at the second update
    company = [SEEDED[0], Member("decoupled", 1e30, 1)]
    logs, outcomes = run(tmp_path, company)
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged"]
    assert same_run(logs[0], undisturbed[0][0])
    assert logs[1].rows["metrics"][-1]["diverged"]


@pytest.mark.slow
def test_a_run_goes_on_whose_neighbour_has_diverged(tmp_path):
    """Its neighbour's replay is not read again, and the frames are compressed."""
    company = [Member("decoupled", 1e30, 1), *SEEDED[1:]]
    whole, _ = run(tmp_path / "whole", company)
    run(tmp_path / "cut", company, stop_after=8)
    logs, outcomes = run(tmp_path / "cut", company)
    assert [outcome.status for outcome in outcomes] == ["diverged", "finished", "finished"]
    for k in (1, 2):
        assert same_run(logs[k], whole[k])


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_one_before_comes_to_the_same(
    tmp_path, undisturbed, capsys
):
    with pytest.raises(Killed):
        run(tmp_path, SEEDED[:1], kill_after=6)
    folder = tmp_path / f"{SEEDED[0].name}-{SEEDED[0].seed}" / "checkpoint"
    pointer = json.loads((folder / "checkpoint.json").read_text())
    damaged = folder / pointer["latest"]["file"]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    (log,), _ = run(tmp_path, SEEDED[:1])
    assert f"{damaged} is damaged" in capsys.readouterr().err
    assert bytes(content) == damaged.with_name(f"{damaged.name}.damaged").read_bytes()
    assert same_run(log, undisturbed[0][0])


@pytest.mark.slow
def test_exempting_biases_from_decay_changes_only_what_decays(tmp_path):
    recipe = dataclasses.replace(SMALL, decay_biases=False, iterations=1)
    (log,), _ = run(tmp_path, [Member("decoupled", 1e3, 0)], recipe=recipe)
    parameters = trained_state(log.path).parameters
    # alpha * lambda = 0.25: kernels shrink by a quarter per update, biases only learn
    assert float(parameters["hidden.weight"].abs().mean()) < 1e-3
    assert float(parameters["output.bias"].abs().max()) > 1e-3


@pytest.mark.slow
def test_bfloat16_trains_with_float32_weights(tmp_path):
    recipe = dataclasses.replace(SMALL, precision="bf16", iterations=1)
    (log,), (outcome,) = run(tmp_path, SEEDED[:1], recipe=recipe)
    assert outcome.status == "finished"
    parameters = trained_state(log.path).parameters
    assert {value.dtype for value in parameters.values()} == {torch.float32}
    # weights that were only ever bfloat16 would have 16 zero bits each
    bits = parameters["hidden.weight"].numpy().view(np.uint32)
    assert (bits & 0xFFFF).any()
