"""A run's directory: identity, lock and whole-file records."""

import hashlib
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from nlp.workload import WORKLOAD as NLP
from rl.workload import WORKLOAD as RL
from suite.runs.directory import Run, locked
from workload.errors import UserError
from workload.files import write_json
from workload.member import Member

RECIPE = RL.Recipe()
MEMBER = Member("separated", 1e-4, 0)


def run_of(runs, recipe=RECIPE, member=MEMBER):
    return Run.of(RL, recipe, member, Path(runs))


def test_a_corpus_is_the_same_run_however_its_folder_is_written(tmp_path):
    member = Member("none", 0.0, 0)
    spellings = ["mine", "texts/mine", "texts/mine/", "/absolute/texts/mine"]
    runs = [Run.of(NLP, NLP.Recipe(data=data), member, tmp_path) for data in spellings]
    assert len({run.path for run in runs}) == 1
    assert runs[0].config["recipe"]["data"] == "mine"


def test_the_path_says_game_scheme_lambda_and_seed():
    path = run_of("runs").path
    assert path.parts[:4] == ("runs", "rl", "Pong", "separated-1e-4")
    assert path.name.startswith("seed0-")


def test_the_hash_is_the_sha256_of_the_sorted_json_of_what_is_no_default():
    config = {
        "format": 1,
        "workload": "rl",
        "recipe": {"game": "Breakout", "gamma": 0.5},
        "member": {"scheme": "separated", "weight_decay": 1e-4, "seed": 0},
    }
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    recipe = replace(RECIPE, game="Breakout", gamma=0.5, iterations=7, log_every=400)
    assert run_of("runs", recipe=recipe).path.name == f"seed0-{digest[:8]}"


def test_everything_that_decides_the_result_changes_the_directory():
    others = [
        run_of("runs", recipe=replace(RECIPE, gamma=0.95)),
        run_of("runs", recipe=replace(RECIPE, precision="bf16")),
        run_of("runs", recipe=replace(RECIPE, game="Breakout")),
        run_of("runs", member=replace(MEMBER, seed=1)),
        run_of("runs", member=replace(MEMBER, weight_decay=1e-3)),
        run_of("runs", member=replace(MEMBER, scheme="l2")),
    ]
    assert len({run.path for run in [run_of("runs"), *others]}) == 7


def test_where_runs_are_kept_is_no_part_of_the_identity():
    assert run_of("a").path.relative_to("a") == run_of("b/c").path.relative_to("b/c")


def test_a_run_is_found_again_on_disk(tmp_path):
    run = run_of(tmp_path)
    with locked([run]):
        assert Run.at(run.path).config == run.config


def test_a_run_of_a_future_format_is_refused(tmp_path):
    write_json(tmp_path / "config.json", {"format": 2})
    with pytest.raises(UserError, match="has format 2; this version reads 1"):
        Run.at(tmp_path)


def test_another_runs_directory_is_not_taken_over(tmp_path):
    run = run_of(tmp_path)
    run.path.mkdir(parents=True)
    write_json(run.path / "config.json", {"format": 1, "workload": "rl"})
    with pytest.raises(UserError, match="describes another run"), locked([run]):
        pass


def hold(path, held, release):
    with locked([run_of(path)]):
        held.set()
        release.wait(30)


def test_a_second_process_is_refused_until_the_first_is_gone_even_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path, held, release))
    holder.start()
    assert held.wait(30)
    new = run_of(tmp_path, member=replace(MEMBER, seed=9))
    with (
        pytest.raises(UserError, match=f"being trained by process {holder.pid} on"),
        locked([new, run_of(tmp_path)]),
    ):
        pass
    assert not new.path.exists()
    holder.kill()
    holder.join()
    with locked([run_of(tmp_path)]):
        pass
