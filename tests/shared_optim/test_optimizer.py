"""The optimizer as a citizen of torch: state, groups, closures, layouts, errors."""

import copy
import io
import math
import textwrap

import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam, decay_groups
from tests.shared_optim.reference import noise, parameters, train

SHAPES = (4, 3), (3,)


def eager(given, **options):
    return WeightDecayAdam(given, compile=False, **options)


def saved_and_loaded(state_dict):
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("separated", [0.3, [0.3, 0.0, 0.1, 0.0]])
def test_training_goes_on_bit_for_bit_from_a_state_dict(dtype, separated):
    gradients = noise(*[(4, *shape) for shape in SHAPES], steps=10)
    options = {"lr": 0.01, "separated": separated, "schedule": "stuttered:3"}
    first = parameters(*[(4, *shape) for shape in SHAPES], dtype=dtype)
    optimizer = eager(first, **options)
    train(optimizer, gradients[:5])
    second = [nn.Parameter(p.detach().clone()) for p in first]
    resumed = eager(second)
    resumed.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    train(optimizer, gradients[5:])
    train(resumed, gradients[5:])
    for left, right in zip(first, second, strict=True):
        assert torch.equal(left, right)
        for key, value in optimizer.state[left].items():
            loaded = resumed.state[right][key]
            same = (
                torch.equal(value, loaded) if isinstance(value, torch.Tensor) else value == loaded
            )
            assert same, key


def test_a_copy_goes_its_own_way():
    (theta,) = parameters((3,))
    optimizer = eager([theta], lr=0.01, separated=0.1)
    train(optimizer, noise((3,), steps=2))
    clone = copy.deepcopy(optimizer)
    before = theta.detach().clone()
    train(clone, noise((3,), steps=2))
    assert clone.compile is False
    assert torch.equal(theta, before)
    assert optimizer.state[theta]["step"] == 2


def test_state_put_in_place_by_hand_is_used():
    (theta,), (expected,) = parameters((3,)), parameters((3,))
    gradients = noise((3,), steps=4)
    optimizer = eager([theta], lr=0.01)
    train(optimizer, gradients[:2])
    optimizer.state[theta] = {
        "step": torch.tensor(0),
        "exp_avg": torch.zeros(3),
        "exp_avg_sq": torch.zeros(3),
    }
    with torch.no_grad():
        theta.copy_(expected)
    train(optimizer, gradients[2:])
    train(eager([expected], lr=0.01), gradients[2:])
    assert torch.equal(theta, expected)


def test_new_memory_under_a_parameter_is_noticed():
    (theta,), (expected,) = parameters((3,)), parameters((3,))
    gradients = noise((3,), steps=4)
    optimizer = eager([theta], lr=0.01)
    train(optimizer, gradients[:2])
    old, theta.data = theta.data, theta.data.clone()
    kept = old.clone()
    train(optimizer, gradients[2:])
    train(eager([expected], lr=0.01), gradients)
    assert torch.equal(theta, expected)
    assert torch.equal(old, kept)


def test_state_of_other_shapes_is_refused_before_anything_changes():
    (saved,), given = parameters((3,)), parameters((3,), (4,))
    optimizer = eager([saved])
    train(optimizer, noise((3,), steps=1))
    state = optimizer.state[saved]
    resumed = eager(given)
    resumed.state[given[1]] = state
    before = [p.detach().clone() for p in given]
    with pytest.raises(ValueError, match=r"exp_avg of shape \(3,\) .* parameter of shape \(4,\)"):
        train(resumed, noise((3,), (4,), steps=1))
    for parameter, value in zip(given, before, strict=True):
        assert torch.equal(parameter, value)


def test_buffers_stay_in_float32_when_a_parameter_becomes_narrower():
    (theta,) = parameters((3,))
    optimizer = eager([theta], lr=0.01, separated=0.1)
    train(optimizer, noise((3,), steps=1))
    kept = optimizer.state[theta]["exp_avg"].clone()
    theta.grad = None
    theta.data = theta.data.bfloat16()
    train(optimizer, [[torch.zeros(3)]])
    state = optimizer.state[theta]
    assert {state[key].dtype for key in state if key != "step"} == {torch.float32}
    torch.testing.assert_close(state["exp_avg"], 0.9 * kept, rtol=1e-7, atol=0.0)


def test_a_state_dict_of_another_optimizer_is_refused_and_nothing_changes():
    (theta,) = parameters((3,))
    optimizer = eager([theta], l2=0.1)
    with pytest.raises(ValueError, match="another optimizer's"):
        optimizer.load_state_dict(torch.optim.Adam([theta]).state_dict())
    assert optimizer.param_groups[0]["l2"] == 0.1


def test_without_a_gradient_there_is_neither_decay_nor_state():
    moving, still = parameters((3,), (3,))
    before = still.detach().clone()
    optimizer = eager([moving, still], l2=0.1, decoupled=0.1, separated=0.1)
    moving.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(still, before)
    assert still not in optimizer.state


def test_parameters_that_skip_steps_count_their_own():
    always, often = parameters((3,), (3,), dtype=torch.float64)
    (expected,) = parameters((3,), dtype=torch.float64)
    with torch.no_grad():
        often.copy_(expected)
    optimizer = eager([always, often], lr=0.01, separated=0.1)
    gradients = noise((3,), steps=6)
    for t, (gradient,) in enumerate(gradients):
        always.grad = gradient
        often.grad = gradient if t % 2 else None
        optimizer.step()
    train(eager([expected], lr=0.01, separated=0.1), gradients[1::2])
    assert torch.equal(often, expected)
    assert (optimizer.state[always]["step"], optimizer.state[often]["step"]) == (6, 3)


def test_sparse_gradients_are_refused_before_anything_changes():
    dense, sparse = parameters((3,), (3, 2))
    before = dense.detach().clone()
    dense.grad = torch.ones(3)
    sparse.grad = torch.ones(3, 2).to_sparse()
    with pytest.raises(RuntimeError, match="sparse gradients"):
        eager([dense, sparse]).step()
    assert torch.equal(dense, before)


def test_complex_parameters_are_refused():
    with pytest.raises(ValueError, match="complex"):
        eager([nn.Parameter(torch.zeros(3, dtype=torch.complex64))])


def test_the_closure_is_evaluated_with_gradients_and_its_loss_returned():
    (theta,) = parameters((3,))
    optimizer = eager([theta], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (theta**2).sum()
        loss.backward()
        return loss.item()

    losses = [optimizer.step(closure) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_groups_keep_their_own_values():
    one, other = parameters((3,), (3,), dtype=torch.float64)
    apart = parameters((3,), (3,), dtype=torch.float64)
    gradients = noise((3,), (3,), steps=5)
    train(
        eager(
            [{"params": [one]}, {"params": [other], "lr": 0.1, "l2": 0.0, "schedule": "late:2"}],
            lr=0.01,
            l2=0.3,
            separated=0.2,
        ),
        gradients,
    )
    train(eager(apart[:1], lr=0.01, l2=0.3, separated=0.2), [step[:1] for step in gradients])
    train(eager(apart[1:], lr=0.1, separated=0.2, schedule="late:2"), [s[1:] for s in gradients])
    assert torch.equal(one, apart[0])
    assert torch.equal(other, apart[1])


def test_a_scheduler_moves_the_rate_also_of_a_tensor():
    results = []
    for lr in (0.1, torch.tensor(0.1, dtype=torch.float64)):
        (theta,) = parameters((3,), dtype=torch.float64)
        optimizer = eager([theta], lr=lr, separated=0.1)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        for gradients in noise((3,), steps=5):
            train(optimizer, [gradients])
            scheduler.step()
        results.append(theta)
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.1 / 2**5)
    assert torch.equal(*results)


def test_monitors_find_a_number_as_weight_decay():
    optimizer = eager(parameters((2, 3)), l2=[0.1, 0.0], decoupled=[0.0, 0.2])
    assert optimizer.param_groups[0]["weight_decay"] == 0.2


@pytest.mark.parametrize("stacked", [False, True])
def test_kernels_and_embeddings_decay_biases_and_norms_do_not(stacked):
    model = nn.Sequential(
        nn.Embedding(5, 4), nn.Linear(4, 3), nn.LayerNorm([3, 3]), nn.Conv2d(1, 2, 3)
    )
    if stacked:
        for layer in model:
            for name, parameter in list(layer.named_parameters()):
                setattr(layer, name, nn.Parameter(parameter.detach().expand(2, *parameter.shape)))
    separated = [0.1, 0.2] if stacked else 0.1
    optimizer = eager(decay_groups(model, stacked=stacked), separated=separated)
    decayed, kept = optimizer.param_groups
    assert decayed["param_names"] == ["0.weight", "1.weight", "3.weight"]
    assert kept["param_names"] == ["1.bias", "2.weight", "2.bias", "3.bias"]
    assert decayed["separated"] == separated
    assert kept["separated"] == ([0.0, 0.0] if stacked else 0.0)


@pytest.mark.parametrize(
    ("layer", "separated"), [(nn.Linear(3, 2, bias=False), 0.1), (nn.LayerNorm(3), 0.0)]
)
def test_where_all_parameters_are_of_one_kind_there_is_one_group(layer, separated):
    (group,) = eager(decay_groups(layer), separated=0.1).param_groups
    assert group["separated"] == separated
    assert group["params"] == list(layer.parameters())


def channels_last(tensor):
    return tensor.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "laid_out",
    [
        channels_last,
        lambda tensor: tensor.transpose(0, 1).contiguous().transpose(0, 1),
        lambda tensor: torch.cat([tensor, tensor], dim=-1)[..., : tensor.shape[-1]],
    ],
    ids=["channels_last", "transposed", "slice"],
)
@pytest.mark.parametrize("separated", [0.3, [0.3, 0.0, 0.1]])
def test_the_layout_in_memory_changes_no_value(laid_out, separated):
    shape = (3, 2, 4, 5)
    (expected,) = parameters(shape)
    theta = nn.Parameter(laid_out(expected.detach().clone()))
    assert not theta.is_contiguous()
    gradients = noise(shape, steps=4)
    resumed = nn.Parameter(theta.detach().clone(memory_format=torch.contiguous_format))
    ours, wanted = (eager([p], lr=0.01, separated=separated) for p in (theta, expected))
    train(ours, gradients[:2])
    train(wanted, gradients)
    for gradient in gradients[2:]:
        theta.grad = laid_out(gradient[0].float())
        ours.step()
    assert torch.equal(theta, expected)
    # A state saved in one layout serves parameters in another.
    again = eager([resumed], lr=0.01, separated=separated)
    train(again, gradients[:2])
    theta.data.copy_(resumed.detach())
    ours.load_state_dict(saved_and_loaded(again.state_dict()))
    train(ours, gradients[2:])
    assert torch.equal(theta, expected)


def test_empty_and_expanded_tensors_are_no_trouble():
    empty, theta, expected = (*parameters((0, 3)), *parameters((3, 3)), *parameters((3, 3)))
    empty.grad = torch.zeros(0, 3)
    theta.grad = torch.ones(1, 3).expand(3, 3)
    expected.grad = torch.ones(3, 3)
    eager([empty, theta]).step()
    eager([expected]).step()
    assert torch.equal(theta, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr: -1.0"),
        ({"lr": torch.ones(2)}, "lr: a tensor must hold one element"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"eps": float("nan")}, "eps: nan"),
        ({"separated": -0.1}, "separated: -0.1"),
        ({"decoupled": float("inf")}, "decoupled: inf"),
        ({"schedule": "early"}, "schedule: 'early'"),
        ({"eps_placement": "inside"}, "eps_placement: 'inside' is neither outside nor hat"),
        ({"rounding": "twice"}, "rounding: 'twice' is neither once nor torch"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        eager(parameters((3,)), **options)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", -1.0),
        ("lr", math.nan),
        ("lr", "fast"),
        ("betas", 0.9),
        ("betas", (0.9, 1.0)),
        ("l2", math.nan),
        ("decoupled", -500.0),
        ("separated", "much"),
        ("l2", [0.1, 0.2]),
        ("schedule", None),
        ("eps_placement", "inside"),
        ("rounding", "twice"),
    ],
)
def test_values_changed_later_are_checked_at_the_next_step_at_the_latest(key, value):
    (theta,) = parameters((3,))
    theta.grad = torch.ones(3)
    optimizer = eager([theta])
    before = theta.detach().clone()

    def written_and_used():
        optimizer.param_groups[0][key] = value
        optimizer.step()

    with pytest.raises(ValueError, match=key):
        written_and_used()
    assert torch.equal(theta, before)


def test_a_schedule_that_ends_a_rounding_below_zero_is_zero():
    (theta,) = parameters((3,))
    theta.grad = torch.ones(3)
    optimizer = eager([theta])
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, 0.0, 10)
    for _ in range(12):
        optimizer.step()
        schedule.step()
    assert -1e-18 < optimizer.param_groups[0]["lr"] < 0


def test_values_changed_later_may_be_of_any_kind_of_sequence_and_number():
    (theta,) = parameters((2, 3))
    theta.grad = torch.ones(2, 3)
    optimizer = eager([theta], l2=[0.1, 0.2])
    changes = {"l2": (0.3, 0.4), "separated": torch.tensor([0.5, 0.25]), "betas": [0.5, 0.75]}
    optimizer.param_groups[0].update(changes, schedule=("always", "early:5"))
    optimizer.step()
    group = optimizer.param_groups[0]
    assert (group["l2"], group["separated"], group["betas"]) == (
        [0.3, 0.4],
        [0.5, 0.25],
        (0.5, 0.75),
    )
    assert group["schedule"] == ["always", "early:5"]


def test_a_misspelt_key_of_a_group_is_refused_and_a_strange_one_kept():
    with pytest.raises(ValueError, match=r"seperated: unknown .* did you mean separated"):
        eager([{"params": parameters((3,)), "seperated": 0.1}])
    optimizer = eager([{"params": parameters((3,)), "scheduler": 1, 2: "two"}])
    assert (optimizer.param_groups[0]["scheduler"], optimizer.param_groups[0][2]) == (1, "two")


def test_a_weight_decay_that_names_no_scheme_is_refused():
    with pytest.raises(ValueError, match=r"weight_decay: 0\.1 names no scheme"):
        eager([{"params": parameters((3,)), "weight_decay": 0.1}])


def test_parameters_in_the_place_of_a_module_are_refused():
    with pytest.raises(TypeError, match="takes a module, not a generator"):
        decay_groups(nn.Linear(2, 2).parameters())


def test_the_example_in_the_docstring_runs():
    _, _, rest = WeightDecayAdam.__doc__.partition("For example:")
    example, _, _ = rest.partition("Args:")
    names = {"torch": torch, "WeightDecayAdam": lambda given, **kw: eager(given, **kw)}
    exec(textwrap.dedent(example), names)
    assert names["optimizer"].state[names["model"].weight]["step"] == 1
