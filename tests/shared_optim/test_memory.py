"""Memory that others hold, exchange, free or share: the step acts on what is there, or refuses."""

import copy
import multiprocessing
import pickle
import threading
import warnings

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_map

from shared_optim import WeightDecayAdam, WeightDecaySGD, kernel, lambdas
from shared_optim.schemes import decaying
from tests.shared_optim.reference import noise, parameters, train


def parameter(*shape, seed=0):
    return parameters(shape, seed=seed)[0]


def with_gradient(*shape, seed=0):
    theta = parameter(*shape, seed=seed)
    theta.grad = parameter(*shape, seed=100 + seed).detach()
    return theta


def exchange_data(buffer, value):
    buffer.data = value.clone()


def exchange_by_set(buffer, value):
    buffer.set_(value.clone())


def turn_in_place(buffer, value):
    buffer.copy_(value.t())
    buffer.t_()


def turn_data(buffer, value):
    buffer.data = value.t().contiguous().t()


@pytest.mark.parametrize("change", [exchange_data, exchange_by_set, turn_in_place, turn_data])
@pytest.mark.parametrize("compile", [True, False])
def test_a_buffer_that_is_changed_in_place_is_read_as_it_is_now(change, compile):
    """As the common `for value in state.values(): value.data = value.data.to(device)` does."""
    theta, expected = parameter(4, 4), parameter(4, 4)
    ours = WeightDecayAdam([theta], lr=0.1, compile=compile)
    theirs = torch.optim.Adam([expected], lr=0.1)
    gradients = noise((4, 4), steps=4)
    train(ours, gradients[:2])
    train(theirs, gradients[:2])
    value = parameter(4, 4, seed=5).detach().abs()
    for name in ("exp_avg", "exp_avg_sq"):
        change(ours.state[theta][name], value)
        theirs.state[expected][name].copy_(value)
    train(ours, gradients[2:])
    train(theirs, gradients[2:])
    torch.testing.assert_close(theta, expected)
    moment, wanted = ours.state[theta]["exp_avg"], theirs.state[expected]["exp_avg"]
    torch.testing.assert_close(moment, wanted)


@pytest.mark.parametrize("width", [torch.float64, torch.bfloat16])
def test_a_buffer_that_is_replaced_is_brought_to_the_width_and_layout_of_its_parameter(width):
    theta, expected = parameter(4, 3), parameter(4, 3)
    gradients = noise((4, 3), steps=4)
    optimizers = WeightDecayAdam([theta], lr=0.1), WeightDecayAdam([expected], lr=0.1)
    for optimizer, given in zip(optimizers, (theta, expected), strict=True):
        train(optimizer, gradients[:2])
        for name in ("exp_avg", "exp_avg_sq"):
            value = optimizer.state[given][name].to(width)
            wide = value.t().contiguous().t() if given is theta else value.float()
            optimizer.state[given][name] = wide
        train(optimizer, gradients[2:])
    assert torch.equal(theta, expected)
    assert optimizers[0].state[theta]["exp_avg"].dtype == torch.float32


def test_a_buffer_that_is_cut_is_refused():
    theta = with_gradient(4)
    optimizer = WeightDecayAdam([theta])
    optimizer.step()
    optimizer.state[theta]["exp_avg"].resize_(2)
    before = theta.detach().clone()
    with pytest.raises(ValueError, match=r"exp_avg of shape \(2,\)"):
        optimizer.step()
    assert torch.equal(theta, before)


@pytest.mark.parametrize("compile", [True, False])
def test_memory_that_was_exchanged_is_freed_at_once(compile):
    theta = with_gradient(100)
    optimizer = WeightDecayAdam([theta], separated=0.1, compile=compile)
    for _ in range(3):
        optimizer.step()
        state = optimizer.state[theta]
        old = [StorageWeakRef(t.untyped_storage()) for t in (theta, state["exp_avg"])]
        assert not any(ref.expired() for ref in old)
        theta.data = theta.data.clone()
        state["exp_avg"] = state["exp_avg"].clone()
        assert all(ref.expired() for ref in old)


def test_modules_convert_by_exchanging_whole_tensors():
    """As FSDP2's do. Tensors to which anybody holds a weak reference cannot be exchanged."""
    module = nn.Linear(3, 2)
    expected = copy.deepcopy(module).double()
    optimizer = WeightDecayAdam(module.parameters(), lr=0.1, decoupled=0.1)
    wanted = WeightDecayAdam(expected.parameters(), lr=0.1, decoupled=0.1)
    gradients = noise((2, 3), (2,), steps=2)
    train(optimizer, gradients[:1])
    optimizer.zero_grad()
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        module.double()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
    train(optimizer, gradients[1:])
    train(wanted, gradients)
    assert optimizer.state[module.weight]["exp_avg"].dtype == torch.float64
    torch.testing.assert_close(module.weight, expected.weight, rtol=1e-6, atol=0)


class Wrapped(torch.Tensor):
    """A tensor whose own memory is nothing; that of `inner` counts."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        def open_(value):
            return value.inner if isinstance(value, Wrapped) else value

        def close(value):
            return Wrapped(value) if isinstance(value, torch.Tensor) else value

        found = function(*tree_map(open_, args), **tree_map(open_, kwargs or {}))
        return tree_map(close, found)


class Named(torch.Tensor):
    """A subclass that is its memory, as most in Python are."""


def test_a_wrapper_is_refused_in_one_sentence_wherever_it_stands():
    with pytest.raises(TypeError, match=r"a parameter of shape \(3,\) is a Wrapped, of whose mem"):
        WeightDecayAdam([nn.Parameter(Wrapped(torch.ones(3)))])
    theta = with_gradient(3)
    optimizer = WeightDecayAdam([theta])
    optimizer.step()
    kept, before = optimizer.state[theta]["exp_avg"], theta.detach().clone()
    optimizer.state[theta]["exp_avg"] = Wrapped(torch.ones(3))
    with pytest.raises(TypeError, match="is a Wrapped, of whose memory"):
        optimizer.step()
    optimizer.state[theta]["exp_avg"] = kept
    theta.grad = Wrapped(torch.ones(3))
    with pytest.raises(TypeError, match="is a Wrapped, of whose memory"):
        optimizer.step()
    assert torch.equal(theta, before)


def test_a_subclass_that_is_its_memory_is_taken():
    theta = nn.Parameter(parameter(3).detach().as_subclass(Named))
    expected = parameter(3)
    assert isinstance(theta, Named)
    for given in (theta, expected):
        optimizer = WeightDecayAdam([given], lr=0.1, separated=0.1)
        train(optimizer, noise((3,), steps=3))
    assert torch.equal(theta.as_subclass(torch.Tensor), expected)


@pytest.mark.parametrize("freed", ["parameter", "gradient", "buffer"])
def test_freed_memory_is_refused_and_not_read(freed):
    theta, other = with_gradient(5_000), nn.Parameter(torch.ones(3, dtype=torch.float64))
    other.grad = torch.ones_like(other)  # which another call of a kernel updates, before
    optimizer = WeightDecayAdam([other, theta])
    optimizer.step()
    tensors = {
        "parameter": theta.data,
        "gradient": theta.grad,
        "buffer": optimizer.state[theta]["exp_avg"],
    }
    tensors[freed].untyped_storage().resize_(0)
    before = other.detach().clone()
    with pytest.raises(RuntimeError, match=r"the memory of .* was freed"):
        optimizer.step()
    assert torch.equal(other, before)


def test_an_expanded_parameter_is_refused_before_anything_changes():
    theta, other = nn.Parameter(torch.ones(1).expand(3)), with_gradient(3)
    theta.grad = torch.ones(3)
    optimizer = WeightDecayAdam([other, theta])
    before = other.detach().clone()
    with pytest.raises(ValueError, match=r"a parameter of shape \(3,\) is expanded"):
        optimizer.step()
    assert torch.equal(other, before)


@pytest.mark.parametrize("compile", [True, False])
def test_a_parameter_whose_memory_holds_its_negative_moves_as_any_other(compile):
    """As the imaginary part of a conjugate is."""
    start = torch.tensor([1 + 2j, 3 - 4j])
    theta, expected = nn.Parameter(start.conj().imag), nn.Parameter(start.imag.neg())
    assert theta.is_neg()
    for given in (theta, expected):
        optimizer = WeightDecayAdam([given], lr=0.1, decoupled=0.1, compile=compile)
        for _ in range(3):
            given.grad = torch.ones(2)
            optimizer.step()
            if given is theta:
                optimizer.state[given]["exp_avg"] = (-optimizer.state[given]["exp_avg"])._neg_view()
    assert torch.equal(theta, expected)
    assert torch.equal(start.imag, -expected.detach())


def test_what_others_keep_in_the_state_stays_there():
    """As wrappers do that average weights, before the first step and later."""
    theta, expected = with_gradient(3), with_gradient(3)
    optimizer = WeightDecayAdam([theta], lr=0.1)
    optimizer.state[theta].update({f"slow_{i}": i for i in range(5)}, momentum=None)
    wanted = WeightDecayAdam([expected], lr=0.1)
    for t in range(3):
        optimizer.state[theta]["last"] = t
        optimizer.step()
        wanted.step()
    assert torch.equal(theta, expected)
    state = optimizer.state[theta]
    assert [state[f"slow_{i}"] for i in range(5)] == [0, 1, 2, 3, 4]
    assert (state["last"], state["step"]) == (2, 3)


def test_a_buffer_that_is_none_begins_anew():
    """As torch.optim.SGD's is in a state without momentum."""
    theta, expected = with_gradient(3), with_gradient(3)
    optimizer = WeightDecaySGD([theta], lr=0.1, momentum=0.9)
    optimizer.state[theta]["momentum_buffer"] = None
    optimizer.step()
    torch.optim.SGD([expected], lr=0.1, momentum=0.9).step()
    torch.testing.assert_close(theta, expected)


def test_the_steps_taken_may_be_written_as_a_tensor():
    theta, expected = with_gradient(3), with_gradient(3)
    ours, theirs = WeightDecayAdam([theta], lr=0.1), torch.optim.Adam([expected], lr=0.1)
    for optimizer, given in ((ours, theta), (theirs, expected)):
        optimizer.step()
        optimizer.state[given]["step"] = torch.tensor(7.0)
        optimizer.step()
    torch.testing.assert_close(theta, expected)
    assert ours.state[theta]["step"] == 8


@pytest.mark.parametrize(
    ("device", "dtype"), [("meta", torch.float32), ("cpu", torch.float64), ("cpu", torch.float16)]
)
def test_the_defaults_of_torch_change_nothing(device, dtype):
    theta, expected = with_gradient(300), with_gradient(300)
    WeightDecayAdam([expected], lr=0.1, separated=0.1, stable=0.1).step()
    kernel._kernel.cache_clear()
    torch.set_default_device(device)
    torch.set_default_dtype(dtype)
    try:
        optimizer = WeightDecayAdam([theta], lr=0.1, separated=0.1, stable=0.1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer.step()
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    (batch,) = optimizer._gathering._batches.values()
    assert batch.update is not None
    assert torch.equal(theta, expected)


def test_parameters_without_memory_are_stepped_like_others():
    """On the device meta, as whoever measures memory before training does."""
    theta = nn.Parameter(torch.empty(4, 3, device="meta").t())
    theta.grad = torch.empty(3, 4, device="meta")
    optimizer = WeightDecayAdam([theta], stable=0.1, separated=0.1)
    optimizer.step()
    state = optimizer.state[theta]
    assert {key for key in state if key != "step" and state[key].is_meta} == {
        "exp_avg",
        "exp_avg_sq",
        "decay_exp_avg",
        "decay_exp_avg_sq",
    }


def aliasing_itself(theta, other):
    theta.grad, other.grad = theta.data, other.data


def aliasing_each_other(theta, other):
    theta.grad, other.grad = other.data, theta.data


def aliasing_a_neighbour(theta, other):
    memory = torch.cat([theta.detach().flatten(), other.detach().flatten(), torch.ones(3)])
    n = theta.numel()
    for given, start in ((theta, 0), (other, n)):
        given.data = memory[start : start + n].view(theta.shape)
        given.grad = memory[start + 3 : start + 3 + n].view(theta.shape)


def views(theta, other):
    wide = torch.randn(theta.shape[0], 2 * theta.shape[1], generator=torch.Generator())
    theta.grad, other.grad = wide[:, ::2], wide[:, 1::2]


def turned(theta, other):
    theta.grad = torch.arange(1.0, theta.numel() + 1).view(theta.shape[::-1]).t()
    other.grad = theta.grad.flip(0)


def expanded(theta, other):
    theta.grad = torch.arange(theta.shape[1]).float().expand(theta.shape)
    other.grad = torch.tensor(2.0).expand(theta.shape)


def negated(theta, other):
    theta.grad = torch.arange(1.0, theta.numel() + 1).view(theta.shape)._neg_view()
    other.grad = theta.grad.t().contiguous()._neg_view().t()


def one_for_both(theta, other):
    theta.grad = other.grad = torch.full(theta.shape, 0.5)


def with_a_graph(theta, other):
    for given in (theta, other):
        (given.grad,) = torch.autograd.grad((given**3).sum(), given, create_graph=True)


@pytest.mark.parametrize(
    "give",
    [
        aliasing_itself,
        aliasing_each_other,
        aliasing_a_neighbour,
        views,
        turned,
        expanded,
        negated,
        one_for_both,
        with_a_graph,
    ],
)
@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("side", [4, 200])  # less and more than the formula takes at once
def test_a_gradient_means_its_values_however_it_lies(give, compile, side):
    given = [parameter(side, side, seed=seed) for seed in (0, 1)]
    expected = [p.detach().clone() for p in given]
    give(*given)
    gradients = [p.grad.detach().clone(memory_format=torch.contiguous_format) for p in given]
    WeightDecayAdam(given, lr=0.1, eps=1e-3, separated=0.1, compile=compile).step()
    for theta, start, gradient in zip(given, expected, gradients, strict=True):
        step = gradient / (gradient.abs() + 1e-3) + 0.1 * start / (start.abs() + 1e-3)
        torch.testing.assert_close(theta.detach(), start - 0.1 * step, rtol=1e-5, atol=1e-6)


def test_without_memory_of_its_own_a_parameter_of_any_scheme_is_no_trouble():
    """No element, or one."""
    for scheme in decaying():
        empty, scalar = with_gradient(0, 3), with_gradient()
        expected = with_gradient(1)
        with torch.no_grad():
            expected.copy_(scalar)
            expected.grad.copy_(scalar.grad)
        optimizer = WeightDecayAdam([empty, scalar], lr=0.1, **lambdas(scheme, 0.1))
        wanted = WeightDecayAdam([expected], lr=0.1, **lambdas(scheme, 0.1))
        for _ in range(2):
            optimizer.step()
            wanted.step()
        assert torch.equal(scalar, expected[0]), scheme
        assert optimizer.state[empty]["step"] == 2
        alone = with_gradient(0, 3)
        WeightDecayAdam([alone], **lambdas(scheme, 0.1)).step()


def test_hundreds_of_groups_are_one():
    many = [with_gradient(3, seed=seed) for seed in range(300)]
    one = [with_gradient(3, seed=seed) for seed in range(300)]
    apart = WeightDecayAdam([{"params": [p]} for p in many], lr=0.1, stable=0.1)
    together = WeightDecayAdam(one, lr=0.1, stable=0.1)
    for optimizer in (apart, together):
        optimizer.step()
        optimizer.step()
    assert all(map(torch.equal, many, one))


def test_two_threads_step_two_optimizers():
    def trained(seed):
        theta = parameter(300, 300, seed=seed)
        optimizer = WeightDecayAdam([theta], lr=0.1, separated=0.1)
        for t in range(20):
            theta.grad = torch.full((300, 300), float(t - 7))
            optimizer.step()
        return theta.detach()

    expected = [trained(seed) for seed in (0, 1)]
    found = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: trained(seed)}))
        for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[seed], expected[seed]) for seed in (0, 1))


def _step_and_send(optimizer, theta, pipe):
    optimizer.step()
    pipe.send(theta.detach().tolist())


def test_a_forked_process_goes_on_with_its_own_copy():
    theta = with_gradient(3)
    optimizer = WeightDecayAdam([theta], lr=0.1, separated=0.1)
    optimizer.step()
    before = theta.detach().clone()
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_step_and_send, args=(optimizer, theta, theirs))
    child.start()
    found = ours.recv()
    child.join()
    assert child.exitcode == 0
    assert torch.equal(theta, before)
    optimizer.step()
    assert torch.equal(theta, torch.tensor(found))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: WeightDecayAdam(p, lr=0.1, separated=[0.1, 0.2], schedule="early:3"),
        lambda p: WeightDecaySGD(p, lr=torch.tensor(0.1), momentum=0.9, l2=0.1, compile=False),
    ],
)
def test_a_copy_of_model_and_optimizer_trains_to_the_same_numbers(copied, make):
    theta = parameter(2, 3)
    optimizer = make([theta])
    gradients = noise((2, 3), steps=6)
    train(optimizer, gradients[:2])
    other, clone = copied((theta, optimizer))
    assert clone.param_groups[0]["params"][0] is other
    assert clone.compile is optimizer.compile
    train(optimizer, gradients[2:])
    assert not torch.equal(theta, other)
    train(clone, gradients[2:])
    assert torch.equal(theta, other)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_parameter_of_another_dtype_takes_its_buffers_along(dtype):
    """The buffers are as wide as the parameter, and never narrower than float32."""
    theta = with_gradient(3)
    optimizer = WeightDecayAdam([theta], separated=0.1)
    optimizer.step()
    theta.grad = None
    theta.data = theta.data.to(dtype)
    theta.grad = torch.ones(3, dtype=dtype)
    optimizer.step()
    wanted = torch.float64 if dtype is torch.float64 else torch.float32
    state = optimizer.state[theta]
    assert {value.dtype for value in state.values() if isinstance(value, torch.Tensor)} == {wanted}


def test_a_parameter_that_is_resized_is_stepped_where_buffers_do_not_forbid_it():
    theta = with_gradient(4)
    plain, buffered = WeightDecaySGD([theta], lr=0.5), WeightDecayAdam([theta])
    plain.step()
    buffered.step()
    theta.grad = None
    theta.requires_grad_(False).resize_(2, 4).fill_(1.0).requires_grad_()
    theta.grad = torch.ones(2, 4)
    plain.step()
    assert torch.equal(theta, torch.full((2, 4), 0.5))
    with pytest.raises(ValueError, match=r"exp_avg of shape \(4,\) .* parameter of shape \(2, 4\)"):
        buffered.step()


@pytest.mark.parametrize("compile", [True, False])
def test_backward_through_weights_that_a_step_has_changed_is_refused(compile):
    """Autograd cannot see what a kernel writes: it would use these weights for the old ones."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = WeightDecayAdam(model.parameters(), compile=compile)
    model(torch.ones(1, 3)).sum().backward()
    later = model(torch.ones(1, 3)).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        later.backward()


@pytest.mark.parametrize("compile", [True, False])
def test_real_weights_take_no_step_among_fake_tensors(compile):
    """A fake coefficient has no memory; reading it once ended the process."""
    theta = with_gradient(3)
    before = theta.detach().clone()
    optimizer = WeightDecayAdam([theta], compile=compile)
    optimizer.step()
    theta.data.copy_(before)
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        pytest.raises(TypeError, match=r"real tensors cannot take a step among those of .*Fake"),
    ):
        optimizer.step()
    assert torch.equal(theta, before)
