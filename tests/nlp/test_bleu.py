import math

import pytest

pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")

from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nlp import bleu
from nlp.stopping import StoppedError

WORDS = ["a man in a red shirt is climbing .", "two dogs play in the snow , it seems ."]


@pytest.mark.parametrize("score", [bleu.tokenised, bleu.detokenised])
def test_the_reference_itself_scores_100(score):
    assert score(WORDS, WORDS).value == pytest.approx(100)


def test_a_word_left_out_at_the_end_costs_the_brevity_penalty_alone():
    # all n-grams occur in the reference; 5 words for 6
    score = bleu.tokenised(["a b c d e"], ["a b c d e f"])
    assert score.value == pytest.approx(100 * math.exp(1 - 6 / 5))


def test_one_wrong_word_of_eight_in_the_corpus_is_the_geometric_mean_of_four_precisions():
    # 7 of 8 words, 6 of 7 pairs, 5 of 6 triples, 4 of 5 quadruples
    score = bleu.tokenised(["a b c d e f g x"], ["a b c d e f g h"])
    assert score.value == pytest.approx(100 * (7 / 8 * 6 / 7 * 5 / 6 * 4 / 5) ** 0.25)


def test_tokens_are_taken_as_they_are_and_text_is_split_at_punctuation():
    hypothesis, reference = ["he says : come here , now."], ["he says: come here, now ."]
    assert bleu.tokenised(hypothesis, reference).value < 50
    assert bleu.detokenised(hypothesis, reference).value == pytest.approx(100)


def test_case_counts_for_tokens_only():
    hypothesis, reference = ["the dog sees Anna here"], ["The dog sees anna here"]
    assert bleu.tokenised(hypothesis, reference).value < 100
    assert bleu.detokenised(hypothesis, reference).value == pytest.approx(100)


def test_tokenised_bleu_is_fairseqs():
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from nlp.fairseq_model import quiet

    with quiet():
        from fairseq.data import Dictionary
        from fairseq.scoring.bleu import BleuConfig, Scorer
    dictionary = Dictionary()
    for word in " ".join(WORDS).split():
        dictionary.add_symbol(word)
    scorer = Scorer(BleuConfig(pad=dictionary.pad(), eos=dictionary.eos(), unk=dictionary.unk()))
    hypotheses = ["a man in a red shirt is in the snow .", "two dogs play , it seems ."]
    for reference, hypothesis in zip(WORDS, hypotheses, strict=True):
        scorer.add(dictionary.encode_line(reference), dictionary.encode_line(hypothesis))
    assert bleu.tokenised(hypotheses, WORDS).value == pytest.approx(scorer.score(), rel=1e-6)


def test_the_signature_names_tokenisation_and_case():
    assert "|tok:none|" in bleu.tokenised(WORDS, WORDS).signature
    assert "case:mixed|" in bleu.tokenised(WORDS, WORDS).signature
    assert "|tok:13a|" in bleu.detokenised(WORDS, WORDS).signature
    assert "case:lc|" in bleu.detokenised(WORDS, WORDS).signature
    assert "|version:" in bleu.detokenised(WORDS, WORDS).signature


def test_unequal_or_no_lines_are_refused():
    with pytest.raises(ValueError, match="1 hypotheses for 2 references"):
        bleu.tokenised(WORDS[:1], WORDS)
    with pytest.raises(ValueError, match="0 hypotheses for 0 references"):
        bleu.detokenised([], [])


@pytest.mark.parametrize("tokeniser", ["13a", "zh"])
def test_chrf_and_ter_are_sacrebleus(tokeniser):
    hypotheses = [
        "the Cat sat on a mat .",
        "it rains a lot",
        "",
        "\u6211 \u559c\u6b22 \u732b \u3002",
    ]
    references = [
        "the cat sat on the mat .",
        "a lot it rains",
        "yes",
        "\u6211\u559c\u6b22\u732b\u3002",
    ]
    theirs = CHRF(lowercase=True).corpus_score(hypotheses, [references])
    assert bleu.chrf(hypotheses, references).value == theirs.score
    asian = tokeniser == "zh"
    metric = TER(normalized=asian, asian_support=asian)
    ours = bleu.ter(hypotheses, references, tokeniser)
    assert ours.value == pytest.approx(metric.corpus_score(hypotheses, [references]).score)
    assert ours.signature == str(metric.get_signature())
    with pytest.raises(ValueError, match="0 hypotheses for 1 references"):
        bleu.chrf([], ["a"])


def test_ter_stops_between_two_sentences():
    answers = iter([False, True])
    with pytest.raises(StoppedError):
        bleu.ter(["a b", "c"], ["b a", "d"], stop=lambda: next(answers))
    assert next(answers, None) is None
