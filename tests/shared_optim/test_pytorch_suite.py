"""What PyTorch asks of its own optimizers, asked of ours.

Provenance: the properties are those of pytorch/pytorch (BSD-3) test/test_optim.py,
test/optim/test_optim.py, test/optim/test_swa_utils.py, test/optim/test_stateless.py and
torch/testing/_internal/common_optimizers.py, as of 2024-03 to 2.13. No line of theirs is here: each
test states its property anew and takes the expected value from torch.optim or from arithmetic.

Meant differences, each with a test below or beside:

* Complex parameters are refused, and so are sparse gradients. torch.view_as_real of a complex
  parameter is optimized as torch does it (`test_complex_...`); decay touches every weight, so a
  sparse gradient would be dense after one step (`test_sparse_...`).
* There are no foreach, fused, capturable, differentiable, amsgrad and dampening: refused with what
  to write instead (`test_param_groups.py`). What holds for foreach and fused there holds for
  `compile` here.
* `step` in the state is an int, or K of them, never a tensor; a tensor that is written or loaded is
  read.
* The groups are checked copies of the dicts given: torch keeps and changes the user's own.
* betas may be numbers and tensors mixed: they become numbers.
* A parameter that stands twice in one group, of which torch warns, is updated twice at the same
  step count; torch counts two.
* Buffers of bfloat16 and float16 parameters are float32, see `test_precision.py`.
* An error in a step leaves every parameter as it was, also those before the one that is wrong.
"""

import copy
import io
import math
import weakref

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.optim import lr_scheduler, swa_utils
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shared_optim import WeightDecayAdam, WeightDecaySGD
from tests.shared_optim.reference import parameters

CASES = {
    "adam": (WeightDecayAdam, {}),
    "adam-lr": (WeightDecayAdam, {"lr": 0.01}),
    "adam-l2": (WeightDecayAdam, {"l2": 0.1}),
    "adam-decoupled-maximize": (WeightDecayAdam, {"decoupled": 0.1, "maximize": True}),
    "adam-separated": (WeightDecayAdam, {"separated": 0.1, "schedule": "stuttered:2"}),
    "adam-stable": (WeightDecayAdam, {"stable": 0.1, "cautious": 0.1}),
    "adam-tensor-lr": (WeightDecayAdam, {"lr": torch.tensor(0.001), "decoupled": 0.1}),
    "sgd": (WeightDecaySGD, {}),
    "sgd-momentum": (WeightDecaySGD, {"lr": 0.01, "momentum": 0.9, "l2": 0.1}),
    "sgd-nesterov": (WeightDecaySGD, {"momentum": 0.9, "nesterov": True, "decoupled": 0.1}),
    "sgd-maximize": (WeightDecaySGD, {"momentum": 0.9, "l2": 0.1, "maximize": True}),
    "sgd-tensor-lr": (WeightDecaySGD, {"lr": torch.tensor(0.01), "proximal": 0.1}),
}
EQUALS = {
    "Adam": (
        lambda p, **kw: WeightDecayAdam(p, l2=0.1, **kw),
        lambda p, **kw: torch.optim.Adam(p, weight_decay=0.1, **kw),
    ),
    "AdamW": (
        lambda p, **kw: WeightDecayAdam(p, decoupled=0.1, **kw),
        lambda p, **kw: torch.optim.AdamW(p, weight_decay=0.1, **kw),
    ),
    "SGD": (
        lambda p, **kw: WeightDecaySGD(p, momentum=0.9, l2=0.1, **kw),
        lambda p, **kw: torch.optim.SGD(p, momentum=0.9, weight_decay=0.1, **kw),
    ),
}
every_case = pytest.mark.parametrize("case", CASES)
every_pair = pytest.mark.parametrize(("ours", "theirs"), EQUALS.values(), ids=EQUALS)


def make(case, given, **more):
    optimizer, options = CASES[case]
    return optimizer(given, **{**copy.deepcopy(options), **more})


def ascends(case):
    return CASES[case][1].get("maximize", False)


def problem(*, contiguous=True):
    """A weight [10, 5], a bias [10], and what gives them gradients and returns the loss."""
    random = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(10, 5, 2, generator=random), torch.randn(10, 2, generator=random)
    given = [nn.Parameter(tensor[..., 0]) for tensor in (weight, bias)]
    if contiguous:
        given = [nn.Parameter(p.detach().contiguous()) for p in given]
    inputs = torch.randn(5, generator=random)

    def closure():
        for parameter in given:
            parameter.grad = None
        loss = (given[0].mv(inputs) + given[1]).square().sum()
        loss.backward()
        return loss

    return given, closure


def went(case, before, after):
    return after > before if ascends(case) else after < before


def saved_and_loaded(state_dict):
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def same_state(left, right):
    """Whether two state_dicts hold the same values, in whatever order."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same_state(left[k], right[k]) for k in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same_state, left, right))
    return torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right


# Descent


@every_case
@pytest.mark.parametrize("contiguous", [True, False])
def test_twenty_steps_go_in_the_right_direction(case, contiguous):
    given, closure = problem(contiguous=contiguous)
    optimizer = make(case, given)
    before = closure().item()
    for _ in range(20):
        optimizer.step(closure)
    assert went(case, before, closure().item())


SCHEDULERS = [
    lambda o: [lr_scheduler.StepLR(o, gamma=0.9, step_size=10)],
    lambda o: [lr_scheduler.LinearLR(o, start_factor=0.4, total_iters=4)],
    lambda o: [
        lr_scheduler.StepLR(o, gamma=0.9, step_size=10),
        lr_scheduler.ReduceLROnPlateau(o),
    ],
    lambda o: [
        lr_scheduler.ConstantLR(o, factor=0.4, total_iters=4),
        lr_scheduler.ExponentialLR(o, gamma=0.9),
        lr_scheduler.PolynomialLR(o, power=0.9, total_iters=4),
    ],
    lambda o: [lr_scheduler.CosineAnnealingLR(o, T_max=30)],
    lambda o: [lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=7)],
    lambda o: [lr_scheduler.MultiStepLR(o, [5, 12])],
    lambda o: [
        lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.LinearLR(o, 0.1, total_iters=5), lr_scheduler.CosineAnnealingLR(o, 20)],
            milestones=[5],
        )
    ],
    lambda o: [lr_scheduler.OneCycleLR(o, max_lr=0.01, total_steps=25)],
    lambda o: [lr_scheduler.CyclicLR(o, base_lr=0.001, max_lr=0.01, step_size_up=6)],
    lambda o: [swa_utils.SWALR(o, swa_lr=0.01, anneal_epochs=5)],
    lambda o: [lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch))],
    lambda o: [lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.95)],
]


@pytest.mark.parametrize("schedulers", SCHEDULERS)
@every_pair
def test_every_scheduler_moves_rate_and_momentum_as_torchs(ours, theirs, schedulers):
    """Momentum, or beta1, too, which the cyclic ones turn."""
    results, rates = [], []
    for build in (ours, theirs):
        given, _ = problem()
        given = [p.data.double().requires_grad_() for p in given]
        optimizer = build(given, lr=0.005)
        moving = schedulers(optimizer)
        for t in range(20):
            for parameter in given:
                parameter.grad = torch.sin(parameter.detach() * (t + 1))
            optimizer.step()
            for scheduler in moving:
                plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
                scheduler.step(*([torch.tensor(1.0)] if plateau else []))
        results.append(given)
        (group,) = optimizer.param_groups
        rates.append([group["lr"], group.get("momentum"), *group.get("betas", ())])
    assert rates[0] == rates[1]
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


@every_pair
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_rate_that_is_a_tensor_is_the_number_that_it_holds(ours, theirs, shape):
    results = []
    for build, lr in ((ours, 0.01), (ours, torch.full(shape, 0.01, dtype=torch.float64))):
        given, closure = problem()
        optimizer = build(given, lr=lr)
        scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
        for _ in range(5):
            optimizer.step(closure)
            scheduler.step()
        results.append(given)
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.01 * 0.9**5)
        assert isinstance(optimizer.param_groups[0]["lr"], type(lr))
    for left, right in zip(*results, strict=True):
        assert torch.equal(left, right)


@every_case
def test_a_group_without_decay_beside_one_with_it(case):
    given, closure = problem()
    _, options = CASES[case]
    lambdas = {key: 0.0 for key in options if key not in ("lr", "momentum", "nesterov", "maximize")}
    lambdas.pop("schedule", None)
    optimizer = make(case, [{"params": given[:1]}, {"params": given[1:], **lambdas}])
    assert optimizer.param_groups[1]["weight_decay"] == 0.0
    before = closure().item()
    for _ in range(20):
        optimizer.step(closure)
    assert went(case, before, closure().item())


@every_case
def test_a_group_with_a_rate_of_its_own(case):
    given, closure = problem()
    (still,) = parameters((2,))
    kept = still.detach().clone()
    rate = CASES[case][1].get("lr", 1e-3)
    optimizer = make(case, [{"params": given, "lr": rate}, {"params": [still]}], lr=1e-28)
    before = closure().item()
    for _ in range(20):
        still.grad = torch.ones(2)
        optimizer.step(closure)
    assert went(case, before, closure().item())
    torch.testing.assert_close(still.detach(), kept)


def rosenbrock(point):
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@pytest.mark.parametrize(
    "optimizer", [lambda p: WeightDecayAdam(p, lr=0.02), lambda p: WeightDecaySGD(p, lr=1e-3)]
)
def test_it_descends_into_rosenbrocks_valley(optimizer):
    """From 56.5, with one coordinate of the gradient at a time."""
    point = nn.Parameter(torch.tensor([1.5, 1.5]))
    made = optimizer([point])
    for t in range(200):
        rosenbrock(point).backward()
        point.grad[t % 2] = 0.0
        made.step()
        point.grad = None
    assert rosenbrock(point) < 0.3


# What it is given


def test_parameters_that_torch_refuses_are_refused_as_there():
    (theta,) = parameters((1, 1))
    (other,) = parameters((1, 1), seed=1)
    for optimizer in (WeightDecayAdam, WeightDecaySGD):
        with pytest.raises(TypeError, match="an iterable of Tensors or dicts"):
            optimizer(theta)
        with pytest.raises(ValueError, match="empty parameter list"):
            optimizer([])
        with pytest.raises(TypeError, match="can only optimize Tensors"):
            optimizer([1.0])
        with pytest.raises(TypeError, match="ordered collections"):
            optimizer([{"params": {theta}}])
        with pytest.raises(ValueError, match="non-leaf"):
            optimizer([theta * 2])
        with pytest.raises(ValueError, match="more than one parameter group"):
            optimizer([{"params": theta}, {"params": theta}])
        with pytest.warns(UserWarning, match="duplicate parameters"):
            optimizer([theta, theta])
        with pytest.raises(ValueError, match="Some param names are missing"):
            optimizer([("weight", theta), other])
        with pytest.raises(ValueError, match="with/without names"):
            optimizer([{"params": [theta]}, {"params": [("other", other)]}])
        made = optimizer([theta])
        with pytest.raises(ValueError, match="more than one parameter group"):
            made.add_param_group({"params": [theta]})
        assert len(made.param_groups) == 1


@pytest.mark.parametrize(
    ("optimizer", "options", "said"),
    [
        (WeightDecayAdam, {"lr": -0.1}, "lr"),
        (WeightDecayAdam, {"lr": torch.tensor([0.001, 0.001])}, "lr: a tensor must hold one"),
        (WeightDecayAdam, {"betas": (1.0, 0.0)}, "betas"),
        (WeightDecayAdam, {"betas": (0.0, 1.0)}, "betas"),
        (WeightDecayAdam, {"eps": -1e-8}, "eps"),
        (WeightDecayAdam, {"l2": -1}, "l2"),
        (WeightDecaySGD, {"momentum": -0.5}, "momentum"),
        (WeightDecaySGD, {"nesterov": True}, "nesterov"),
        (WeightDecaySGD, {"decoupled": -1}, "decoupled"),
    ],
)
def test_values_that_torch_refuses_are_refused(optimizer, options, said):
    with pytest.raises(ValueError, match=said):
        optimizer(parameters((2,)), **options)
    with pytest.raises(ValueError, match=said):
        optimizer([{"params": parameters((2,)), **options}])


def test_complex_parameters_are_refused_and_their_real_view_is_taken():
    """As torch's own do with a complex parameter, whose moments are those of its parts."""
    start = torch.randn(10, 5, dtype=torch.complex64, generator=torch.Generator())
    for optimizer in (WeightDecayAdam, WeightDecaySGD):
        with pytest.raises(ValueError, match=r"complex .* optimize torch\.view_as_real"):
            optimizer([nn.Parameter(start)])
    ours, theirs = nn.Parameter(torch.view_as_real(start.clone())), nn.Parameter(start.clone())
    optimizers = WeightDecayAdam([ours], lr=0.1), torch.optim.Adam([theirs], lr=0.1)
    for t in range(3):
        theirs.grad = start * (t - 1)
        ours.grad = torch.view_as_real(theirs.grad)
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(torch.view_as_complex(ours.detach()), theirs.detach())


@every_case
def test_sparse_gradients_are_refused_and_nothing_changes(case):
    first, second = parameters((3,), (3, 2))
    optimizer = make(case, [first, second])
    before = first.detach().clone()
    first.grad = torch.ones(3)
    second.grad = torch.ones(3, 2).to_sparse()
    with pytest.raises(RuntimeError, match="sparse gradients are not supported"):
        optimizer.step()
    assert torch.equal(first, before)


@every_case
def test_compiled_and_eager_agree_beside_scalars_and_missing_gradients(case):
    results = []
    for compile in (True, False):
        given, closure = problem()
        (scalar,) = parameters(())
        scalar.grad = torch.tensor(0.5)
        optimizer = make(case, [*given, scalar], compile=compile)
        for t in range(7):
            closure()
            if t == 3:
                given[0].grad = given[1].grad = None
            optimizer.step()
        states = [optimizer.state[p] for p in (*given, scalar)]
        results.append(([*given, scalar], states))
    assert same_state(results[0], results[1])
    assert results[0][1][0]["step"] == 6
    assert results[0][1][2]["step"] == 7


@every_case
def test_parameters_of_several_devices_and_dtypes_stand_in_one_group(case):
    kinds = [
        (torch.float64, "cpu"),
        (torch.float32, "cpu"),
        (torch.bfloat16, "cpu"),
        (torch.float16, "cpu"),
        (torch.float32, "meta"),
    ]
    together = [nn.Parameter(torch.ones(2, 3, dtype=d, device=w)) for d, w in kinds]
    apart = [nn.Parameter(p.detach().clone()) for p in together]
    more = {"stable": 0.0} if "stable" in case else {}  # its mean is over all parameters
    optimizers = [make(case, given, lr=0.1, **more) for given in (together, *([p] for p in apart))]
    for _ in range(3):
        for parameter in (*together, *apart):
            parameter.grad = torch.ones_like(parameter)
        for optimizer in optimizers:
            optimizer.step()
    for left, right in zip(together[:-1], apart[:-1], strict=True):
        assert torch.equal(left, right)
        assert not torch.equal(left, torch.ones_like(left))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@every_case
def test_the_memory_format_of_parameter_and_state_is_one(case, layout):
    (start,) = parameters((4, 3, 2, 2))
    theta = nn.Parameter(start.detach().clone(memory_format=layout))
    optimizer = make(case, [theta])
    theta.grad = torch.ones(4, 3, 2, 2)
    optimizer.step()
    for name, value in optimizer.state[theta].items():
        if name != "step":
            assert value.stride() == theta.stride(), name
    assert theta.is_contiguous(memory_format=layout)


@every_case
def test_a_lazily_made_module_is_trained_once_it_has_a_shape(case):
    module = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 1))
    optimizer = make(case, module.parameters())
    optimizer.step()  # no gradient yet
    torch.manual_seed(0)
    module(torch.randn(8, 3)).square().sum().backward()
    before = [p.detach().clone() for p in module.parameters()]
    optimizer.step()
    for parameter, value in zip(module.parameters(), before, strict=True):
        assert not torch.equal(parameter, value)


# Steps that do nothing


@every_case
def test_without_gradients_nothing_happens(case):
    given = [torch.ones(2, 3), torch.ones(3)]  # they need not require one
    optimizer = make(case, given)
    loss = optimizer.step(lambda: torch.tensor([1.0]))
    assert loss == 1.0
    assert all(torch.equal(p, torch.ones_like(p)) for p in given)
    assert not optimizer.state


@pytest.mark.parametrize(("optimizer", "options"), [(WeightDecayAdam, {}), (WeightDecaySGD, {})])
def test_a_gradient_of_zeros_without_decay_moves_nothing(optimizer, options):
    (theta,) = parameters((5, 1))
    before = theta.detach().clone()
    theta.grad = torch.zeros(5, 1)
    optimizer([theta], **options).step()
    assert torch.equal(theta, before)


@every_case
def test_gradients_are_read_only(case):
    given, closure = problem()
    optimizer = make(case, given)
    for _ in range(3):
        closure()
        grads = [p.grad for p in given]
        versions, values = [g._version for g in grads], [g.clone() for g in grads]
        optimizer.step()
        assert [g._version for g in grads] == versions
        assert all(map(torch.equal, grads, values))
        assert all(p.grad is g for p, g in zip(given, grads, strict=True))


# State


@every_case
def test_after_a_step_every_parameter_has_state_of_its_own(case):
    given, closure = problem()
    optimizer = make(case, given)
    assert not optimizer.state
    optimizer.step(closure)
    places = [
        value.data_ptr()
        for p in given
        for value in optimizer.state[p].values()
        if isinstance(value, torch.Tensor)
    ]
    assert len(set(places)) == len(places)
    assert [optimizer.state[p]["step"] for p in given] == [1, 1]


@every_case
def test_training_from_a_state_is_training_on(case):
    given, closure = problem()
    optimizer = make(case, given)
    for _ in range(10):
        optimizer.step(closure)
    others = [nn.Parameter(p.detach().clone()) for p in given]
    resumed = make(case, others)
    state = saved_and_loaded(optimizer.state_dict())
    kept = copy.deepcopy(state)
    resumed.load_state_dict(state)
    for _ in range(10):
        optimizer.step(closure)
        for parameter, other in zip(given, others, strict=True):
            other.grad = parameter.grad
        resumed.step()
    assert all(map(torch.equal, given, others))
    assert same_state(optimizer.state_dict(), resumed.state_dict())
    resumed.param_groups.extend(resumed.param_groups)
    assert resumed.state_dict()["param_groups"][-1] == optimizer.state_dict()["param_groups"][-1]
    # the loaded dict itself is read and not changed
    assert state["param_groups"] == kept["param_groups"]
    assert list(state["state"]) == list(kept["state"])


@every_case
def test_a_state_dict_is_not_moved_by_loading_a_copy_of_it(case):
    given, closure = problem()
    optimizer = make(case, given)
    optimizer.step(closure)
    state = copy.deepcopy(optimizer.state_dict())
    kept = copy.deepcopy(state)
    make(case, given).load_state_dict(copy.deepcopy(state))
    optimizer.step(closure)
    assert same_state(state, kept)


@every_case
def test_a_state_without_the_newer_flags_is_loaded(case):
    model = nn.Sequential(nn.Conv2d(4, 2, 1, stride=2), nn.BatchNorm2d(2))
    optimizer = make(case, model.parameters())

    def step():
        optimizer.zero_grad()
        model(torch.ones(1, 4, 8, 8)).sum().backward()
        optimizer.step()

    step()
    state = copy.deepcopy(optimizer.state_dict())
    for group in state["param_groups"]:
        for flag in ("maximize", "foreach", "fused", "differentiable", "capturable"):
            group.pop(flag, None)
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is ascends(case)
    step()
    assert optimizer.state[model[0].weight]["step"] == 2


@every_case
@pytest.mark.parametrize("kind", [torch.tensor, lambda t: torch.tensor(t, dtype=torch.int64), int])
def test_steps_are_loaded_as_a_tensor_or_as_a_number(case, kind):
    given, closure = problem()
    optimizer = make(case, given)
    for _ in range(3):
        optimizer.step(closure)
    state = copy.deepcopy(optimizer.state_dict())
    for own in state["state"].values():
        own["step"] = kind(float(own["step"]))
    optimizer.load_state_dict(state)
    optimizer.step(closure)
    assert [int(optimizer.state[p]["step"]) for p in given] == [4, 4]


@every_case
@pytest.mark.parametrize(
    ("saves", "loads"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_named_and_nameless_optimizers_load_each_others_state(case, saves, loads):
    module = nn.Linear(3, 2)

    def built(named):
        return make(case, module.named_parameters() if named else module.parameters())

    one, other = built(saves), built(loads)
    module(torch.ones(1, 3)).sum().backward()
    one.step()
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert same_state(one.state_dict()["state"], other.state_dict()["state"])
    names = ["weight", "bias"] if saves or loads else None
    assert other.param_groups[0].get("param_names") == names


def test_states_of_other_groups_and_sizes_are_refused_as_there():
    one, other = parameters((3,), (3,))
    optimizer = WeightDecayAdam([{"params": [one]}, {"params": [other]}])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(WeightDecayAdam([one]).state_dict())
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        WeightDecayAdam([one]).load_state_dict(WeightDecayAdam([one, other]).state_dict())


@every_case
def test_a_deep_copy_has_all_public_attributes(case):
    given, closure = problem()
    optimizer = make(case, given)
    optimizer.step(closure)
    clone = copy.deepcopy(optimizer)
    assert {k for k in vars(clone) if k[0] != "_"} == {k for k in vars(optimizer) if k[0] != "_"}
    assert same_state(clone.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize("case", [case for case in CASES if "tensor-lr" not in case])
def test_the_defaults_stay_what_they_were(case):
    """But for a rate that is a tensor, which schedulers fill, as in torch."""
    given, closure = problem()
    optimizer = make(case, given)
    before = copy.deepcopy(optimizer.defaults)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["l2"] = 0.25
    for _ in range(2):
        optimizer.step(closure)
        scheduler.step()
    assert optimizer.defaults == before
    (more,) = parameters((3,), seed=3)
    optimizer.add_param_group({"params": [more]})
    assert optimizer.param_groups[1]["lr"] == CASES[case][1].get("lr", 1e-3)


@every_case
def test_it_prints_its_groups(case):
    given, _ = problem()
    text = repr(make(case, [{"params": given[:1]}, {"params": given[1:], "lr": 0.25}]))
    assert text.startswith(CASES[case][0].__name__)
    assert "Parameter Group 1" in text
    assert "lr: 0.25" in text


@every_case
def test_a_closure_is_called_once_with_gradients_and_its_loss_returned(case):
    given, closure = problem()
    optimizer = make(case, given)
    calls = []

    def counted():
        calls.append(torch.is_grad_enabled())
        return closure()

    with torch.no_grad():
        loss = optimizer.step(counted)
    assert calls == [True]
    assert isinstance(loss, torch.Tensor)


@every_case
@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_are_cleared(case, set_to_none):
    given, closure = problem()
    optimizer = make(case, given)
    optimizer.step(closure)
    optimizer.zero_grad(set_to_none=set_to_none)
    for parameter in given:
        assert parameter.grad is None if set_to_none else not parameter.grad.any()


# Hooks


def test_hooks_of_a_step_run_around_it_in_order_and_can_be_removed():
    given, closure = problem()
    optimizers = WeightDecayAdam(given), WeightDecaySGD(given)
    order = []
    handles = [
        register_optimizer_step_pre_hook(lambda *_: order.append("all, before")),
        register_optimizer_step_post_hook(lambda *_: order.append("all, after")),
    ]
    for optimizer in optimizers:
        handles += [
            optimizer.register_step_pre_hook(lambda *_: order.append("before")),
            optimizer.register_step_post_hook(lambda *_: order.append("after")),
        ]
    closure()
    for optimizer in optimizers:
        optimizer.step()
    assert order == ["all, before", "before", "after", "all, after"] * 2
    for handle in handles:
        handle.remove()
    optimizers[0].step()
    assert len(order) == 8


def test_a_hook_before_a_step_may_give_it_other_arguments():
    given, closure = problem()
    optimizer = WeightDecayAdam(given)
    optimizer.register_step_pre_hook(lambda own, args, kwargs: ((own, lambda: 7.0), {}))
    assert optimizer.step(closure) == 7.0
    assert not optimizer.state
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_of_state_dicts_run_in_order_and_may_change_them():
    given, closure = problem()
    optimizer = WeightDecayAdam(given, l2=0.1)
    optimizer.step(closure)
    order = []

    def added(own, state_dict):
        order.append("saved")
        return {**state_dict, "ours": 1}

    handles = [
        optimizer.register_state_dict_pre_hook(lambda own: order.append("before saving")),
        optimizer.register_state_dict_post_hook(added),
    ]
    state = optimizer.state_dict()
    assert order == ["before saving", "saved"]
    assert state["ours"] == 1
    for handle in handles:
        handle.remove()
    assert "ours" not in optimizer.state_dict()
    order.clear()

    def faster(own, state_dict):
        order.append("second")
        state_dict["param_groups"][0]["lr"] = 0.25

    optimizer.register_load_state_dict_pre_hook(faster)
    optimizer.register_load_state_dict_pre_hook(lambda *_: order.append("first"), prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda own: order.append("last"))
    optimizer.register_load_state_dict_post_hook(lambda own: order.append("third"), prepend=True)
    optimizer.load_state_dict(copy.deepcopy(state))
    assert order == ["first", "second", "third", "last"]
    assert optimizer.param_groups[0]["lr"] == 0.25


# Memory


class PeakMemory(TorchDispatchMode):
    """Bytes of the storages that operators make while it is entered, at most at one time."""

    def __init__(self):
        super().__init__()
        self.live, self.peak = {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if is_tensor(t)}
        for tensor in filter(is_tensor, tree_leaves(found)):
            storage = tensor.untyped_storage()
            if storage._cdata not in given:
                self.live[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.live = {key: each for key, each in self.live.items() if not each[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        return found


def is_tensor(value):
    return isinstance(value, torch.Tensor)


@every_case
@pytest.mark.parametrize("compile", [True, False])
def test_a_step_takes_memory_for_a_piece_and_not_for_the_parameters(case, compile):
    """torch's foreach takes one copy of all; the kernel none, the formula pieces of 2^15."""
    given = parameters(*[(500, 500)] * 3)
    optimizer = make(case, given, compile=compile)
    for parameter in given:
        parameter.grad = torch.ones(500, 500)
    optimizer.step()
    with PeakMemory() as memory:
        optimizer.step()
    pieces = 14 if "stable" in case or not compile else 0
    assert memory.peak <= pieces * 2**16 * 4 + 10_000


@every_case
def test_an_optimizer_that_is_dropped_is_freed_with_its_buffers(case):
    given, closure = problem()
    optimizer = make(case, given)
    optimizer.step(closure)
    refs = [weakref.ref(optimizer)]
    buffers = [v for p in given for v in optimizer.state[p].values() if is_tensor(v)]
    storages = [StorageWeakRef(buffer.untyped_storage()) for buffer in buffers]
    del optimizer, buffers
    assert [ref() for ref in refs] == [None]
    assert all(storage.expired() for storage in storages)


# In company


@every_pair
@pytest.mark.parametrize(
    "average", [swa_utils.get_swa_multi_avg_fn(), swa_utils.get_ema_multi_avg_fn(0.9)]
)
def test_averaged_weights_are_averages(ours, theirs, average):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double()
    peer = copy.deepcopy(model)
    results = []
    for net, build in ((model, ours), (peer, theirs)):
        optimizer = build(net.parameters(), lr=0.01)
        averaged = swa_utils.AveragedModel(net, multi_avg_fn=average)
        scheduler = swa_utils.SWALR(optimizer, swa_lr=0.005, anneal_epochs=2)
        inputs = torch.linspace(-1, 1, 24, dtype=torch.float64).view(8, 3)
        for _ in range(6):
            optimizer.zero_grad()
            net(inputs).square().mean().backward()
            optimizer.step()
            averaged.update_parameters(net)
            scheduler.step()
        swa_utils.update_bn([inputs], averaged)
        results.append(averaged(inputs).detach())
    torch.testing.assert_close(*results, rtol=0, atol=1e-11)


@every_pair
def test_scaled_and_clipped_gradients_train_as_in_torch(ours, theirs):
    """And a step whose gradients overflow is left out."""
    results = []
    for build in (ours, theirs):
        given, _ = problem()
        optimizer = build(given, lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
        for t in range(8):
            for parameter in given:
                gradient = torch.sin(parameter.detach() * (t + 1))
                parameter.grad = scaler.scale(gradient if t != 4 else gradient / 0)
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(given, 0.5)
            scaler.step(optimizer)
            scaler.update()
        results.append((given, optimizer.state[given[0]].get("step")))
    for left, right in zip(results[0][0], results[1][0], strict=True):
        torch.testing.assert_close(left, right)
    assert results[0][1] == 7


@every_case
def test_the_profiler_finds_step_and_zero_grad_by_name(case):
    given, closure = problem()
    optimizer = make(case, given)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step(closure)
        optimizer.zero_grad()
    names = {event.name for event in profile.events()}
    name = CASES[case][0].__name__
    assert f"Optimizer.step#{name}.step" in names
    assert f"Optimizer.zero_grad#{name}.zero_grad" in names


@every_pair
def test_gradients_of_torch_func_are_gradients(ours, theirs):
    module = nn.Linear(3, 2).double()
    start = {name: p.detach().clone() for name, p in module.named_parameters()}
    inputs = torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3)

    def loss(values):
        return torch.func.functional_call(module, values, (inputs,)).square().sum()

    results = []
    for build in (ours, theirs):
        values = {name: value.clone() for name, value in start.items()}
        optimizer = build(list(values.values()), lr=0.01)
        for _ in range(4):
            for name, gradient in torch.func.grad(loss)(values).items():
                values[name].grad = gradient
            optimizer.step()
        results.append(values)
    for name in start:
        torch.testing.assert_close(results[0][name], results[1][name], rtol=0, atol=1e-12)


@every_case
def test_other_parameters_and_state_may_be_swapped_in_for_a_while(case):
    module = nn.Linear(3, 2)
    optimizer = make(case, module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    kept = copy.deepcopy((optimizer.state_dict(), list(module.parameters())))
    others = {name: nn.Parameter(p.detach() + 1) for name, p in module.named_parameters()}
    alone = [nn.Parameter(p.detach().clone()) for p in others.values()]
    lent = copy.deepcopy(optimizer.state_dict())
    expected = make(case, alone)
    expected.load_state_dict(copy.deepcopy(lent))
    for parameter in (*others.values(), *alone):
        parameter.grad = torch.ones_like(parameter)
    stateless = pytest.importorskip("torch.optim._stateless", reason="new in torch 2.13")
    with stateless.swap_in_optimizer_params_and_state(optimizer, others, lent):
        optimizer.step()
    expected.step()
    assert all(map(torch.equal, others.values(), alone))
    assert same_state(optimizer.state_dict(), kept[0])
    assert all(map(torch.equal, module.parameters(), kept[1]))


@every_pair
def test_an_optimizer_of_each_parameter_may_step_inside_backward(ours, theirs):
    results = []
    for build in (ours, theirs):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        optimizers = {p: build([p], lr=0.01) for p in module.parameters()}

        def update(parameter, optimizers=optimizers):
            optimizers[parameter].step()
            optimizers[parameter].zero_grad()

        for parameter in module.parameters():
            parameter.register_post_accumulate_grad_hook(update)
        for _ in range(4):
            module(torch.ones(2, 3, dtype=torch.float64)).square().sum().backward()
        results.append(list(module.parameters()))
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


def test_a_narrow_rate_and_a_wide_one_differ_by_their_rounding_alone():
    """float32 and float64 tensors as rates: the coefficients are computed in float64."""
    results = []
    for lr in (torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float64)):
        theta = nn.Parameter(torch.ones(1, dtype=torch.float64))
        theta.grad = torch.ones(1, dtype=torch.float64)
        WeightDecaySGD([theta], lr=lr).step()
        results.append(theta.item())
    assert results[0] == 1 - float(torch.tensor(0.1))
    assert results[1] == 1 - 0.1
    assert math.isclose(*results, rel_tol=1e-8)
