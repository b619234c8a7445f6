"""Updates as programs per shape, on a CPU, where a captured program is called again.

The plain path and fairseq's own model and criterion are the oracles.
"""

import dataclasses
import warnings
from collections import Counter

import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

import torch

from nlp import weights
from nlp.data.corpus import Corpus, corpus_folder
from nlp.loss import padded_cross_entropy, smoothed_cross_entropy
from nlp.module import TranslationModule
from nlp.programs import Programs
from nlp.shapes import Shape, Shapes
from tests.list_log import Killed
from tests.nlp.fairseq_peer import fairseq_peer
from tests.nlp.runs import SMALL, train_one
from tests.nlp.standin import CalledAgain, poison, with_programs
from workload.errors import ConfigError
from workload.member import Member

MEMBER = Member("separated", 1e-3, 3)
NO_DROPOUT = dataclasses.replace(SMALL, dropout=0.0)


@pytest.fixture
def corpus(data_dir):
    return Corpus.open(corpus_folder(data_dir, SMALL.data, SMALL.preparation))


def alone(recipe, corpus, member=MEMBER):
    module = TranslationModule(recipe, member, corpus)
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    return module


def epoch(module):
    """Train for an epoch; the rows, and each batch's buffers spoilt before the next."""
    rows = []
    for index, batch in enumerate(module.train_dataloader()):
        if module.programs:
            poison(module.programs)
        module.training_step(batch, index)
        if module.row:
            rows.append(module.row)
    return rows


def close(ours, theirs, rtol=1e-3):
    for (name, one), other in zip(
        ours.model.named_parameters(), theirs.model.parameters(), strict=True
    ):
        if not name.endswith("k_proj.bias"):  # Adam makes rounding as large as anything
            torch.testing.assert_close(one, other, rtol=rtol, atol=2e-5, msg=name)


def test_rows_of_padding_do_not_count():
    torch.manual_seed(0)
    logits, target = torch.randn(9, 31, requires_grad=True), torch.randint(2, 31, (9,))
    target[[0, 4, 8]] = 1
    loss, nll = padded_cross_entropy(logits, target, 0.1, padding=1)
    (gradient,) = torch.autograd.grad(loss, logits)
    counts = target.ne(1)
    expected = smoothed_cross_entropy(logits[counts], target[counts], 0.1)
    (expected_gradient,) = torch.autograd.grad(expected.loss, logits)
    assert float(loss.detach()) == pytest.approx(float(expected.loss.detach()), rel=1e-6)
    assert float(nll) == pytest.approx(float(expected.nll), rel=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_padding_takes_no_part(corpus, precision):
    """More words and whole sentences of padding: loss and gradient are those of fairseq."""
    module = alone(NO_DROPOUT, corpus)
    module._transformer = type(module._transformer)(module.model, precision)
    peer = fairseq_peer(corpus.folder, NO_DROPOUT)
    peer.trainer.model.load_state_dict(module.model.state_dict())
    batch = module.batches.at(module.batches.per_epoch - 2)
    sentences, length = batch["target"].shape
    size = (sentences + 5, batch["net_input"]["src_tokens"].shape[1] + 7, length + 6)
    shape = Shape(*size, batch["ntokens"] + 70)
    programs = Programs(
        module._transformer,
        module.optimizer,
        Shapes([shape]),
        module.task,
        NO_DROPOUT.label_smoothing,
        whole=False,
        graphs=CalledAgain(module.device),
    )
    programs.begin()
    programs.take_gradients(batch)
    model = peer.trainer.model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss, tokens, logged = peer.trainer.criterion(model, batch)
    loss.backward()
    exact = precision == torch.float32
    sums = programs.sums.tolist()
    assert sums[0] == pytest.approx(float(loss), rel=1e-5 if exact else 1e-2)
    assert sums[1] == pytest.approx(float(logged["nll_loss"]), rel=1e-5 if exact else 1e-2)
    assert sums[2] == tokens
    theirs = dict(model.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in theirs.values())
    for name, parameter in module.model.named_parameters():
        assert parameter.grad.isfinite().all()
        atol = largest * (1e-6 if exact else 2e-2)
        torch.testing.assert_close(
            parameter.grad, theirs[name].grad, rtol=1e-3, atol=atol, msg=name
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulate": 2},
        {"clip_norm": 0.5},
        {"decay_biases": False, "accumulate": 3, "joined": True},
    ],
    ids=["one batch", "two batches", "clipped", "groups"],
)
def test_an_epoch_is_that_of_the_plain_path(corpus, monkeypatch, changes):
    with_programs(monkeypatch)
    # several batches of each
    monkeypatch.setattr("nlp.module.Shapes", lambda sizes: Shapes(sizes, 6))
    recipe = dataclasses.replace(NO_DROPOUT, **changes)
    plain, ours = alone(recipe, corpus), alone(recipe, corpus)
    ours.use_graphs("on")
    expected, rows = epoch(plain), epoch(ours)
    assert ours.programs._graphs.replayed > 2  # those of the proof
    close(ours, plain)
    assert ours.position == plain.position
    torch.testing.assert_close(ours.epoch_sums, plain.epoch_sums, rtol=1e-5, atol=0)
    assert [row["updates"] for row in rows] == [row["updates"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for key in ("train/loss", "train/nll", "learning_rate", "optim/log_m_over_w/q50"):
            assert row[key] == pytest.approx(other[key], rel=1e-3, abs=1e-6), key


def test_a_shape_is_called_once_captured_at_its_second_batch_and_replayed(corpus, monkeypatch):
    with_programs(monkeypatch)
    recipe = dataclasses.replace(NO_DROPOUT, log_every=10**6)
    module = alone(recipe, corpus)
    monkeypatch.setattr("nlp.module.Shapes", lambda sizes: Shapes(sizes, 4))
    module.use_graphs("on")
    graphs = module.programs._graphs
    met = Counter(map(module.programs.shapes.of, module.batches.shapes()))
    before = graphs.replayed
    epoch(module)
    assert graphs.captured == sum(number > 1 for number in met.values())
    (_, number), *rest = met.most_common()
    # the most frequent one was captured for the proof
    assert graphs.replayed - before == number + sum(n - 1 for _, n in rest)


def train(folder, data_dir, **rest):
    return train_one(folder, MEMBER, data_dir, graphs="on", **rest)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}])
def test_a_run_killed_anywhere_goes_on_bit_for_bit(tmp_path, data_dir, monkeypatch, changes):
    """With dropout, whose generators are no part of a checkpoint."""
    with_programs(monkeypatch)
    recipe = dataclasses.replace(SMALL, **changes)
    log, outcome = train(tmp_path / "whole", data_dir, recipe=recipe)
    assert outcome.status == "finished"
    for kill_after in (6, 14):
        with pytest.raises(Killed):
            train(tmp_path / "run", data_dir, recipe=recipe, kill_after=kill_after)
    again, outcome_again = train(tmp_path / "run", data_dir, recipe=recipe)
    assert outcome_again == outcome
    assert again.rows == log.rows
    ours, theirs = (weights.load_weights(each.path, averaged=True) for each in (again, log))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_a_diverged_run_ends_and_says_so(tmp_path, data_dir, monkeypatch):
    with_programs(monkeypatch)
    member = Member("decoupled", 1e30, 0)
    log, outcome = train_one(tmp_path, member, data_dir, graphs="auto")
    assert outcome.status == "diverged"
    last = log.rows["metrics"][-1]
    assert last["diverged"]
    again, outcome = train_one(tmp_path, member, data_dir, graphs="auto")
    assert outcome.status == "diverged"
    assert repr(again.rows) == repr(log.rows)  # nan is not nan


@pytest.mark.slow
def test_a_stopped_run_has_counted_the_update_in_flight(tmp_path, data_dir, monkeypatch):
    with_programs(monkeypatch)
    whole, _ = train(tmp_path / "whole", data_dir)
    train(tmp_path / "stopped", data_dir, stop_after=5, checkpoint_every=10_000)
    again, _ = train(tmp_path / "stopped", data_dir)
    assert again.rows == whole.rows


class Forgetful(CalledAgain):
    """Its replays do nothing, as those of a graph that missed its work."""

    def capture(self, function):
        return lambda: None


class Stale(CalledAgain):
    """Its replays see the first batch for ever."""

    programs = None

    def capture(self, function):
        words = self.programs._words.clone()

        def replay():
            self.programs._words.copy_(words)
            function()

        return replay


class Failing(CalledAgain):
    def capture(self, function):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


def stale(monkeypatch):
    init = Programs.__init__

    def remember(self, *arguments, **rest):
        init(self, *arguments, **rest)
        rest["graphs"].programs = self

    monkeypatch.setattr(Programs, "__init__", remember)
    return Stale


def padding_counts(monkeypatch):
    def every_row(logits, target, smoothing, padding):
        return padded_cross_entropy(logits, target, smoothing, -1)

    monkeypatch.setattr("nlp.programs.padded_cross_entropy", every_row)
    return CalledAgain


FAULTS = {
    "forgetful": (lambda monkeypatch: Forgetful, "as a graph, .* differ by"),
    "stale": (stale, "as a graph, .* differ by"),
    "failing": (lambda monkeypatch: Failing, "RuntimeError: operation not permitted .*capturing;?"),
    "padding counts": (padding_counts, "with padding, .* differ by"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_path_that_cannot_prove_itself_is_not_taken(corpus, monkeypatch, fault):
    make, message = FAULTS[fault]
    with_programs(monkeypatch, make(monkeypatch))
    # some padding in every batch
    monkeypatch.setattr("nlp.module.Shapes", lambda sizes: Shapes(sizes, 1))
    untouched, module = alone(SMALL, corpus), alone(SMALL, corpus)
    with pytest.raises(ConfigError, match=f"graphs: on, but {message}"):
        module.use_graphs("on")
    with pytest.warns(RuntimeWarning, match=f"without CUDA graphs.*: {message}"):
        module.use_graphs("auto")
    assert module.programs is None
    assert epoch(module) == epoch(untouched)  # by the plain path, bit for bit
    for one, other in zip(module.model.parameters(), untouched.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_proof_leaves_everything_as_it_was(corpus, monkeypatch, accumulate):
    with_programs(monkeypatch)
    module = alone(dataclasses.replace(SMALL, accumulate=accumulate), corpus)
    for index, batch in enumerate(module.train_dataloader()):
        module.training_step(batch, index)
        if index == 5:
            break

    def state():
        tensors = [p.detach().clone() for p in module.model.parameters()]
        groups = [
            {k: v for k, v in g.items() if k != "params"} for g in module.optimizer.param_groups
        ]
        states = [
            {key: v.clone() if isinstance(v, torch.Tensor) else v for key, v in each.items()}
            for each in module.optimizer.state.values()
        ]
        return tensors, states, groups, torch.get_rng_state(), module.position, module.epoch_sums

    before = state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.use_graphs("auto")
    assert module.programs is not None
    after = state()
    for one, other in zip(before[0], after[0], strict=True):
        assert torch.equal(one, other)
    for one, other in zip(before[1], after[1], strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert torch.equal(torch.as_tensor(one[key]), torch.as_tensor(other[key]))
    assert before[2] == after[2]
    assert torch.equal(before[3], after[3])
    assert before[4] == after[4]
    assert torch.equal(before[5], after[5])
    assert all(p.grad is None for p in module.model.parameters())


def test_on_a_cpu_nothing_is_captured(corpus):
    module = alone(SMALL, corpus)
    with pytest.raises(ConfigError, match="graphs: on, but there are none on cpu"):
        module.use_graphs("on")
    for mode in ("auto", "off"):
        module.use_graphs(mode)
    assert module.programs is None
