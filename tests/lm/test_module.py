"""Updates against a plain training loop with torch's optimizers, and what a row holds."""

import lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lm.gpt import GPT
from tests.listening import Listening
from tests.lm.runs import new_module, prepared, recipe, train
from workload.checkpoint import read_state
from workload.member import Member

UPDATES = 6


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("module"))


class Rounds(lightning.Callback):
    """Ends rounds, and keeps all weights after each update, in float64."""

    def __init__(self, module):
        self.module, self.seen = module, []
        self.on_train_batch_end()

    def on_train_batch_end(self, *_):
        weights = [p.detach().double().clone() for p in self.module.model.parameters()]
        self.seen.append(weights)

    def on_train_epoch_end(self, *_):
        if self.module.epoch_ended:
            self.module.end_epoch()


def fit(module, updates, logger=False):
    """By anybody's Trainer; returns the weights before and after each update."""
    rounds = Rounds(module)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=updates,
        callbacks=[rounds],
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module)
    assert module.position.updates == updates
    return rounds.seen


def trained(data_dir, own, member):
    module = new_module(data_dir, own, member)
    fit(module, UPDATES)
    return module


def plain_loop(data_dir, own, make, groups=None):
    """nanoGPT's train.py: micro-batches, clipped gradients, torch's optimizer, and alpha set by
    hand."""
    module = new_module(data_dir, own)
    data = module.data
    torch.manual_seed(0)
    model = GPT(data.prepared.vocabulary, own.context, own.layers, own.heads, own.width)
    named = dict(model.named_parameters())
    kernels = [p for p in named.values() if p.ndim > 1]
    gains = [p for p in named.values() if p.ndim == 1]
    optimizer = make(kernels, gains)
    losses = []
    for update in range(UPDATES):
        for group in optimizer.param_groups:
            group["lr"] = own.learning_rate * min(update / own.warm_up, 1)
        optimizer.zero_grad()
        total = 0.0
        for windows in data.update(update):
            logits = model(windows[:, :-1])
            loss = functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
            (loss / own.accumulate).backward()
            total += loss.item() / own.accumulate
        if own.clip_norm:
            nn.utils.clip_grad_norm_(model.parameters(), own.clip_norm)
        optimizer.step()
        losses.append(total)
    return named, losses


def adamw(own, decay, gains_too):
    def make(kernels, gains):
        both = [
            {"params": kernels, "weight_decay": decay},
            {"params": gains, "weight_decay": decay if gains_too else 0.0},
        ]
        return torch.optim.AdamW(both, betas=(own.beta1, own.beta2), eps=own.adam_eps)

    return make


@pytest.mark.parametrize(
    "change", [{}, {"optimizer": "sgd", "momentum": 0.9}, {"precision": "bf16"}, {"clip_norm": 0.0}]
)
def test_a_run_takes_the_updates_that_anybodys_trainer_takes(data_dir, tmp_path, change):
    """To the same bits; the Trainer's loggers hear what the run writes."""
    own = recipe(log_every=2, average_weights=0.9, **change)
    member = Member("l2" if "optimizer" in change else "decoupled", 1e-2, 0)
    module = new_module(data_dir, own, member)
    logger = Listening()
    fit(module, UPDATES * 2, logger)
    outcome, log = train(data_dir, tmp_path / "run", own, member)
    assert outcome.status == "finished"
    heard = [figures for _, figures in logger.heard]
    written = [{key: float(value) for key, value in row.items()} for row in log.rows["metrics"]]
    assert heard == written
    state = read_state(tmp_path / "run")
    for name, weight in module.model.named_parameters():
        assert torch.equal(weight, state["weights"][name]), name
        for key, value in module.optimizer.state[weight].items():
            assert np.array_equal(value, state["optimizer"][name][key]), (name, key)
    assert all(map(torch.equal, module.average.weights, state["average"]))


@pytest.mark.parametrize("gains_too", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_updates_are_those_of_a_plain_loop_with_adamw(data_dir, clip, gains_too):
    """Strong decay, so that it counts, of matrices alone or of the gains of LayerNorm as well."""
    own = recipe(clip_norm=clip, decay_biases=gains_too, log_every=2)
    module = trained(data_dir, own, Member("decoupled", 2.0, 0))
    expected, losses = plain_loop(data_dir, own, adamw(own, 2.0, gains_too))
    for name, parameter in module.model.named_parameters():
        torch.testing.assert_close(parameter, expected[name], rtol=1e-4, atol=1e-6)
    assert module.row["train/loss"] == pytest.approx(sum(losses[4:6]) / 2, rel=1e-5)


def test_sgd_with_momentum_and_l2_is_torchs(data_dir):
    """Whose decay is added after clipping: lambda/2 |w|^2 in the loss, and not clipped with it."""
    own = recipe(optimizer="sgd", momentum=0.9, learning_rate=0.3, clip_norm=0.05)
    module = trained(data_dir, own, Member("l2", 1e-2, 0))

    def make(kernels, gains):
        both = [{"params": kernels, "weight_decay": 1e-2}, {"params": gains, "weight_decay": 0.0}]
        return torch.optim.SGD(both, lr=0.3, momentum=0.9)

    expected, _ = plain_loop(data_dir, own, make)
    for name, parameter in module.model.named_parameters():
        torch.testing.assert_close(parameter, expected[name], rtol=1e-4, atol=1e-6)


def test_accumulated_passes_are_one_large_one(data_dir):
    """The same windows in one pass of 8, in 2 of 4, in 8 of 1."""
    weights = []
    for batch, passes in ((8, 1), (4, 2), (1, 8)):
        own = recipe(batch_size=batch, accumulate=passes)
        module = trained(data_dir, own, Member("none", 0.0, 0))
        weights.append([p.detach() for p in module.model.parameters()])
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=1e-3, atol=1e-5)


def test_pure_bf16_has_no_float32_weights_and_autocast_has(data_dir):
    """They are different trainings, and neither is the one in float32."""
    seen = {}
    for precision, dtype in (("float32", "float32"), ("bf16", "float32"), ("bf16", "bf16")):
        own = recipe(precision=precision, weights=dtype, average_weights=0.9)
        module = trained(data_dir, own, Member("decoupled", 0.1, 0))
        expected = torch.bfloat16 if dtype == "bf16" else torch.float32
        assert {p.dtype for p in module.model.parameters()} == {expected}
        assert {weight.dtype for weight in module.average.weights} == {torch.float32}
        seen[precision, dtype] = float(module.round_sums[0])
    assert len(set(seen.values())) == 3
    assert max(seen.values()) == pytest.approx(min(seen.values()), rel=0.02)


def test_autocast_computes_products_in_bfloat16(data_dir):
    module = new_module(data_dir, recipe(precision="bf16"))
    dtypes = []
    module.model.h[0].c_fc.register_forward_hook(lambda _, __, y: dtypes.append(y.dtype))
    loss = module.loss(module.data.update(0)[0])
    assert (dtypes, loss.dtype) == ([torch.bfloat16], torch.float32)


def test_a_row_has_effective_rates_and_a_look_inside(data_dir):
    own = recipe(log_every=3, clip_norm=0.05)
    module = trained(data_dir, own, Member("decoupled", 0.1, 0))
    row = module.row
    assert row["updates"] == 6
    norm = row["optim/weight_norm"]
    assert row["optim/rate_over_norm"] == pytest.approx(0.01 / norm)
    assert row["optim/rate_over_square"] == pytest.approx(0.01 / norm**2)
    assert row["optim/gradient_norm"] == pytest.approx(0.05, rel=1e-3)  # what the step reads
    assert row["train/gradient_norm"] > 0.05
    assert any(key.startswith("optim/log_m_over_w") for key in row)


def test_the_mean_of_the_weights_is_its_sum_written_out(data_dir):
    own = recipe(average_weights=0.5)
    module = new_module(data_dir, own)
    seen = fit(module, 4)
    shares = [0.5**4, 0.5**4, 0.5**3, 0.5**2, 0.5]
    for place, average in enumerate(module.average.weights):
        expected = sum(c * weights[place] for c, weights in zip(shares, seen, strict=True))
        torch.testing.assert_close(average.double(), expected, rtol=1e-5, atol=1e-8)
    plain = module.fixed_losses()
    with module.average.in_place():
        averaged = module.fixed_losses()
    assert averaged != plain == module.fixed_losses()
