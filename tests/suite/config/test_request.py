"""Presets, files and flags become one resolved request."""

import pytest
import yaml

from nlp.workload import WORKLOAD as NLP
from rl.workload import WORKLOAD as RL
from suite.config.request import as_yaml, read_request
from vision.workload import WORKLOAD as VISION
from workload.errors import UserError


def job(*argv):
    return read_request(RL, argv, "wdbench run rl").job


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_without_flags_it_is_the_papers_pong_without_decay():
    resolved = job()
    assert resolved.recipe == RL.Recipe()
    assert [(m.scheme, m.weight_decay, m.seed) for m in resolved.members] == [("none", 0.0, 0)]


def test_presets_are_the_files_of_the_folder():
    assert {"paper", "dopamine"} <= set(RL.preset_names())


def test_preset_dopamine_is_its_dqn_gin():
    recipe = job("--preset", "dopamine").recipe
    assert (recipe.learning_rate, recipe.adam_eps, recipe.loss) == (6.25e-5, 1.5e-4, "squared")


def test_layers_go_left_to_right_and_the_preset_is_the_lowest(tmp_path):
    a = write(tmp_path, "a.yaml", "gamma: 0.5\nlearning_rate: 1e-2\n")
    b = write(tmp_path, "b.yaml", "gamma: 0.25\n")
    assert job("--config", a, "--config", b).recipe.gamma == 0.25
    assert job("--config", b, "--config", a).recipe.gamma == 0.5
    assert job("--config", a, "--gamma", "0.75").recipe.gamma == 0.75
    assert job("--gamma", "0.75", f"--config={a}").recipe.gamma == 0.5
    assert job("--config", a, "--preset", "dopamine").recipe.learning_rate == 1e-2


def test_dashes_and_underscores_are_the_same():
    dashes = job("--scheme", "l2", "--weight-decay", "1e-3", "--batch-size=8")
    underscores = job("--scheme", "l2", "--weight_decay", "1e-3", "--batch_size=8")
    assert dashes == underscores
    assert dashes.recipe.batch_size == 8


def test_all_combinations_are_members_and_none_takes_part_once_per_seed():
    members = job(
        "--scheme", "none", "l2", "separated", "--weight-decay", "1e-3", "1e-4", "--seed", "0", "7"
    ).members
    expected = {("none", 0.0, 0), ("none", 0.0, 7)} | {
        (scheme, decay, seed)
        for scheme in ("l2", "separated")
        for decay in (1e-3, 1e-4)
        for seed in (0, 7)
    }
    assert len(members) == len(expected)
    assert {(m.scheme, m.weight_decay, m.seed) for m in members} == expected


def test_a_file_may_give_one_value_or_a_list_of_them(tmp_path):
    one = write(tmp_path, "one.yaml", "seed: 3\nscheme: l2\nweight_decay: 1e-4\n")
    many = write(tmp_path, "many.yaml", "seed: [3, 4]\nscheme: [l2]\nweight_decay: [1e-4, .5]\n")
    assert [m.seed for m in job("--config", one).members] == [3]
    assert [(m.weight_decay, m.seed) for m in job("--config", many).members] == [
        (1e-4, 3),
        (1e-4, 4),
        (0.5, 3),
        (0.5, 4),
    ]


def test_scheme_none_goes_without_the_lambda_of_a_layer_that_it_replaces(tmp_path):
    none = write(tmp_path, "none.yaml", "scheme: none\n")
    expected = [("none", 0.0)]
    for argv in (["--scheme", "none"], ["--config", none]):
        members = job("--preset", "demo", *argv).members
        assert [(m.scheme, m.weight_decay) for m in members] == expected
    flag = ["--scheme", "none", "--weight-decay", "1e-4"]
    both = write(tmp_path, "both.yaml", "scheme: none\nweight_decay: 1e-4\n")
    alone = write(tmp_path, "alone.yaml", "weight_decay: 1e-4\n")
    for argv in (["--preset", "demo", *flag], ["--config", both], ["--config", alone]):
        with pytest.raises(UserError, match=r"0\.0001 has no meaning for scheme none"):
            job(*argv)


def test_a_lambda_alone_is_l2_where_a_workload_says_so():
    """As `weight_decay` of torch.optim.SGD is; a scheme that is given stands."""
    lambdas = ["--weight-decay", "1e-3"]
    for argv, expected in (
        (lambdas, ("l2", 1e-3)),
        ([*lambdas, "--scheme", "decoupled"], ("decoupled", 1e-3)),
        ([], ("none", 0.0)),
    ):
        (member,) = read_request(VISION, argv, "run vision").job.members
        assert (member.scheme, member.weight_decay) == expected
    with pytest.raises(UserError, match="has no meaning for scheme none"):
        read_request(VISION, [*lambdas, "--scheme", "none"], "run vision")


def test_an_empty_file_changes_nothing(tmp_path):
    assert job("--config", write(tmp_path, "e.yaml", "# nothing\n")) == job()


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--preset", "dopamine", "--seed", "2", "1"],
        ["--scheme", "none", "l2", "--weight-decay", "2.5e-9", "1e-3"],
        ["--reward-clip", "false", "--decay-schedule", "early:100", "--threads", "1"],
    ],
)
def test_the_printed_config_given_back_is_the_same_request(tmp_path, argv):
    resolved = job(*argv)
    printed = write(tmp_path, "printed.yaml", as_yaml(resolved))
    again = job("--config", printed)
    assert (again.recipe, again.machine) == (resolved.recipe, resolved.machine)
    assert set(again.members) == set(resolved.members)


def test_the_printed_config_names_every_key_of_the_recipe():
    keys = yaml.safe_load(as_yaml(job()))
    assert set(RL.Recipe.keys()) <= set(keys)


def test_help_groups_every_key_of_the_recipe_once():
    grouped = [key for keys in RL.SECTIONS.values() for key in keys]
    assert sorted(grouped) == sorted(RL.Recipe.keys())


def test_a_mistake_in_a_file_names_file_line_key_value_and_what_is_allowed(tmp_path):
    path = write(tmp_path, "a.yaml", "gamma: 0.9\npadding: round\n")
    with pytest.raises(UserError) as error:
        job("--config", path)
    assert str(error.value) == f"{path}, line 2: padding: 'round' is not one of same, valid"


def test_a_flag_after_the_file_is_blamed_for_its_own_mistake(tmp_path):
    path = write(tmp_path, "a.yaml", "padding: same\n")
    with pytest.raises(UserError, match=r"^padding: 'x' is not"):
        job("--config", path, "--padding", "x")


@pytest.mark.parametrize(
    ("key", "text"), [("learning_rate", "1e-2"), ("training_steps", "6_000"), ("n_step", "0x10")]
)
def test_a_value_means_the_same_in_a_file_as_in_a_flag(tmp_path, key, text):
    flag = job(f"--{key}", text)
    assert job("--config", write(tmp_path, "a.yaml", f"{key}: {text}\n")) == flag
    assert getattr(flag.recipe, key) == {"1e-2": 0.01, "6_000": 6000, "0x10": 16}[text]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1:3", "several values are written out, e.g. {1 2 3}"),  # 63 in YAML 1.1
        ("0:10", "several values are written out, e.g. {1 2 3}"),
        ("0-9", "there are no ranges, values are written out, e.g. {0 1 2}"),
        ("0..9", "there are no ranges, values are written out, e.g. {0 1 2}"),
    ],
)
def test_ranges_and_numbers_of_base_60_are_refused(tmp_path, text, hint):
    head, _, listed = hint.rstrip("}").partition("{")
    with pytest.raises(UserError) as error:
        job("--seed", text)
    assert str(error.value) == f"seed: {text!r} is not a whole number; {head}--seed {listed}"
    path = write(tmp_path, "a.yaml", f"seed: {text}\n")
    with pytest.raises(UserError) as error:
        job("--config", path)
    assert str(error.value).endswith(f"; {head}seed: [{', '.join(listed.split())}]")


def test_a_number_that_is_no_seed_is_not_read_with_base_60_either():
    with pytest.raises(UserError, match=r"^iterations: '1:3' is not a whole number$"):
        job("--iterations", "1:3")


def test_every_preset_is_a_valid_request():
    for workload in (RL, NLP):
        for preset in workload.preset_names():
            assert read_request(workload, ["--preset", preset], "wdbench run").job.members


def test_a_file_between_two_flags_lies_between_them(tmp_path):
    a = write(tmp_path, "a.yaml", "gamma: 0.5\nn_step: 3\n")
    recipe = job("--n-step", "2", "--gamma", "0.25", "--config", a, "--gamma", "0.75").recipe
    assert (recipe.gamma, recipe.n_step) == (0.75, 3)


def test_a_mistake_in_a_file_counts_even_where_a_flag_stands_above_it(tmp_path):
    path = write(tmp_path, "a.yaml", "padding: round\n")
    with pytest.raises(UserError, match=r"a\.yaml, line 1: padding: 'round' is not one of"):
        job("--config", path, "--padding", "same")
