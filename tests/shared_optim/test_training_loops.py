"""A plain loop, compiled steps, a compiled training step and Lightning: the same numbers."""

import copy

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from shared_optim import WeightDecayAdam, WeightDecaySGD, decay_groups
from shared_optim.lightning import OptimizerMonitor

BATCHES, ACCUMULATED, CLIP, EPOCHS = 6, 2, 0.05, 2

MAKERS = {
    "adam": lambda net: WeightDecayAdam(
        decay_groups(net), lr=0.01, separated=0.1, stable=0.1, schedule="early:4"
    ),
    "sgd": lambda net: WeightDecaySGD(
        net.named_parameters(), lr=0.1, momentum=0.9, nesterov=True, cautious=0.1
    ),
    "torch": lambda net: torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1),
}
ours = pytest.mark.parametrize("make", [MAKERS["adam"], MAKERS["sgd"]], ids=["adam", "sgd"])


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def data(dtype=torch.float32):
    x = torch.randn(BATCHES * 4, 3, generator=torch.Generator().manual_seed(1))
    dataset = TensorDataset(x.to(dtype), x.sum(1, keepdim=True).sin().to(dtype))
    return DataLoader(dataset, batch_size=4)


def schedule(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)


def loss_of(net, x, y):
    return nn.functional.mse_loss(net(x), y)


def same(left, right):
    return all(map(torch.equal, left.parameters(), right.parameters()))


def plain_loop(make, wrap=lambda step: step, between=lambda: None, dtype=torch.float32):
    """Two batches per step, clipped; the rate falls with each epoch."""
    net = network().to(dtype)
    optimizer = make(net)
    scheduler = schedule(optimizer)
    step = wrap(optimizer.step)
    for _ in range(EPOCHS):
        for index, (x, y) in enumerate(data(dtype)):
            (loss_of(net, x, y) / ACCUMULATED).backward()
            if index % ACCUMULATED == ACCUMULATED - 1:
                nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                step()
                optimizer.zero_grad()
        scheduler.step()
        between()
    return net


@ours
@pytest.mark.parametrize("between", [lambda: None, torch.compiler.reset])
def test_a_compiled_step_is_a_step(make, between):
    def wrap(step):
        return torch.compile(step, backend="aot_eager")

    assert same(plain_loop(make, wrap, between), plain_loop(make))


def trained(make, compiled, epochs=EPOCHS):
    net = network()
    optimizer = make(net)

    def training_step(x, y):
        optimizer.zero_grad()
        loss = loss_of(net, x, y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        return loss.detach()

    step, losses = compiled(training_step), []
    for _ in range(epochs):
        losses += [step(x, y) for x, y in data()]
        if compiled is not as_it_is:
            torch.compiler.reset()
    return net, torch.stack(losses)


def as_it_is(function):
    return function


@pytest.mark.slow
@ours
def test_a_compiled_training_step_trains_to_the_same_numbers(make):
    net, losses = trained(make, lambda f: torch.compile(f, backend="aot_eager"))
    expected, wanted = trained(make, as_it_is)
    assert torch.equal(losses, wanted)
    assert same(net, expected)


@pytest.mark.slow
def test_the_default_compiler_trains_to_the_same_numbers_but_for_its_own_rounding():
    with torch._inductor.config.patch(compile_threads=1):
        net, losses = trained(MAKERS["adam"], torch.compile, epochs=1)
    expected, wanted = trained(MAKERS["adam"], as_it_is, epochs=1)
    torch.testing.assert_close(losses, wanted, rtol=1e-5, atol=1e-6)
    for left, right in zip(net.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


class Regression(LightningModule):
    def __init__(self, make, manual=False):
        super().__init__()
        self.net, self.make, self.automatic_optimization = network(), make, not manual

    def configure_optimizers(self):
        optimizer = self.make(self.net)
        return [optimizer], [schedule(optimizer)]

    def training_step(self, batch, index):
        loss = loss_of(self.net, *batch)
        if self.automatic_optimization:
            return loss
        self.manual_backward(loss / ACCUMULATED)
        if index % ACCUMULATED == ACCUMULATED - 1:
            optimizer = self.optimizers()
            self.clip_gradients(optimizer, gradient_clip_val=CLIP)
            optimizer.step()
            optimizer.zero_grad()
        return None

    def on_train_epoch_end(self):
        if not self.automatic_optimization:
            self.lr_schedulers().step()


def trainer(folder, manual=False, **options):
    if not manual:
        options |= {"accumulate_grad_batches": ACCUMULATED, "gradient_clip_val": CLIP}
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
    }
    return Trainer(
        **{
            **quiet,
            "max_epochs": EPOCHS,
            "accelerator": "cpu",
            "default_root_dir": folder,
            **options,
        }
    )


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("manual", [False, True])
def test_lightning_trains_to_the_same_numbers(make, manual, tmp_path):
    """torch's own AdamW, too, which shows that the two loops are one."""
    module = Regression(make, manual)
    callbacks = [OptimizerMonitor(every=2)]
    trainer(tmp_path, manual, callbacks=callbacks).fit(module, data())
    assert same(module.net, plain_loop(make))


@ours
def test_lightning_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(make, tmp_path):
    first = trainer(tmp_path, max_epochs=1)
    first.fit(Regression(make), data())
    first.save_checkpoint(tmp_path / "half.ckpt")
    module = Regression(make)
    trainer(tmp_path).fit(module, data(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert same(module.net, plain_loop(make))


def test_lightning_trains_bfloat16_parameters_to_the_same_numbers(tmp_path):
    module = Regression(MAKERS["adam"])
    trainer(tmp_path, precision="bf16-true").fit(module, data())
    assert module.net[0].weight.dtype == torch.bfloat16
    assert same(module.net, plain_loop(MAKERS["adam"], dtype=torch.bfloat16))


class Rows(Logger):
    name, version = "rows", 0

    def __init__(self):
        super().__init__()
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows += [(step, value) for key, value in metrics.items() if "weight_decay" in key]

    def log_hyperparams(self, *_):
        pass


class Change(Callback):
    """Another lambda from the third step on, in one of several ways."""

    def __init__(self, change):
        self.change = change

    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.global_step == 2:
            self.change(trainer.optimizers[0].param_groups[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda group: group.update(separated=0.5),
        lambda group: group.__setitem__("weight_decay", 0.5),
        lambda group: group.__ior__({"separated": 0.5}),
    ],
)
def test_monitors_show_the_lambda_that_acts(change, tmp_path):
    logger = Rows()
    module = Regression(lambda net: WeightDecayAdam(net.parameters(), lr=0.01, separated=0.1))
    monitor = LearningRateMonitor(logging_interval="step", log_weight_decay=True)
    trainer(
        tmp_path, logger=logger, callbacks=[Change(change), monitor], accumulate_grad_batches=1
    ).fit(module, data())
    assert len(logger.rows) == EPOCHS * BATCHES
    assert all(value == (0.1 if step < 2 else 0.5) for step, value in logger.rows), logger.rows


def test_two_optimizers_in_one_module_do_not_meet(tmp_path):
    """As a generator and its critic have them."""

    class Pair(LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.nets = nn.ModuleList([network(), network()])

        def configure_optimizers(self):
            return [MAKERS["adam"](self.nets[0]), MAKERS["sgd"](self.nets[1])], []

        def training_step(self, batch, index):
            for net, optimizer in zip(self.nets, self.optimizers(), strict=True):
                self.toggle_optimizer(optimizer)
                self.manual_backward(loss_of(net, *batch))
                optimizer.step()
                optimizer.zero_grad()
                self.untoggle_optimizer(optimizer)

    pair = Pair()
    trainer(tmp_path, manual=True).fit(pair, data())
    for net, make in zip(pair.nets, (MAKERS["adam"], MAKERS["sgd"]), strict=True):
        expected = network()
        optimizer = make(expected)
        for _ in range(EPOCHS):
            for x, y in data():
                optimizer.zero_grad()
                loss_of(expected, x, y).backward()
                optimizer.step()
        assert same(net, expected)


def test_a_copied_training_goes_its_own_way():
    """Model, optimizer and scheduler copied together, as tuners of rates do."""
    net = network()
    optimizer = MAKERS["adam"](net)
    scheduler = schedule(optimizer)
    for x, y in data():
        loss_of(net, x, y).backward()
        optimizer.step()
        optimizer.zero_grad()
    scheduler.step()
    kept = copy.deepcopy(net.state_dict())
    other, own, later = copy.deepcopy((net, optimizer, scheduler))
    assert later.optimizer is own
    for x, y in data():
        loss_of(other, x, y).backward()
        own.step()
        own.zero_grad()
    later.step()
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())
    assert own.param_groups[0]["lr"] == pytest.approx(0.01 * 0.64)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.8)
