"""What `test_distributed.py` runs: every case in two processes of one gloo group, on CPUs.

`python -m tests.shared_optim.two_processes FOLDER` writes what each process found to
FOLDER/<rank>.json: "" for a case that held, else its traceback. The second process is forked from
the first, which has imported torch already.
"""

import copy
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint import state_dict as by_name
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.tensor import (
    DTensor,
    Partial,
    Replicate,
    Shard,
    distribute_tensor,
)
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map

from shared_optim import (
    Observation,
    Start,
    WeightDecayAdam,
    WeightDecaySGD,
    lambdas,
    observe_step,
)
from shared_optim.schemes import SCHEMES

WORLD, STEPS = 2, 4
ADAMS = {name: lambdas(name, 0.1) for name in SCHEMES}
ADAMS["all"] = dict.fromkeys(SCHEMES, 0.05)
del ADAMS["all"]["none"]


def adam(given, **options):
    return WeightDecayAdam(given, lr=0.01, **options)


def network():
    """Seven rows and one: a shard of four beside one of three, and an empty one."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))


def batch(t, rank=0):
    random = torch.Generator().manual_seed(10 * t + rank)
    return torch.randn(8, 5, generator=random)


def trained(model, optimizer, steps=range(STEPS), rank=0, clip=None):
    """The same batches in every process, unless a rank is named: then means are exact halves."""
    for t in steps:
        optimizer.zero_grad()
        inputs = batch(t, rank).to(next(model.parameters()).dtype)
        model(inputs).square().mean().backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return model


def whole(tensor):
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assert_same(left, right, **tolerance):
    for one, other in zip(left.parameters(), right.parameters(), strict=True):
        torch.testing.assert_close(whole(one), whole(other), **{"rtol": 0, "atol": 0, **tolerance})


def copied(state):
    """A state_dict whose tensors are clones: broadcasts write into what they are given."""
    return tree_map(lambda x: x.clone() if isinstance(x, torch.Tensor) else x, state)


def meshes():
    """Of both processes, and of this one alone."""
    for ranks in ([0], [1]):
        group = dist.new_group(ranks)
        if dist.get_rank() in ranks:
            alone = DeviceMesh.from_group(group, "cpu")
    return {2: init_device_mesh("cpu", (WORLD,)), 1: alone}


def sharded(model, mesh, **options):
    fully_shard(model[0], mesh=mesh, **options)
    fully_shard(model, mesh=mesh, **options)
    return model


# Each case takes the meshes and a folder that both processes see.


def every_scheme_trains_sharded_as_it_does_whole(mesh, folder):
    for world, options in ((w, o) for w in mesh for o in ADAMS.values()):
        model = sharded(network(), mesh[world])
        assert isinstance(model[0].weight, DTensor)
        trained(model, adam(model.parameters(), **options))
        expected = network()
        trained(expected, adam(expected.parameters(), **options))
        # the mean of v^ is summed in another order
        assert_same(model, expected, atol=1e-7 if options["stable"] else 0)


def sgd_trains_sharded_as_it_does_whole(mesh, folder):
    for options in ({}, {"momentum": 0.9, "nesterov": True, "l2": 0.1}, {"cautious": 0.1}):
        model, expected = sharded(network(), mesh[2]), network()
        for each in (model, expected):
            trained(each, WeightDecaySGD(each.parameters(), lr=0.01, **options))
        assert_same(model, expected)


def without_a_kernel_it_is_the_same(mesh, folder):
    models = [sharded(network(), mesh[2]) for _ in range(2)]
    for model, compile in zip(models, (True, False), strict=True):
        trained(model, adam(model.parameters(), separated=0.1, stable=0.1, compile=compile))
    assert_same(*models)


def clipped_gradients_are_clipped(mesh, folder):
    model, expected = sharded(network(), mesh[2]), network()
    for each in (model, expected):
        trained(each, adam(each.parameters(), decoupled=0.1), clip=0.01)
    assert_same(model, expected, atol=1e-6)


def bfloat16_parameters_have_float32_buffers(mesh, folder):
    for name in ("separated", "stable", "decoupled"):
        model, expected = network().bfloat16(), network().bfloat16()
        sharded(model, mesh[2])
        optimizer = adam(model.parameters(), **lambdas(name, 0.1))
        trained(model, optimizer)
        trained(expected, adam(expected.parameters(), **lambdas(name, 0.1)))
        assert_same(model, expected)
        for state in optimizer.state.values():
            buffers = [value for value in state.values() if isinstance(value, DTensor)]
            assert {buffer.dtype for buffer in buffers} == {torch.float32}


def mixed_precision_trains(mesh, folder):
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    model = sharded(network(), mesh[2], mp_policy=policy)
    optimizer = adam(model.parameters(), decoupled=0.1)
    theirs = sharded(network(), mesh[2], mp_policy=policy)
    wanted = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    for each, own in ((model, optimizer), (theirs, wanted)):
        for t in range(STEPS):
            own.zero_grad()
            each(batch(t)).float().square().mean().backward()
            own.step()
    assert_same(model, theirs, atol=1e-6)


def a_state_goes_through_torchs_checkpoints(mesh, folder):
    """Sharded, whole from process 0, and flat; into another model that trains on as this one.

    What is loaded into has the same buffers: torch fills those that an empty step makes.
    """
    ways = {
        "sharded": {},
        "whole": {"full_state_dict": True, "cpu_offload": True},
        "flat": {"flatten_optimizer_state_dict": True},
    }
    for way, options in ways.items():
        model = sharded(network(), mesh[2])
        optimizer = adam(model.parameters(), separated=0.1, l2=0.1, schedule="early:5")
        trained(model, optimizer)
        asked = by_name.StateDictOptions(**options)
        weights, state = by_name.get_state_dict(model, optimizer, options=asked)
        other = sharded(network(), mesh[2])
        resumed = adam(other.parameters(), separated=0.7)
        if way == "whole":
            asked = by_name.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
        by_name.set_model_state_dict(other, copied(weights), options=asked)
        by_name.set_optimizer_state_dict(other, resumed, copied(state), options=asked)
        assert resumed.param_groups[0]["separated"] == 0.1, way
        assert resumed.param_groups[0]["schedule"] == "early:5", way
        for each, own in ((model, optimizer), (other, resumed)):
            trained(each, own, steps=range(STEPS, 2 * STEPS))
        assert_same(model, other)
        steps = {state["step"] for state in resumed.state.values()}
        assert steps == {2 * STEPS}, (way, steps)


def a_saved_state_is_loaded_in_another_number_of_processes(mesh, folder):
    model = sharded(network(), mesh[2])
    optimizer = adam(model.parameters(), separated=0.1, proximal=0.1)
    trained(model, optimizer)
    weights, state = by_name.get_state_dict(model, optimizer)
    dcp.save({"weights": weights, "state": state}, checkpoint_id=folder / "saved")
    other = sharded(network(), mesh[1])
    resumed = adam(other.parameters(), separated=0.1)
    weights, state = by_name.get_state_dict(other, resumed)
    found = {"weights": weights, "state": state}
    dcp.load(found, checkpoint_id=folder / "saved")
    by_name.set_state_dict(
        other, resumed, model_state_dict=found["weights"], optim_state_dict=found["state"]
    )
    for each, own in ((model, optimizer), (other, resumed)):
        trained(each, own, steps=range(STEPS, 2 * STEPS))
    assert_same(model, other)


def its_own_state_dict_is_of_this_process(mesh, folder):
    model = sharded(network(), mesh[2])
    optimizer = adam(model.parameters(), separated=0.1)
    trained(model, optimizer)
    twins = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
    resumed = adam(twins)
    resumed.load_state_dict(copied(optimizer.state_dict()))
    for parameter in (*model.parameters(), *twins):
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    resumed.step()
    for parameter, twin in zip(model.parameters(), twins, strict=True):
        assert torch.equal(parameter.to_local(), twin.to_local())


def a_whole_state_in_the_place_of_shards_is_refused(mesh, folder):
    """Its first rows would be every process's."""
    plain = network()
    whole_state = adam(plain.parameters())
    trained(plain, whole_state, steps=range(1))
    model = sharded(network(), mesh[2])
    optimizer = adam(model.parameters())
    optimizer.load_state_dict(whole_state.state_dict())
    before = [p.to_local().clone() for p in model.parameters()]
    with pytest.raises(ValueError, match="exp_avg in the optimizer's state is not sharded as its"):
        trained(model, optimizer, steps=range(1))
    for parameter, value in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter.to_local(), value)


def a_sharded_model_may_be_converted_between_steps(mesh, folder):
    """Its parameters exchange their tensors, as `model.cpu()` makes FSDP2's do."""
    model, expected = sharded(network(), mesh[2]), network()
    optimizer, wanted = (adam(each.parameters(), separated=0.1) for each in (model, expected))
    trained(model, optimizer, steps=range(2))
    optimizer.zero_grad()
    model.to("cpu", torch.float64).to(torch.float32)
    trained(model, optimizer, steps=range(2, 4))
    trained(expected, wanted, steps=range(4))
    assert_same(model, expected)


def placements_of_gradients_are_brought_to_the_parameters(mesh, folder):
    """Sums that are still apart, whole ones and other cuts mean the same gradient."""
    start, gradient = batch(0), batch(1)
    expected = nn.Parameter(start.clone())
    expected.grad = gradient
    adam([expected], decoupled=0.1).step()
    half = DTensor.from_local(gradient / 2, mesh[2], [Partial()])
    for placement in (Shard(0), Shard(1), Replicate()):
        forms = [distribute_tensor(gradient, mesh[2], [p]) for p in (Shard(1), Replicate())]
        for form in (*forms, half):
            theta = nn.Parameter(distribute_tensor(start.clone(), mesh[2], [placement]))
            theta.grad = form
            adam([theta], decoupled=0.1).step()
            assert torch.equal(whole(theta), expected), (placement, form.placements)


def tensor_parallel_layers_train_and_stable_counts_each_element_once(mesh, folder):
    for shape, names in (((1, 2), ("data", "model")), ((2, 1), ("data", "model"))):
        both = init_device_mesh("cpu", shape, mesh_dim_names=names)
        for scheme in ("separated", "stable"):
            torch.manual_seed(0)
            model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))
            expected = copy.deepcopy(model)
            plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
            parallelize_module(model, both["model"], plan)
            fully_shard(model, mesh=both["data"])
            for each in (model, expected):
                trained(each, adam(each.parameters(), **lambdas(scheme, 0.1)))
            assert_same(model, expected, rtol=1e-5, atol=1e-6)


def distributed_data_parallel_trains_on_the_mean_gradient(mesh, folder):
    """Batches of both processes; halves are exact, so the weights are those of their mean."""
    rank = dist.get_rank()
    for view in (False, True):
        model = DistributedDataParallel(network(), gradient_as_bucket_view=view)
        trained(model, adam(model.parameters(), separated=0.1, stable=0.1), rank=rank)
        expected = network()
        optimizer = adam(expected.parameters(), separated=0.1, stable=0.1)
        for t in range(STEPS):
            optimizer.zero_grad()
            for other in range(WORLD):
                (expected(batch(t, other)).square().mean() / WORLD).backward()
            optimizer.step()
        assert_same(model.module, expected, atol=1e-7)
        gathered = [None] * WORLD
        dist.all_gather_object(gathered, [p.detach() for p in model.parameters()])
        assert all(map(torch.equal, *gathered))


def a_state_shared_out_among_processes_is_kept_in_step(mesh, folder):
    """ZeroRedundancyOptimizer copies its groups, which are dicts, key by key at every step."""
    model, expected = network(), network()
    shared = ZeroRedundancyOptimizer(
        model.parameters(), optimizer_class=WeightDecayAdam, lr=0.01, separated=0.1, l2=0.1
    )
    alone = adam(expected.parameters(), separated=0.1, l2=0.1)
    for t in range(STEPS):
        for own in (shared, alone):
            own.param_groups[0] |= {"lr": 0.01 / (t + 1), "l2": 0.1 * t}
        shared.param_groups[0]["weight_decay"] = max(0.1, 0.1 * t)
        trained(model, shared, steps=[t])
        trained(expected, alone, steps=[t])
    assert_same(model, expected)
    shared.param_groups[0]["l2"] = 0.7
    with pytest.raises(ValueError, match=r"weight_decay: .* contradicts l2: 0\.7"):
        trained(model, shared, steps=[STEPS])
    shared.param_groups[0]["weight_decay"] = 0.7
    shared.consolidate_state_dict(to=0)
    if dist.get_rank() == 0:
        state = shared.state_dict()
        assert [own["step"] for own in state["state"].values()] == [STEPS] * 4
        alone.load_state_dict(state)
        assert alone.param_groups[0]["l2"] == 0.7


def measures_are_those_of_the_whole_network(mesh, folder):
    """Of each layer, in every process the same; also where a shard is empty."""
    makers = (
        lambda p: adam(p, l2=0.1),
        lambda p: WeightDecaySGD(p, lr=0.01, l2=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.01),
    )
    for world, make in ((world, make) for world in mesh for make in makers):
        rows = []
        for model in (sharded(network(), mesh[world]), network()):
            optimizer = make(model.named_parameters())
            start = Start(optimizer)
            trained(model, optimizer, steps=range(2))
            optimizer.zero_grad()
            observation = Observation(optimizer, start, before_backward=True)
            trained(model, optimizer, steps=[2])
            rows.append(observation.report().metrics())
        assert rows[0] == pytest.approx(rows[1], rel=1e-6, nan_ok=True), world


def a_gradient_that_is_placed_otherwise_is_measured_by_its_value(mesh, folder):
    gradient, rows = batch(1), []
    for theta, given in (
        (batch(0), gradient),
        (
            distribute_tensor(batch(0), mesh[2], [Shard(0)]),
            DTensor.from_local(gradient / 2, mesh[2], [Partial()]),
        ),
    ):
        parameter = nn.Parameter(theta)
        parameter.grad = given
        rows.append(observe_step(WeightDecaySGD([parameter], lr=0.01, l2=0.1)).metrics())
    assert rows[0] == pytest.approx(rows[1], rel=1e-6)


def a_population_of_shards_is_refused(mesh, folder):
    theta = nn.Parameter(distribute_tensor(batch(0), mesh[2], [Shard(0)]))
    with pytest.raises(ValueError, match="cannot be a population's: its shards cut it"):
        adam([theta], l2=[0.1] * 8)


CASES = {
    case.__name__: case
    for case in (
        every_scheme_trains_sharded_as_it_does_whole,
        sgd_trains_sharded_as_it_does_whole,
        without_a_kernel_it_is_the_same,
        clipped_gradients_are_clipped,
        bfloat16_parameters_have_float32_buffers,
        mixed_precision_trains,
        a_state_goes_through_torchs_checkpoints,
        a_saved_state_is_loaded_in_another_number_of_processes,
        its_own_state_dict_is_of_this_process,
        a_whole_state_in_the_place_of_shards_is_refused,
        a_sharded_model_may_be_converted_between_steps,
        placements_of_gradients_are_brought_to_the_parameters,
        tensor_parallel_layers_train_and_stable_counts_each_element_once,
        distributed_data_parallel_trains_on_the_mean_gradient,
        a_state_shared_out_among_processes_is_kept_in_step,
        measures_are_those_of_the_whole_network,
        a_gradient_that_is_placed_otherwise_is_measured_by_its_value,
        a_population_of_shards_is_refused,
    )
}


def run(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD
    )
    mesh = meshes()
    found = dict.fromkeys(CASES, "not run: what one process expects of the other is unknown")
    for name, case in CASES.items():
        try:
            case(mesh, folder)
        except Exception:
            found[name] = traceback.format_exc()
            break
        found[name] = ""
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    child = os.fork()
    run(0 if child else 1, Path(sys.argv[1]))
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)
