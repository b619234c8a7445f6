"""DQNModule in anybody's Trainer, with Lightning's own callbacks and loggers."""

import csv
import dataclasses
import shutil

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from rl.module import DQNModule
from rl.module_checkpoint import KEY
from rl.population import Population
from tests.rl.conftest import SEEDED, SMALL
from workload.errors import ConfigError, UserError

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
UPDATES = (150 - 64) // 4, 150 // 4  # of the first iteration, after the warm-up, and of the second


def fit(
    folder,
    *,
    recipe=SMALL,
    members=SEEDED[:1],
    ckpt_path=None,
    replay_folder=None,
    block_size=None,
    **options,
):
    """Train a fresh population; returns the module and its Trainer."""
    population = Population(recipe, members, CPU, block_size=block_size)
    module = DQNModule(population, replay_folder)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = lightning.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        **{"max_epochs": recipe.iterations} | quiet | options,
    )
    try:
        trainer.fit(module, ckpt_path=ckpt_path)
    finally:
        population.close()
    return module, trainer


def everything(module):
    """All that training goes on from, as plain values and tensors."""
    population = module.population
    state = {"position": population.position, **dict(module.state_dict())}
    for b, block in enumerate(population.blocks):
        for name, working in block.online.values.items():
            state[f"acts {b} {name}"] = working.detach()
        for name, parameter in block.parameters.items():
            for key, value in block.optimizer.state[parameter].items():
                state[f"{key} {b} {name}"] = value
        state[f"appended {b}"] = block.replay.appended.tolist()
        for g, (newest, size) in enumerate(
            zip(block.replay.appended.tolist(), block.replay.sizes.tolist(), strict=True)
        ):
            rows = block.replay.rows(g, newest - size, newest)
            for name in rows._fields:
                state[f"replay {b} {g} {name}"] = torch.from_numpy(getattr(rows, name))
    for k in range(population.size):
        state[f"counters {k}"] = population.counters(k)
    return state


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        assert same(found[name], value), name


class Rows(lightning.Callback):
    """The rows of every chunk, the iteration of every epoch and global_step after every batch."""

    def __init__(self):
        self.rows, self.epochs, self.steps = [], [], []

    def on_train_batch_end(self, trainer, module, *_):
        self.rows += module.rows
        self.steps.append(trainer.global_step)

    def on_train_epoch_end(self, trainer, module):
        self.epochs.append((trainer.current_epoch, module.population.position))


class SaveAll(lightning.Callback):
    """A checkpoint after every batch and every epoch, with how many rows there were by then."""

    def __init__(self, folder, heard):
        self.folder, self.heard, self.saved = folder, heard, []

    def on_train_batch_end(self, trainer, module, _, __, index):
        self._save(trainer, f"epoch{trainer.current_epoch}-batch{index}")

    def on_train_epoch_end(self, trainer, module):
        self._save(trainer, f"epoch{trainer.current_epoch}-end")

    def _save(self, trainer, name):
        path = self.folder / f"{name}.ckpt"
        trainer.save_checkpoint(path)
        self.saved.append((path, len(self.heard.rows)))


# no row of the replay is overwritten, so that every checkpoint finds its own
WIDE = dataclasses.replace(SMALL, replay_capacity=1000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two members trained without an interruption, saved at every moment."""
    folder = tmp_path_factory.mktemp("whole")
    heard = Rows()
    saving = SaveAll(folder, heard)
    module, trainer = fit(
        folder,
        recipe=WIDE,
        members=SEEDED[1:],
        callbacks=[heard, saving],
        enable_checkpointing=False,
    )
    return heard, saving.saved, everything(module), trainer.global_step


def test_an_epoch_is_an_iteration_and_a_step_an_update(whole):
    heard, _, _, steps = whole
    assert [(epoch, p.iteration, p.phase, p.tick) for epoch, p in heard.epochs] == [
        (0, 1, 0, 0),
        (1, 2, 0, 0),
    ]
    assert steps == sum(UPDATES)
    assert [row.values["iteration"] for row in heard.rows if row.log == "evaluation"] == [
        0,
        0,
        1,
        1,
    ]


def test_resumed_from_any_moment_equals_uninterrupted(whole, tmp_path):
    heard, saved, end, steps = whole
    positions = [torch.load(path)[KEY]["states"][0]["position"] for path, _ in saved]
    last_chunk = next(n for n, (iteration, *_) in enumerate(positions) if iteration == 1)
    assert saved[last_chunk + 2][0].stem == "epoch0-end"
    moments = {
        "learning": positions.index([0, 0, 112]),
        "evaluation": next(n for n, (_, phase, tick) in enumerate(positions) if phase and tick),
        "the last chunk of an iteration": last_chunk,
        "the empty batch behind it": last_chunk + 1,
        "the end of an epoch": last_chunk + 2,
    }
    for moment, n in moments.items():
        path, rows_by_then = saved[n]
        again = Rows()
        module, trainer = fit(
            tmp_path / str(n),
            recipe=WIDE,
            members=SEEDED[1:],
            callbacks=[again],
            enable_checkpointing=False,
            ckpt_path=path,
        )
        assert again.rows == heard.rows[rows_by_then:], moment
        assert_same(everything(module), end)
        assert (trainer.global_step, trainer.current_epoch) == (steps, 2), moment


def test_lightnings_own_callbacks_and_logger_do_what_they_say(tmp_path):
    best = ModelCheckpoint(monitor="separated-1e-3/seed3/eval/return", mode="max")
    every = ModelCheckpoint(every_n_train_steps=6, save_top_k=-1, filename="{step}")
    enough = EarlyStopping("separated-1e-3/seed3/eval/return", mode="max", stopping_threshold=-22.0)
    _, trainer = fit(
        tmp_path,
        callbacks=[best, every, enough],
        logger=CSVLogger(tmp_path),
        enable_progress_bar=True,
        enable_model_summary=True,
    )
    # every return of Pong is above -22
    assert (trainer.current_epoch, enough.stopped_epoch, trainer.global_step) == (1, 0, UPDATES[0])
    (log,) = tmp_path.rglob("metrics.csv")
    written = list(csv.DictReader(log.open()))
    (scored,) = [row for row in written if row["separated-1e-3/seed3/eval/return"]]
    assert scored["step"] == "150"
    assert float(scored["separated-1e-3/seed3/eval/return"]) == float(best.best_model_score)
    folder = log.parent / "checkpoints"
    assert sorted(path.name for path in folder.glob("*.ckpt")) == sorted(
        [f"epoch=0-step={UPDATES[0]}.ckpt", *(f"step={n}.ckpt" for n in (6, 12, 18))]
    )
    assert (folder / "replay").is_dir()


def test_anybodys_trainer_trains_as_run_does(undisturbed, tmp_path):
    heard = Rows()
    fit(tmp_path, callbacks=[heard], enable_checkpointing=False)
    logged = undisturbed[0][0].rows
    for log, expected in {"metrics": logged["metrics"], "evaluation": logged["eval"]}.items():
        assert [row.values for row in heard.rows if row.log == log] == expected


def test_a_trainer_without_options_saves_at_the_end_of_every_epoch(tmp_path):
    _, trainer = fit(tmp_path)
    (saved,) = tmp_path.rglob("*.ckpt")
    assert saved.name == f"epoch=1-step={sum(UPDATES)}.ckpt"
    assert trainer.checkpoint_callback.best_model_path == str(saved)


def test_max_steps_are_updates(tmp_path):
    module, trainer = fit(tmp_path, max_steps=10, max_epochs=-1, enable_checkpointing=False)
    assert trainer.global_step == 10
    assert module.population.updates.tolist() == [10]


ONE = dataclasses.replace(WIDE, iterations=1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The checkpoint behind an iteration of one member, and the module that saved it."""
    folder = tmp_path_factory.mktemp("saved")
    module, _ = fit(folder, recipe=ONE)
    (path,) = folder.rglob("*.ckpt")
    return path, module


def test_a_checkpoint_moves_with_its_replay(saved, tmp_path):
    path, module = saved
    moved = shutil.copytree(path.parent, tmp_path / "moved") / path.name
    state = torch.load(moved)
    state[KEY]["replay"] = str(tmp_path / "gone" / "replay")
    torch.save(state, moved)
    again, _ = fit(tmp_path, recipe=ONE, ckpt_path=moved)
    assert_same(everything(again), everything(module))


def test_networks_that_are_loaded_alone_act(saved):
    path, module = saved
    population = Population(ONE, SEEDED[:1], CPU)
    population.close()
    fresh = DQNModule(population)
    fresh.load_state_dict(torch.load(path)["state_dict"])
    for ours, theirs in zip(population.blocks, module.population.blocks, strict=True):
        assert_same(ours.online.values, theirs.online.values)
        assert_same(ours.target.values, theirs.target.values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": dataclasses.replace(ONE, gamma=0.9)}, "gamma 0.99, but the recipe says 0.9"),
        ({"members": SEEDED[1:2]}, "holds the members"),
        ({"precision": "bf16-mixed"}, "precision bf16-mixed"),
    ],
)
def test_a_checkpoint_of_other_agents_is_refused(saved, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        fit(tmp_path, **{"recipe": ONE, "ckpt_path": saved[0]} | change)


def test_a_checkpoint_of_other_blocks_says_how_it_is_gone_on_from(tmp_path):
    two = {"recipe": ONE, "members": SEEDED[1:]}
    module, _ = fit(tmp_path / "apart", block_size=1, **two)
    (path,) = (tmp_path / "apart").rglob("*.ckpt")
    older = torch.load(path)
    del older[KEY]["blocks"]
    torch.save(older, path.with_name("older.ckpt"))
    for name in (path.name, "older.ckpt"):
        with pytest.raises(UserError, match=r"blocks of \[1, 1\].*\[2\].*block_size=1\)"):
            fit(tmp_path, ckpt_path=path.with_name(name), **two)
        again, _ = fit(tmp_path, block_size=1, ckpt_path=path.with_name(name), **two)
        assert_same(everything(again), everything(module))


def test_a_checkpoint_without_its_replay_is_refused(saved, tmp_path):
    path, _ = saved
    moved = shutil.copytree(path.parent, tmp_path / "moved") / path.name
    (segment,) = moved.parent.rglob("*.blocks")
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="is damaged where row"):
        fit(tmp_path, recipe=ONE, ckpt_path=moved)
    fit(tmp_path / "other", recipe=dataclasses.replace(ONE, gamma=0.5))
    (other,) = (tmp_path / "other").rglob("*.blocks")
    segment.write_bytes(other.read_bytes())
    with pytest.raises(UserError, match="those of another training"):
        fit(tmp_path, recipe=ONE, ckpt_path=moved)


def test_a_checkpoint_for_a_trained_population_or_without_a_trainer_is_refused(saved):
    path, module = saved
    with pytest.raises(UserError, match="trained already"):
        lightning.Trainer(accelerator="cpu", logger=False).fit(module, ckpt_path=path)
    population = Population(ONE, SEEDED[:1], CPU)
    population.close()
    with pytest.raises(UserError, match="load_state_dict"):
        DQNModule.load_from_checkpoint(path, population=population)
    with pytest.raises(UserError, match="no DQNModule has saved it"):
        DQNModule(population).on_load_checkpoint({"state_dict": {}})


def test_a_chunk_that_broke_off_is_not_saved(tmp_path, monkeypatch):
    def break_off(*_):
        raise RuntimeError("broken off")

    class SaveOnException(lightning.Callback):
        def on_exception(self, trainer, *_):
            trainer.save_checkpoint(tmp_path / "broken.ckpt")

    monkeypatch.setattr("rl.population.Population._learn", break_off)
    with pytest.raises(ConfigError, match="inside a chunk"):
        fit(tmp_path, recipe=ONE, callbacks=[SaveOnException()])
    assert not list(tmp_path.rglob("*.ckpt"))


def test_another_training_in_the_same_folder_leaves_the_replay_of_the_first(saved, tmp_path):
    path, _ = saved
    moved = shutil.copytree(path.parent, tmp_path / "checkpoints") / path.name
    before = {file: file.read_bytes() for file in moved.parent.rglob("*.blocks")}
    fit(tmp_path, recipe=ONE, members=SEEDED[2:])
    assert {file: file.read_bytes() for file in before} == before
    assert (moved.parent / "replay-v1").is_dir()
