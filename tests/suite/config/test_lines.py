"""YAML as users write it, with its lines: anchors, merges and their mistakes."""

import pytest
import yaml

from suite.config.lines import compose, line_of, mapping_of, texts_of
from workload.errors import UserError

KEYS = ("gamma", "n_step", "seed", "loss")


def texts(text):
    (root,) = compose(text, "a.yaml")
    return {
        key: texts_of(node, "mistake", several=True)
        for key, node in mapping_of(root, "a.yaml", KEYS, "key").items()
    }


@pytest.mark.parametrize(
    "text",
    [
        "<<: {gamma: 0.5, n_step: 3}\nn_step: 2\n",
        "n_step: 2\n<<: {gamma: 0.5, n_step: 3}\n",
        "<<: [{gamma: 0.5}, {gamma: 0.25, n_step: 3}]\nseed: 1\n",
        "<<: {<<: {gamma: 0.5, n_step: 1}, n_step: 3}\n",
        "gamma: &half 0.5\nn_step: *half\n",
    ],
)
def test_merges_and_aliases_mean_what_yaml_says(text):
    expected = yaml.safe_load(text)
    assert texts(text) == {key: [str(value)] for key, value in expected.items()}


def test_a_merged_value_stands_on_the_line_where_it_is_written():
    (root,) = compose("loss: &x huber\n<<:\n  gamma: 1\nseed: *x\n", "a.yaml")
    nodes = mapping_of(root, "a.yaml", KEYS, "key")
    assert line_of(nodes["gamma"], "a.yaml") == "a.yaml, line 3"
    assert line_of(nodes["seed"], "a.yaml") == "a.yaml, line 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<: {gama: 1}\n", "a.yaml, line 1: unknown key 'gama'; did you mean gamma?"),
        ("<<: {gamma: 1, gamma: 2}\n", "a.yaml, line 1: gamma is given a second time"),
        ("seed: 1\n<<: 3\n", "a.yaml: expected lines of `key: value`"),
        ("&a\n<<: *a\n", "a.yaml, line 2: << merges a mapping into itself"),
        ("<<: *nowhere\n", "a.yaml, line 1: not YAML: found undefined alias"),
    ],
)
def test_a_mistake_in_a_merge_names_its_line(text, message):
    with pytest.raises(UserError) as error:
        texts(text)
    assert str(error.value).startswith(message)
