"""Each mistake gives one sentence on stderr, exit code 2 and nothing on disk."""

from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from workload import resources
from workload.errors import UserError

CASES = {
    "unknown command": (["rnu"], "unknown command 'rnu'; did you mean run?"),
    "unknown workload": (["run", "lr"], "unknown workload 'lr'"),
    "unknown game": (["--game", "pong"], "did you mean Pong"),
    "unknown game, printed": (["--game", "Foo", "--print_config"], "game: 'Foo' is none of"),
    "a game in gymnasium's words": (["--game", "ALE/Pong-v5"], "did you mean Pong? the rest of"),
    "another tool's flag": (
        ["--total-timesteps", "10000000"],
        "unknown option '--total_timesteps'; here that is --iterations, each of --training_steps",
    ),
    "another tool's flag with =": (["--env-id=PongNoFrameskip-v4"], "here that is --game"),
    "threads beyond reason": (["--threads", "100000"], "threads: 100000 is above 1,024"),
    "a seed beyond tables": (["--seed", "12345678901234567890123"], "is above 2^63 - 1"),
    "unknown scheme": (["--scheme", "l3"], "'l3' is not one of none, l2, decoupled, separated"),
    "unknown preset": (["--preset", "papr"], "unknown preset 'papr'; did you mean paper?"),
    "unknown flag": (["--weight-dcay", "1"], "did you mean --weight_decay?"),
    "stray word": (["Pong"], "Pong"),
    "flag without value": (["--gamma"], "--gamma: expected one argument"),
    "two values": (
        ["--learning-rate", "1e-3", "1e-4"],
        "--learning_rate takes one value; '1e-4' is a second",
    ),
    "a value too many": (["--learning-rate=1e-3", "2"], "--learning_rate takes one value"),
    "two presets": (["--preset", "demo", "paper"], "--preset takes one value; 'paper' is a second"),
    "commas": (["--scheme", "none,l2"], "several values are written --scheme none l2"),
    "commas of seeds": (["--seed", "0,1"], "several values are written --seed 0 1"),
    "negative lambda": (["--scheme", "l2", "--weight-decay", "-1e-3"], "weight_decay: -0.001"),
    "lambda nan": (["--scheme", "l2", "--weight-decay", "nan"], "weight_decay: 'nan'"),
    "lambda text": (["--scheme", "l2", "--weight-decay", "x"], "weight_decay: 'x' is not a finite"),
    "lambda for none": (["--weight-decay", "1e-3"], "0.001 has no meaning for scheme none"),
    "no lambda for l2": (["--scheme", "l2"], "scheme l2 needs a value above 0"),
    "a seed twice": (["--seed", "1", "1"], "seed: 1 1 names a value twice"),
    "no seed": (["--seed"], "seed needs at least one value"),
    "fraction for a count": (["--iterations", "2.5"], "'2.5' is not a whole number"),
    "capacity below warm-up": (["--replay-capacity", "100"], "100 is below warm_up, 20,000"),
    "file missing": (["--config", "no.yaml"], "config file no.yaml does not exist"),
    "file is a folder": (["--config", "."], "config file . cannot be read"),
    "runs is a file": (["--runs", "file"], "runs: file is no directory"),
}


def fails(argv, capsys):
    """The one line on stderr."""
    before = sorted(Path().rglob("*"))
    code = main(argv if argv[0] in ("run", "rnu") else ["run", "rl", *argv])
    printed = capsys.readouterr()
    assert code == 2
    assert sorted(Path().rglob("*")) == before
    assert printed.err.startswith("wdbench: error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(("argv", "message"), CASES.values(), ids=CASES.keys())
def test_mistake(argv, message, training, capsys):
    fake = training()
    Path("file").touch()
    assert message in fails(argv, capsys)
    assert not fake.calls


YAML_CASES = {
    "not YAML": ("gamma: [1\nfoo: 2\n", "bad.yaml, line 2: not YAML"),
    "no mapping": ("- a\n- b\n", "bad.yaml: expected lines of `key: value`"),
    "unknown key": ("gamma: 0.9\ngama: 1\n", "line 2: unknown key 'gama'; did you mean gamma"),
    "another tool's key": (
        "buffer_size: 1000\n",
        "line 1: unknown key 'buffer_size'; here that is",
    ),
    "a key twice": ("gamma: 0.9\ngamma: 1\n", "line 2: gamma is given a second time"),
    "no value": ("gamma:\n", "line 1: gamma takes one value"),
    "a list for one value": ("gamma: [1, 2]\n", "line 1: gamma takes one value"),
    "control characters": ("gamma: \x01\n", "bad.yaml: not YAML"),
    "a command's own flag": ("print_config: true\n", "unknown key 'print_config'"),
}


@pytest.mark.parametrize(("text", "message"), YAML_CASES.values(), ids=YAML_CASES.keys())
def test_mistake_in_a_file(text, message, training, capsys):
    training()
    Path("bad.yaml").write_text(text)
    assert message in fails(["--config", "bad.yaml"], capsys)


def test_a_missing_rom_is_named_before_anything_is_made(training, capsys, monkeypatch, tmp_path):
    fake = training()
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path / "none"))
    message = "game: Breakout's ROM is missing or damaged; reinstall with `pip install ale-py`"
    assert message in fails(["--game", "Breakout", "--device", "cpu"], capsys)
    Path("grid.yaml").write_text("workload: rl\naxes:\n  game: [Breakout]\n  seed: [0]\n")
    assert main(["batch", "grid.yaml", "--dry-run"]) == 0
    assert message in capsys.readouterr().out
    assert not fake.calls


def test_a_file_that_is_not_text(training, capsys):
    training()
    Path("bad.yaml").write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in fails(["--config", "bad.yaml"], capsys)


def test_too_little_memory_says_what_is_needed_and_what_fits(training, capsys, monkeypatch):
    training()
    monkeypatch.setattr(resources, "free_memory", lambda: 2_000_000_000)
    message = fails(["--seed", "0", "1", "--device", "cpu"], capsys)
    # Two members of a million transitions of 920 bytes; 1 GB remains beside the process.
    assert "2 x 1,000,000 transitions: up to 2 x 925 MB = 1.85 GB on a CPU" in message
    assert "1 GB of memory are free for that" in message
    assert "--replay-capacity 536000 fits" in message
    rest = 1_000_000_000 - 2 * 5_000_000 - 2 * 32 * 5 * 7056  # of codecs and batch
    assert 2 * 536_000 * 920 <= rest < 2 * 537_000 * 920


def test_a_batch_counts_too(training, capsys, monkeypatch):
    training()
    monkeypatch.setattr(resources, "free_memory", lambda: 30 * 10**9)
    monkeypatch.setattr(resources, "free_disk", lambda path: 10**12)
    batch = ["--batch-size", "1000000", "--device", "cpu"]
    # 5 frames of 84 x 84 bytes for each of a million transitions, above the 7 GB of the replay
    assert "a batch 35.3 GB, but 29 GB of memory are free" in fails(batch, capsys)
    assert "batch_size: the replay takes" in fails(batch, capsys)
    assert "free for that; choose a smaller --batch-size" in fails(batch, capsys)
    monkeypatch.setattr(resources, "free_memory", lambda: 44 * 10**9)
    assert main(["run", "rl", *batch]) == 0


def test_a_replay_that_fits_on_the_gpu_needs_no_host_memory(training, monkeypatch, tmp_path):
    training()
    monkeypatch.setattr(resources, "free_disk", lambda path: 10**12)
    monkeypatch.setattr(resources, "free_memory", lambda: 10**9)
    monkeypatch.setattr(resources, "cuda_memory", lambda: (20 * 10**9, 20 * 10**9))
    runs = [tmp_path / "a", tmp_path / "b"]  # 14.1 GB of 0.9 * 0.8 * 20 GB
    RL.check(RL.Recipe(), RL.Machine(), runs)
    with pytest.raises(UserError, match="0 B of memory are free"):
        RL.check(RL.Recipe(), RL.Machine(), [*runs, tmp_path / "c"])


def test_a_replay_that_only_just_fits_on_the_gpu_must_fit_on_the_host_too(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "free_disk", lambda path: 10**12)
    monkeypatch.setattr(resources, "cuda_memory", lambda: (9 * 10**9, 9 * 10**9))  # 7.2 GB
    monkeypatch.setattr(resources, "free_memory", lambda: 1_900_000_000)
    with pytest.raises(UserError, match="900 MB of memory are free"):
        RL.check(RL.Recipe(), RL.Machine(), [tmp_path / "a"])
    monkeypatch.setattr(resources, "free_memory", lambda: 2 * 10**9)  # compressed
    RL.check(RL.Recipe(), RL.Machine(), [tmp_path / "a"])


def test_memory_for_no_capacity_at_all_advises_fewer_members(training, capsys, monkeypatch):
    training()
    monkeypatch.setattr(resources, "free_memory", lambda: 1_000_000_000)
    assert "train fewer members together" in fails(["--device", "cpu"], capsys)


def test_too_little_disk(training, capsys, monkeypatch):
    training()
    monkeypatch.setattr(resources, "free_memory", lambda: 10**12)
    monkeypatch.setattr(resources, "free_disk", lambda path: 5 * 10**8)
    assert "500 MB are free; choose another --runs" in fails(["--device", "cpu"], capsys)


def test_training_that_ends_before_learning_starts(training, capsys):
    training()
    flags = ["--iterations", "2", "--training-steps", "500", "--warm-up", "1000"]
    assert "training ends after 1,000; lower --warm-up" in fails(flags, capsys)


def test_cuda_without_a_gpu(training, capsys, monkeypatch):
    training()
    monkeypatch.setattr(resources, "cuda_memory", lambda: None)
    assert "device cuda: torch finds no usable GPU" in fails(["--device", "cuda"], capsys)


@pytest.mark.parametrize("command", ["plot", "table", "watch"])
def test_a_folder_that_is_no_run(command, tmp_path, capsys):
    assert main([command, str(tmp_path)]) == 2
    assert "is no run directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plot", "table", "watch", "doctor"])
def test_unknown_flags_of_the_other_commands(command, capsys):
    assert main([command, "x", "--bogus"]) == 2
    assert "--bogus" in capsys.readouterr().err


def test_check_leaves_rl_untouched_on_a_machine_that_suffices(training, monkeypatch, tmp_path):
    training()
    monkeypatch.setattr(resources, "free_memory", lambda: 10**12)
    monkeypatch.setattr(resources, "free_disk", lambda path: 10**12)
    recipe, machine = RL.Recipe(), RL.Machine(device="cpu")
    RL.check(recipe, machine, [tmp_path / "runs" / "a"])
    assert not list(tmp_path.iterdir())
