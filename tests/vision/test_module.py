"""The module under anybody's Trainer: steps against a plain loop, looks that change nothing."""

import lightning
import pytest
import torch
from torch.nn import functional

from tests.vision.runs import CPU, MEMBER, new_module, prepared, recipe
from vision.batches import TrainingBatches
from vision.image_data import ImageData
from vision.models.catalog import build
from workload import counter
from workload.member import Member
from workload.position import Position


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("images"))


class Advance(lightning.Callback):
    """What a recorder does at the end of an epoch, and the rows on the way."""

    def __init__(self, module):
        self.module, self.rows, self.epochs = module, [], []

    def on_train_batch_end(self, *_):
        if self.module.row:
            self.rows.append(self.module.row)

    def on_train_epoch_end(self, *_):
        self.epochs.append(self.module.end_epoch() | self.module.weight_figures())


def fit(module, epochs):
    advance = Advance(module)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[advance],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=module.data)
    return advance


def plain_loop(data_dir, own, epochs, seed=0):
    """The same training written out, with torch's SGD: weights, and the loss of every batch."""
    data = ImageData(own, data_dir, seed, CPU)
    torch.manual_seed(seed)
    model = build(own.model, 2, own.norm, own.width)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=own.learning_rate, momentum=own.momentum, weight_decay=0.01
    )
    losses = []
    for epoch in range(epochs):
        order = counter.permutation(counter.stream(seed, counter.ORDER, epoch), 40, CPU)
        for places in torch.split(order, own.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = own.learning_rate * 0.97**epoch
            stream = counter.stream(seed, counter.AUGMENTATION, epoch)
            images = data.train.augmented(places, stream, flip=True)
            loss = functional.cross_entropy(model(images), data.train.labels[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    return model, losses


def test_training_is_that_of_a_plain_loop(data_dir):
    """Learning rate per epoch, L2, momentum, a last batch of 8: to the rounding of the decay."""
    own = recipe()
    module = new_module(data_dir, own)
    advance = fit(module, 3)
    model, losses = plain_loop(data_dir, own, 3)
    for ours, theirs in zip(module.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    sizes = [16, 16, 8] * 3
    rows = [row["train/loss"] for row in advance.rows]
    pairs = list(zip(losses, sizes, strict=True))
    means = [
        sum(loss * size for loss, size in pairs[i : i + 2]) / sum(s for _, s in pairs[i : i + 2])
        for i in range(0, 8, 2)
    ]
    assert rows == pytest.approx(means, rel=1e-4)
    assert [row["updates"] for row in advance.rows] == [2, 4, 6, 8]
    epochs = [row["train/loss"] for row in advance.epochs]
    assert epochs == pytest.approx(
        [sum(loss * size for loss, size in pairs[i : i + 3]) / 40 for i in (0, 3, 6)],
        rel=1e-4,
    )


def test_looks_change_nothing(data_dir):
    """With a look at every update and with none the weights have the same bits."""
    weights = []
    for every in (1, 1000):
        module = new_module(data_dir, recipe(log_every=every))
        advance = fit(module, 2)
        assert len(advance.rows) == (6 if every == 1 else 0)
        weights.append(module.model.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_rows_agree_with_each_other(data_dir):
    """Cosines of the halves, cross terms and norms come from different code."""
    module = new_module(data_dir, recipe(log_every=1, momentum=0.0), Member("none", 0.0, 1))
    advance = fit(module, 1)
    crosses = sum(row["optim/cross_term"] for row in advance.rows)
    squares = sum(row["optim/update_norm"] ** 2 for row in advance.rows)
    (epoch,) = advance.epochs
    assert epoch["growth/cross"] == pytest.approx(crosses, rel=1e-5)
    assert epoch["growth/square"] == pytest.approx(squares, rel=1e-5)
    assert epoch["growth/raw_square"] == pytest.approx(squares, rel=1e-5)
    first, last = advance.rows[0], epoch["weights/norm"]
    change = last**2 - first["optim/weight_norm"] ** 2
    assert change == pytest.approx(crosses + squares, rel=1e-4)
    for row in advance.rows:
        norms = row["optim/weight_norm"], row["optim/gradient_norm"]
        assert row["optim/rate_over_norm"] == pytest.approx(row["learning_rate"] / norms[0])
        assert -1 < row["optim/cos_weight_neg"] < 1
        assert -1 < row["optim/cos_weight_pos"] < 1
    parts = epoch["weights/norm_invariant"] ** 2 + epoch["weights/norm_rest"] ** 2
    assert parts == pytest.approx(epoch["weights/norm"] ** 2, rel=1e-12)
    layers = [value for key, value in epoch.items() if key.startswith("weights/layer/")]
    assert sum(v**2 for v in layers) == pytest.approx(epoch["weights/norm"] ** 2, rel=1e-12)


def test_distance_is_from_the_seeds_own_weights(data_dir):
    module = new_module(data_dir)
    torch.manual_seed(MEMBER.seed)
    initial = build("resnet8", 2, "batch", 4).state_dict()
    advance = fit(module, 1)
    away = sum(
        float((p.double() - initial[name].double()).square().sum())
        for name, p in module.model.named_parameters()
    )
    assert advance.epochs[0]["weights/distance"] == pytest.approx(away**0.5, rel=1e-9)


def test_shuffled_labels_are_trained_on_and_true_ones_tested_on(data_dir):
    data = ImageData(recipe(labels="shuffled"), data_dir, 0, CPU)
    true = ImageData(recipe(), data_dir, 0, CPU)
    assert not torch.equal(data.labels, true.labels)
    assert torch.equal(data.labels.bincount(), true.labels.bincount())
    assert torch.equal(data.test.labels, true.test.labels)


def test_bf16_learns_with_float32_weights(data_dir):
    module = new_module(data_dir, recipe(precision="bf16", log_every=3))
    advance = fit(module, 3)
    assert all(p.dtype == torch.float32 for p in module.model.parameters())
    assert advance.rows[-1]["train/loss"] < advance.rows[0]["train/loss"]


def test_adam_takes_its_schemes(data_dir):
    module = new_module(data_dir, recipe(optimizer="adam"), Member("separated", 1e-3, 0))
    fit(module, 1)
    assert "decay_exp_avg" in module.optimizer.state[module.model.fc.weight]


def test_batches_cover_every_image_once_and_go_on_anywhere():
    position = Position()
    batches = TrainingBatches(10, 4, 7, position, CPU)
    assert batches.per_epoch == 3
    whole = list(batches)
    assert [len(batch) for batch in whole] == [4, 4, 2]
    assert sorted(torch.cat(whole).tolist()) == list(range(10))
    position.batches = 2
    (last,) = batches
    assert torch.equal(last, whole[2])
    position.epoch, position.batches = 1, 0
    assert not torch.equal(torch.cat(list(batches)), torch.cat(whole))


def test_the_order_of_memory_changes_nothing_but_rounding(data_dir):
    """On a GPU channels come last."""
    rows = []
    for layout in (torch.contiguous_format, torch.channels_last):
        module = new_module(data_dir).to(memory_format=layout)
        advance = fit(module, 1)
        rows.append(advance.rows + advance.epochs)
    for row, expected in zip(*rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-5, nan_ok=True)
