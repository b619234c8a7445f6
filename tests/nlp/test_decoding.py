"""fairseq-generate as the oracle: the same weights give the same hypotheses."""

import dataclasses
import math

import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

import torch

from nlp.beam_search import _StepwiseModel, forbid_repeats
from nlp.decoding import decode, generate_limits, length_limit, search
from nlp.fairseq_model import build_model
from tests.nlp.fairseq_generate import fairseq_decode, generate
from tests.nlp.runs import TAUGHT

pytestmark = pytest.mark.slow


@pytest.fixture
def corpus(taught):
    return taught.corpus


@pytest.fixture
def task(taught):
    return taught.task


@pytest.fixture
def model(taught):
    return taught.model


@pytest.fixture
def sources(task):
    dataset = task.dataset("test")
    return [dataset.src[place] for place in range(len(dataset))]


@pytest.mark.parametrize("size", [2, 3])
def test_no_sequence_comes_twice_where_fairseq_lets_none(size):
    """Against fairseq's own block, row by row of random hypotheses."""
    from fairseq.ngram_repeat_block import NGramRepeatBlock

    torch.manual_seed(0)
    block = NGramRepeatBlock(size, use_extension=False)
    for time in range(1, 9):
        tokens = torch.randint(4, 7, (12, time))
        log_p = torch.randn(12, 10)
        expected = block(tokens, log_p.clone(), 4, 3, time - 1)
        forbid_repeats(log_p, tokens, size)
        assert torch.equal(log_p, expected)


@pytest.mark.parametrize("options", [{"length_penalty": 2.0}, {"no_repeat_ngram": 2}])
def test_options_and_scores_are_those_of_fairseqs_generator(task, model, sources, options):
    from fairseq.ngram_repeat_block import NGramRepeatBlock
    from fairseq.sequence_generator import SequenceGenerator

    class OfWhatIsWritten(NGramRepeatBlock):
        """On a CPU fairseq's takes the padding behind the words for their last ones."""

        def forward(self, tokens, lprobs, bsz, beam_size, step):
            return super().forward(tokens[:, : step + 1], lprobs, bsz, beam_size, step)

    theirs = SequenceGenerator(
        [model],
        task.target_dictionary,
        beam_size=4,
        max_len_a=1.2,
        max_len_b=10,
        len_penalty=options.get("length_penalty", 1.0),
        no_repeat_ngram_size=options.get("no_repeat_ngram", 0),
    )
    if size := options.get("no_repeat_ngram"):
        theirs.repeat_ngram_blocker = OfWhatIsWritten(size)
    found = search(model, task, sources, beam=4, **options)
    for source, ours in zip(sources[:8], found, strict=False):
        expected = theirs.generate([model], {"net_input": {"src_tokens": source[None]}})[0]
        assert len(ours) == len(expected) == 4
        for one, other in zip(ours, expected, strict=True):
            assert one.score == pytest.approx(float(other["score"]) / math.log(2), abs=1e-4)
        assert torch.equal(ours[0].tokens, expected[0]["tokens"])


def text(task, hypotheses):
    return [task.target_dictionary.string(tokens, "@@ ") for tokens in hypotheses]


@pytest.mark.parametrize("beam", [1, 5])
def test_hypotheses_are_those_of_the_command_fairseq_generate(
    tmp_path, corpus, task, model, sources, beam
):
    recipe = dataclasses.replace(TAUGHT, beam=beam)
    theirs = generate(corpus.folder, tmp_path / "fairseq.pt", model, recipe)
    ours = decode(model, task, sources, beam=beam, limits=generate_limits(task, "test"))
    assert {place: text(task, ours)[place] for place in theirs} == theirs
    assert len(set(theirs.values())) > 10


def test_by_default_they_are_those_of_fairseq_generate_for_single_sentences(
    tmp_path, corpus, task, model, sources
):
    single = ("--batch-size", "1", "--required-batch-size-multiple", "1")
    theirs = generate(corpus.folder, tmp_path / "fairseq.pt", model, TAUGHT, *single)
    assert dict(enumerate(text(task, decode(model, task, sources)))) == theirs


@pytest.mark.parametrize("max_tokens", [1, 60, 2_048])
def test_our_batches_do_not_matter(task, model, sources, max_tokens):
    theirs = fairseq_decode(model, task, "test", 5, max_tokens=12_000).hypotheses
    limits = generate_limits(task, "test")
    ours = decode(model, task, sources, limits=limits, max_tokens=max_tokens)
    assert {place: ours[place].tolist() for place in theirs} == {
        place: hypothesis.tolist() for place, hypothesis in theirs.items()
    }


def test_a_translation_without_end_is_cut_off_at_its_limit(task, sources):
    """The end mark is made the least probable word, so that only the limit can force it."""
    torch.manual_seed(0)
    model = build_model(TAUGHT, task)
    projection = torch.nn.Linear(TAUGHT.width, len(task.target_dictionary))
    projection.bias.data[task.target_dictionary.eos()] = -100.0
    model.decoder.output_projection = projection
    for source, hypothesis in zip(sources, decode(model, task, sources), strict=True):
        assert len(hypothesis) == int(1.2 * len(source) + 10) + 1
        assert hypothesis[-1] == task.target_dictionary.eos()
    cut = decode(model, task, sources[:3], limits=[4, 1, 9])
    assert [len(hypothesis) for hypothesis in cut] == [5, 2, 10]


def test_no_limit_is_beyond_the_models_positions():
    assert length_limit(10) == 22
    assert length_limit(1_000) == 1_023


def test_candidates_are_the_best_of_the_whole_vocabulary(task, model):
    """Of 0 to 4 specials and any number of blocks, against a sort of every row."""
    torch.manual_seed(1)
    for size in (5, 63, 64, 67, 68, 69, 132, 1_000):
        stepwise = _StepwiseModel(model, task.target_dictionary, 5)
        stepwise._candidates = min(10, size - 4)
        log_p = torch.randn(7, size).log_softmax(1)
        columns = stepwise._select(log_p)
        assert torch.equal(log_p.gather(1, stepwise.words), columns)
        assert torch.equal(columns[:, :4], log_p[:, :4])
        best = log_p[:, 4:].sort(1, descending=True)
        assert torch.equal(columns[:, 4:], best.values[:, : size - 4][:, :10])
        assert torch.equal(stepwise.words[:, 4:], best.indices[:, :10] + 4)


def test_the_model_comes_back_in_its_mode_with_its_own_weights_only(task, model, sources):
    keys = list(model.state_dict())
    for training in (True, False):
        model.train(training)
        decode(model, task, sources[:2])
        assert all(part.training == training for part in model.modules())
    assert list(model.state_dict()) == keys


def test_the_model_comes_back_in_its_mode_after_an_interruption(task, model, sources):
    def interrupt(done, total):
        raise KeyboardInterrupt

    model.train()
    with pytest.raises(KeyboardInterrupt):
        decode(model, task, sources, progress=interrupt)
    assert model.training
    model.eval()


def test_progress_counts_sentences(task, model, sources):
    seen = []
    decode(model, task, sources, max_tokens=60, progress=lambda *place: seen.append(place))
    assert [total for _, total in seen] == [len(sources)] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1][0] == len(sources)


def test_nothing_is_translated_to_nothing(task, model):
    assert decode(model, task, []) == []
