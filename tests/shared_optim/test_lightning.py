"""OptimizerMonitor logs what a plain loop measures, however Lightning takes the step."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from shared_optim import WeightDecayAdam, decay_groups, observe_step
from shared_optim.lightning import OptimizerMonitor

BATCHES, ACCUMULATED, CLIP = 8, 2, 0.05


class Rows(Logger):
    name, version = "rows", 0

    def __init__(self):
        super().__init__()
        self.rows = []

    def log_metrics(self, metrics, step=None):
        if any("log_m_over_w" in key for key in metrics):
            self.rows.append(metrics)

    def log_hyperparams(self, *_):
        pass


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(BATCHES * 4, 3, generator=generator)
    return TensorDataset(x, x.sum(1, keepdim=True).sin())


class Regression(LightningModule):
    def __init__(self, make, manual=False):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.make, self.automatic_optimization = make, not manual

    def configure_optimizers(self):
        return self.make(self.net)

    def training_step(self, batch, index):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        if self.automatic_optimization:
            return loss
        self.manual_backward(loss / ACCUMULATED)
        if index % ACCUMULATED == ACCUMULATED - 1:
            optimizer = self.optimizers()
            self.clip_gradients(optimizer, gradient_clip_val=CLIP)
            optimizer.step()
            optimizer.zero_grad()
        return None


def plain_loop(make):
    module = Regression(make)
    optimizer = make(module.net)
    rows = []
    for index, (x, y) in enumerate(DataLoader(data(), batch_size=4)):
        (nn.functional.mse_loss(module.net(x), y) / ACCUMULATED).backward()
        if index % ACCUMULATED == ACCUMULATED - 1:
            nn.utils.clip_grad_norm_(module.net.parameters(), CLIP)
            rows.append(observe_step(optimizer).metrics())
            optimizer.zero_grad()
    return module.net, rows


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda net: WeightDecayAdam(decay_groups(net), lr=0.01, l2=0.1),
        lambda net: torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1),
        lambda net: torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9),
    ],
    ids=["ours", "AdamW", "SGD"],
)
def test_it_logs_what_a_plain_loop_measures(make, manual, tmp_path):
    seed_everything(0, verbose=False)
    logger, module = Rows(), Regression(make, manual)
    options = {} if manual else {"accumulate_grad_batches": ACCUMULATED, "gradient_clip_val": CLIP}
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=logger,
        callbacks=[OptimizerMonitor(every=2, layers=True)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **options,
    )
    trainer.fit(module, DataLoader(data(), batch_size=4))
    net, rows = plain_loop(make)
    for mine, expected in zip(module.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, expected)
    assert len(logger.rows) == len(rows[::2]) == 2
    for mine, expected in zip(logger.rows, rows[::2], strict=True):
        assert mine == pytest.approx(expected, rel=1e-4, nan_ok=True)
    # nothing is left behind in an optimizer that outlives the training
    (optimizer,) = trainer.optimizers
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_a_step_without_gradients_is_no_row_and_no_error():
    """As in manual optimization of a part that is frozen at first."""
    theta = nn.Parameter(torch.ones(3))
    optimizer, logger = WeightDecayAdam([theta]), Rows()
    trainer = SimpleNamespace(optimizers=[optimizer], loggers=[logger], global_step=0)
    OptimizerMonitor(every=2).on_train_start(trainer, None)
    optimizer.step()
    theta.grad = torch.ones(3)
    optimizer.step()
    assert logger.rows == []
    optimizer.step()
    assert logger.rows[0]["optim/elements"] == 3


def test_distance_is_from_the_start_of_training(tmp_path):
    logger = Rows()
    module = Regression(lambda net: torch.optim.SGD(net.parameters(), lr=0.1))
    before = [p.detach().clone() for p in module.parameters()]
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=logger,
        callbacks=[OptimizerMonitor(every=1, distance=True)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, DataLoader(data(), batch_size=4))
    moved = [new - old for new, old in zip(module.parameters(), before, strict=True)]
    expected = torch.cat([each.detach().flatten() for each in moved]).norm().item()
    assert logger.rows[-1]["optim/distance"] == pytest.approx(expected, rel=1e-5)
    assert not any("/layer/" in key for key in logger.rows[-1])


def test_an_unknown_optimizer_is_refused_at_the_start(tmp_path):
    module = Regression(lambda net: torch.optim.Adagrad(net.parameters()))
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        callbacks=[OptimizerMonitor()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    with pytest.raises(TypeError, match="not for Adagrad"):
        trainer.fit(module, DataLoader(data(), batch_size=4))


def test_every_is_a_number_of_steps():
    with pytest.raises(ValueError, match="every: 0"):
        OptimizerMonitor(every=0)
