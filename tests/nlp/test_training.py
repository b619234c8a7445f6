import contextlib
import dataclasses
import errno
import hashlib
import itertools
import json
import os
import shutil

import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

import torch
from lightning.pytorch.callbacks import LearningRateMonitor

from nlp import beam_search, weights
from nlp.config import learning_rate
from nlp.data.corpus import Corpus, corpus_folder
from nlp.loss import batch_loss
from nlp.module import TranslationModule, dropout_seed
from nlp.recorder import TranslationRecorder
from nlp.transformer import Transformer
from shared_optim.schemes import BASELINE, SCHEMES
from tests.list_log import Killed
from tests.listening import fit_one_epoch
from tests.nlp.runs import SMALL, train_one
from workload.errors import ConfigError
from workload.member import Member

pytestmark = pytest.mark.slow

MEMBER = Member("separated", 1e-3, 3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, data_dir):
    return train_one(tmp_path_factory.mktemp("undisturbed"), MEMBER, data_dir)


def alone(recipe, corpus):
    """The module without a Trainer."""
    module = TranslationModule(recipe, MEMBER, corpus)
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    return module


def exchange_words(folder):
    """Make a prepared corpus one with another dictionary of the same size."""
    record = json.loads((folder / "corpus.json").read_text())
    for name in ("dict.de.txt", "dict.en.txt"):
        first, second, *rest = (folder / name).read_text().splitlines(keepends=True)
        content = "".join((second, first, *rest)).encode()
        (folder / name).write_bytes(content)
        record["sha256"][name] = hashlib.sha256(content).hexdigest()
    (folder / "corpus.json").write_text(json.dumps(record))


def same(log, undisturbed):
    assert log.rows == undisturbed[0].rows
    ours, theirs = (
        weights.load_weights(each.path, averaged=True) for each in (log, undisturbed[0])
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for name in ("test.hypotheses.txt", "test.hypotheses.averaged.tok.txt"):
        assert (log.path / name).read_text() == (undisturbed[0].path / name).read_text()


def test_rows_add_up(undisturbed):
    log, outcome = undisturbed
    metrics, evaluations = log.rows["metrics"], log.rows["eval"]
    assert outcome.status == "finished"
    assert [row["epoch"] for row in evaluations] == [1, 2, 2]
    assert evaluations[1]["updates"] == 2 * evaluations[0]["updates"]
    assert [row["updates"] for row in metrics] == list(range(3, evaluations[1]["updates"] + 1, 3))
    assert all("optim/log_m_over_w/q50" in row for row in metrics)
    assert {"test/bleu", "test/bleu_13a", "test/bleu_averaged"} <= set(evaluations[2])


def test_the_loggers_of_anybodys_trainer_get_the_rows(data_dir):
    recipe = dataclasses.replace(SMALL, epochs=1)
    folder = corpus_folder(data_dir, recipe.data, recipe.preparation)
    module = TranslationModule(recipe, MEMBER, Corpus.open(folder))
    heard, for_callbacks = fit_one_epoch(module)
    rows = [(step, metrics) for step, metrics in heard if "train/loss" in metrics]
    assert [step for step, _ in rows] == list(range(3, module.updates_per_epoch + 1, 3))
    layers = {key for key in rows[-1][1] if "/layer/" in key}
    assert any("encoder.layers.0.fc1.weight" in key for key in layers)
    assert float(for_callbacks["train/loss"]) == pytest.approx(rows[-1][1]["train/loss"], rel=1e-6)
    assert not layers & for_callbacks.keys()


def test_lightnings_monitor_sees_alpha_and_an_epoch_of_decay_is_one_of_the_corpus(data_dir):
    recipe = dataclasses.replace(SMALL, epochs=1, warm_up=5, decay_schedule="early:2epochs")
    folder = corpus_folder(data_dir, recipe.data, recipe.preparation)
    module = TranslationModule(recipe, MEMBER, Corpus.open(folder))
    monitor = LearningRateMonitor(logging_interval="step")
    heard, _ = fit_one_epoch(module, monitor)
    updates = module.updates_per_epoch
    seen = [rates["lr-WeightDecayAdam"] for _, rates in heard if "lr-WeightDecayAdam" in rates]
    assert seen == [learning_rate(recipe)(update) for update in range(updates)]
    (group,) = module.optimizer.param_groups
    assert group["schedule"] == f"early:{2 * updates}"


def test_every_scheme_trains_and_is_one_of_its_own(data_dir):
    folder = corpus_folder(data_dir, SMALL.data, SMALL.preparation)
    found = {}
    for name in SCHEMES:
        module = alone(SMALL, Corpus.open(folder))
        module.member = Member(name, 0.0 if name == BASELINE else 0.5, 3)
        for index, batch in zip(range(4), module.train_dataloader(), strict=False):
            module.training_step(batch, index)
        found[name] = torch.cat([p.detach().flatten() for p in module.model.parameters()])
        assert found[name].isfinite().all()
    for one, other in itertools.combinations(found, 2):
        assert not torch.equal(found[one], found[other]), (one, other)


def test_the_padding_row_and_words_not_seen_are_counted_apart(data_dir):
    """Of the source embeddings, which no output shares, only the words of the batch have an m."""
    folder = corpus_folder(data_dir, SMALL.data, SMALL.preparation)
    recipe = dataclasses.replace(SMALL, joined=False, log_every=1, dropout=0.0)
    module = alone(recipe, Corpus.open(folder))
    batch = next(iter(module.train_dataloader()))
    module.training_step(batch, 0)
    words = len(module.task.source_dictionary)
    seen = len(batch["net_input"]["src_tokens"].unique())
    if module.task.source_dictionary.pad() in batch["net_input"]["src_tokens"]:
        seen -= 1
    layer = "optim/layer/encoder.embed_tokens.weight"
    assert module.row[f"{layer}/elements"] == words * SMALL.width
    assert module.row[f"{layer}/zero_weights"] == SMALL.width
    assert module.row[f"{layer}/untouched"] == (words - 1 - seen) * SMALL.width


def test_a_corpus_may_lie_under_a_path_with_colons(tmp_path, data_dir, undisturbed):
    """fairseq takes such a path for several."""
    folder = tmp_path / "C:" / "a://b"
    shutil.copytree(data_dir, folder)
    log, _ = train_one(tmp_path / "run", MEMBER, folder)
    same(log, undisturbed)


def test_a_run_killed_anywhere_goes_on_bit_for_bit(tmp_path, data_dir, undisturbed):
    for kill_after in (1, 6, 14, 23):
        with pytest.raises(Killed):
            train_one(tmp_path / "run", MEMBER, data_dir, kill_after=kill_after)
    log, outcome = train_one(tmp_path / "run", MEMBER, data_dir)
    assert outcome == undisturbed[1]
    same(log, undisturbed)
    assert not list(log.path.rglob("*.temporary"))


def test_a_stopped_run_is_saved_where_it_stood(tmp_path, data_dir, undisturbed):
    log, outcome = train_one(tmp_path, MEMBER, data_dir, stop_after=5, checkpoint_every=10_000)
    assert outcome.status == "interrupted"
    pointer = json.loads((tmp_path / "checkpoint" / "checkpoint.json").read_text())
    assert pointer["latest"]["position"] == [0, 5, 5]
    log, _ = train_one(tmp_path, MEMBER, data_dir)
    same(log, undisturbed)


@pytest.mark.parametrize("phase", ["validation", "test"])
def test_a_stop_while_decoding_is_answered_at_the_next_word(
    tmp_path, data_dir, undisturbed, monkeypatch, phase
):
    """Decoding asks before every word; what is before it is saved, what is decoded is not kept."""
    asked, words = [], []
    report, generator = TranslationRecorder._report, beam_search._StepwiseModel
    forward = generator.forward_decoder

    def note(recorder, name, *numbers):
        report(recorder, name, *numbers)
        if name == phase:
            asked.append(name)

    def count(*arguments, **named):
        if asked:
            words.append(1)
        return forward(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(TranslationRecorder, "_report", note)
        patch.setattr(generator, "forward_decoder", count)
        patch.setattr("nlp.decoding.BATCH_TOKENS", {"cpu": 64})
        log, outcome = train_one(tmp_path, MEMBER, data_dir, stop=lambda: bool(asked))
    assert outcome.status == "interrupted"
    assert len(words) == 1
    assert len(asked) == 1
    pointer = json.loads((tmp_path / "checkpoint" / "checkpoint.json").read_text())
    updates = undisturbed[0].rows["eval"][0]["updates"]
    position = [0, updates, updates] if phase == "validation" else [2, 0, 2 * updates]
    assert pointer["latest"]["position"] == position
    log, outcome = train_one(tmp_path, MEMBER, data_dir)
    assert outcome.status == "finished"
    same(log, undisturbed)


def test_of_epochs_with_equal_bleu_the_one_with_the_lower_loss_is_best(
    tmp_path, data_dir, monkeypatch
):
    losses = iter([3.0, 2.0, 2.0, 2.5])
    monkeypatch.setattr("nlp.recorder.losses", lambda *_: {"valid/loss": next(losses)})
    monkeypatch.setattr(TranslationRecorder, "_valid_bleu", lambda self: 0.0)
    recipe = dataclasses.replace(SMALL, epochs=4, average_last=4)
    log, _ = train_one(tmp_path, MEMBER, data_dir, recipe=recipe)
    kept = {path.name: path for path in (log.path / "weights").glob("*.pt")}
    assert kept["best.pt"].samefile(kept["epoch003.pt"])


def test_the_best_epoch_is_kept_where_the_file_system_has_no_hard_links(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    for content in (b"the first", b"a better one"):
        (tmp_path / "epoch001.pt").write_bytes(content)
        weights.mark_best(tmp_path / "epoch001.pt")
        assert (tmp_path / "best.pt").read_bytes() == content


def test_a_run_killed_after_its_last_epoch_is_tested_again(tmp_path, data_dir, undisturbed):
    train_one(tmp_path, MEMBER, data_dir)
    log, outcome = train_one(tmp_path, MEMBER, data_dir)
    assert outcome == undisturbed[1]
    same(log, undisturbed)


def test_a_damaged_checkpoint_is_named_and_the_one_before_comes_to_the_same(
    tmp_path, data_dir, undisturbed, capsys
):
    with pytest.raises(Killed):
        train_one(tmp_path, MEMBER, data_dir, kill_after=10)
    pointer = json.loads((tmp_path / "checkpoint" / "checkpoint.json").read_text())
    damaged = tmp_path / "checkpoint" / pointer["latest"]["file"]
    damaged.write_bytes(damaged.read_bytes()[:-7])
    log, _ = train_one(tmp_path, MEMBER, data_dir)
    assert f"{damaged} is damaged" in capsys.readouterr().err
    same(log, undisturbed)


def test_a_checkpoint_is_refused_with_another_dictionary(tmp_path, data_dir):
    with pytest.raises(Killed):
        train_one(tmp_path / "run", MEMBER, data_dir, kill_after=10)
    copy = tmp_path / "data"
    shutil.copytree(data_dir, copy)
    exchange_words(copy / "sentences" / "bpe-150-joined")
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "run").rglob("*.*"))
    with pytest.raises(ConfigError, match=r"dict\.de\.txt is not the dictionary that .*checkpoint"):
        train_one(tmp_path / "run", MEMBER, copy)
    after = sorted((path, path.read_bytes()) for path in (tmp_path / "run").rglob("*.*"))
    assert after == before


def test_a_run_that_diverges_in_the_last_update_of_an_epoch_says_so(
    tmp_path, data_dir, monkeypatch
):
    """The loss of that update was finite; what it made of the weights is seen in validation."""
    end_epoch = TranslationModule.end_epoch

    def overflow(module):
        for parameter in module.model.parameters():
            parameter.data.fill_(float("nan"))
        return end_epoch(module)

    monkeypatch.setattr(TranslationModule, "end_epoch", overflow)
    for _ in range(2):  # the second one finds the first one's checkpoint
        log, outcome = train_one(tmp_path, MEMBER, data_dir)
        assert outcome.status == "diverged"
        assert [row["epoch"] for row in log.rows["eval"]] == [1]
    assert not (tmp_path / "weights").exists()


def test_a_diverged_run_ends_and_says_so(tmp_path, data_dir):
    # alpha * lambda = 5e27: theta overflows within a few updates
    log, outcome = train_one(tmp_path, Member("decoupled", 1e30, 0), data_dir)
    assert outcome.status == "diverged"
    assert log.rows["metrics"][-1]["diverged"]


def test_two_batches_per_update_are_one_large_batch(tmp_path, data_dir):
    """The gradient is divided by the tokens of all batches, so it is the large batch's."""
    recipe = dataclasses.replace(SMALL, accumulate=2, dropout=0.0)
    folder = corpus_folder(data_dir, recipe.data, recipe.preparation)
    module = alone(recipe, Corpus.open(folder))
    batches = [batch for batch, _ in zip(module.train_dataloader(), range(2), strict=False)]
    gradients = {}

    def observe(*_):
        gradients.update({n: p.grad.clone() for n, p in module.model.named_parameters()})

    module.optimizer.register_step_pre_hook(observe)
    for index, batch in enumerate(batches):
        module.training_step(batch, index)
    padding = module.task.target_dictionary.pad()
    tokens = sum(int((batch["target"] != padding).sum()) for batch in batches)
    reference = TranslationModule(recipe, MEMBER, Corpus.open(folder))
    transformer = Transformer(reference.model)

    total = sum(batch_loss(transformer, b, recipe.label_smoothing, padding).loss for b in batches)
    (total / tokens).backward()
    for name, parameter in reference.model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("shards", [2, 4])
def test_processes_drop_what_one_alone_would(data_dir, shards, monkeypatch):
    """The gradients of an update's batches, dropout on, summed over processes and by one alone."""
    recipe = dataclasses.replace(SMALL, accumulate=4, dropout=0.3)
    corpus = Corpus.open(corpus_folder(data_dir, recipe.data, recipe.preparation))
    monkeypatch.setattr(TranslationModule, "_update", lambda self: None)

    def gradients(**share):
        module = TranslationModule(recipe, MEMBER, corpus, **share)
        module.manual_backward = lambda loss: loss.backward()
        monkeypatch.setattr(module, "_no_sync", contextlib.nullcontext)
        batches = zip(range(module.share), module.train_dataloader(), strict=False)
        for index, batch in batches:
            module.training_step(batch, index)
        return {name: p.grad for name, p in module.model.named_parameters()}

    alone = gradients()
    parts = [gradients(shard=shard, shards=shards) for shard in range(shards)]
    for name, gradient in alone.items():
        total = sum(part[name] for part in parts)
        torch.testing.assert_close(total, gradient, rtol=1e-4, atol=1e-4)


def test_every_batch_of_a_long_training_has_masks_of_its_own():
    """A CPU's generator takes the last 32 bits of a seed."""
    seeds = {dropout_seed(3, u, n) % 2**32 for u in range(20_000) for n in range(16)}
    assert len(seeds) == 20_000 * 16


def test_two_processes_share_the_batches_of_an_update(tmp_path, data_dir):
    recipe = dataclasses.replace(SMALL, accumulate=2, epochs=1)
    one, _ = train_one(tmp_path / "one", MEMBER, data_dir, recipe=recipe)
    two, outcome = train_one(tmp_path / "two", MEMBER, data_dir, recipe=recipe, devices=2)
    assert outcome.status == "finished"
    rows = zip(one.rows["metrics"], two.rows["metrics"], strict=True)
    for ours, theirs in rows:
        assert theirs["train/loss"] == pytest.approx(ours["train/loss"], rel=1e-4)
        assert theirs["updates"] == ours["updates"]


def test_two_processes_go_on_where_only_one_has_a_batch_left(tmp_path, data_dir):
    """The last update of an epoch of an odd number of batches, resumed by two processes."""
    recipe = dataclasses.replace(SMALL, accumulate=2, epochs=1)
    corpus = Corpus.open(corpus_folder(data_dir, recipe.data, recipe.preparation))
    module = TranslationModule(recipe, MEMBER, corpus)
    assert module.batches.per_epoch % 2 == 1
    one, _ = train_one(tmp_path / "one", MEMBER, data_dir, recipe=recipe)
    before = module.updates_per_epoch - 1
    train_one(tmp_path / "two", MEMBER, data_dir, recipe=recipe, stop_after=before)
    two, outcome = train_one(tmp_path / "two", MEMBER, data_dir, recipe=recipe, devices=2)
    assert outcome.status == "finished"
    ours, theirs = one.rows["eval"][0], two.rows["eval"][0]
    assert ours["updates"] == theirs["updates"] == before + 1
    for key in ("train/loss", "valid/loss"):
        assert theirs[key] == pytest.approx(ours[key], rel=1e-5)


def test_bfloat16_trains_with_float32_weights(tmp_path, data_dir, undisturbed):
    recipe = dataclasses.replace(SMALL, precision="bf16", epochs=1)
    log, outcome = train_one(tmp_path, MEMBER, data_dir, recipe=recipe)
    assert outcome.status == "finished"
    exact, rounded = (each.rows["eval"][0]["train/loss"] for each in (undisturbed[0], log))
    assert 0 < abs(rounded - exact) < 0.01 * exact
    trained = weights.load_weights(log.path, averaged=False)
    floats = [value for value in trained.values() if value.is_floating_point()]
    assert {value.dtype for value in floats} == {torch.float32}


def test_a_test_set_is_translated_without_weights_that_were_lost(tmp_path, data_dir, undisturbed):
    """The mean is that of the epochs that are left, the best epoch's stand-in the last one."""
    copy = tmp_path / "run"
    shutil.copytree(undisturbed[0].path, copy)
    kept = copy / "weights"
    state = torch.load(next((copy / "checkpoint").glob("002-*.pt")), weights_only=True)
    for file in kept.glob("*.pt"):
        file.unlink()
    log, outcome = train_one(copy, MEMBER, data_dir)
    assert outcome.status == "finished"
    for averaged in (False, True):
        loaded = weights.load_weights(copy, averaged=averaged)
        assert all(torch.equal(loaded[name], state["weights"][name]) for name in loaded)
    said = ["weights/epoch001.pt was lost: the averaged weights are without it"]
    if state["best"]["epoch"] == 1:
        said.append("weights/best.pt was lost: its scores are those of the last epoch, 2")
    assert log.rows["remarks"] == said


def test_weights_are_refused_with_another_dictionary(tmp_path, data_dir, undisturbed):
    copy = tmp_path / "run"
    shutil.copytree(undisturbed[0].path, copy)
    weights.load_model(copy, data_dir)
    exchange_words(copy / "weights")
    with pytest.raises(ConfigError, match="is not the dictionary that"):
        weights.load_model(copy, data_dir)


def test_training_begins_with_the_weights_of_a_run_or_a_file(tmp_path, data_dir, undisturbed):
    run = undisturbed[0].path
    corpus = Corpus.open(corpus_folder(data_dir, SMALL.data, SMALL.preparation))
    for source, averaged in ((run, False), (run / "weights" / "epoch001.pt", None)):
        recipe = dataclasses.replace(SMALL, init_from=str(source))
        begun = TranslationModule(recipe, MEMBER, corpus).model.state_dict()
        theirs = (
            weights.load_weights(run, averaged=averaged)
            if averaged is not None
            else torch.load(source, weights_only=True)["weights"]
        )
        assert all(torch.equal(begun[name], theirs[name]) for name in theirs)
    recipe = dataclasses.replace(SMALL, init_from=str(run), epochs=1)
    log, outcome = train_one(tmp_path, MEMBER, data_dir, recipe=recipe)
    assert outcome.status == "finished"
    tuned, random = (each.rows["eval"][0]["train/loss"] for each in (log, undisturbed[0]))
    assert tuned < random


def test_weights_to_begin_with_that_do_not_fit(tmp_path, data_dir, undisturbed):
    run = undisturbed[0].path
    corpus = Corpus.open(corpus_folder(data_dir, SMALL.data, SMALL.preparation))

    def begin(**changes):
        recipe = dataclasses.replace(SMALL, **{"init_from": str(run), **changes})
        return TranslationModule(recipe, MEMBER, corpus)

    with pytest.raises(ConfigError, match="has width 16, this run 32"):
        begin(width=32)
    with pytest.raises(ConfigError, match="is neither a run with weights nor a file"):
        begin(init_from=str(tmp_path / "no"))
    copy = tmp_path / "data"
    shutil.copytree(data_dir, copy)
    folder = copy / "sentences" / "bpe-150-joined"
    exchange_words(folder)
    corpus = Corpus.open(folder)
    with pytest.raises(ConfigError, match="is not the dictionary that"):
        begin()
