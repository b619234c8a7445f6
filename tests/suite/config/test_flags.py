"""The words of a command line as flags with their values."""

import dataclasses
import re

import pytest

from nlp.workload import WORKLOAD as NLP
from rl.workload import WORKLOAD as RL
from suite.config.flags import LISTS, key_types, split_flags
from workload.errors import UserError

KEYS = ("gamma", "data", *LISTS)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--gamma", "-1e-3"], [("gamma", ["-1e-3"])]),
        (["--gamma=-inf"], [("gamma", ["-inf"])]),
        (["--weight-decay", "-.5", "-2E-3"], [("weight_decay", ["-.5", "-2E-3"])]),
        (["--seed=0", "1"], [("seed", ["0", "1"])]),
        (["--data", "a=b", "--print-config"], [("data", ["a=b"]), ("print_config", [])]),
        (["--data=a=b"], [("data", ["a=b"])]),
    ],
)
def test_what_does_not_begin_with_two_dashes_is_a_value(argv, expected):
    assert split_flags(argv, KEYS) == expected


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--print_config", "x"], "--print_config takes no value; 'x' is one"),
        (["--gamma="], "--gamma: expected one argument"),
        (["-x"], "'-x' is no option; values follow an option, --NAME VALUE"),
        (["--gam", "1"], "unknown option '--gam'; did you mean --gamma?"),
    ],
)
def test_a_mistake_names_the_flag(argv, message):
    with pytest.raises(UserError) as error:
        split_flags(argv, KEYS)
    assert str(error.value) == message


def test_other_tools_names_lead_to_flags_that_there_are():
    flags = key_types(RL)
    assert not RL.OTHER_NAMES.keys() & flags.keys()
    for here in RL.OTHER_NAMES.values():
        elsewhere = re.compile("`wdbench .*?`")  # another command, whose flags are its own
        named = re.findall(r"--(\w+)", elsewhere.sub("", here))
        assert set(named) <= flags.keys()
        assert named or "`" in here or "every run" in here


@pytest.mark.parametrize("workload", [RL, NLP])
def test_every_field_of_recipe_and_machine_is_a_flag_with_its_type(workload):
    types = key_types(workload)
    fields = dataclasses.fields(workload.Recipe) + dataclasses.fields(workload.Machine)
    expected = {field.name: field.type for field in fields}
    assert set(types) == {*expected, *LISTS, "runs"}
    assert {key: types[key] for key in expected} == expected
