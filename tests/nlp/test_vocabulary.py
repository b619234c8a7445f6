"""Text prepared with the vocabulary of a run, to go on from its weights."""

import pytest

pytest.importorskip("fairseq", reason="translation needs fairseq: `make nlp`")

from nlp import weights
from nlp.config import Recipe
from nlp.data.corpus import Corpus
from nlp.module import TranslationModule
from suite.__main__ import main
from tests.nlp.runs import SIZES
from workload.grammar import pairs
from workload.member import Member

UNSEEN = "Der \u732b schl\u00e4ft."


@pytest.fixture
def text(tmp_path):
    """Other sentences than those of the run, and a sign that it has never seen."""
    folder = tmp_path / "other"
    folder.mkdir()
    sentences = pairs(40, seed=9)
    for split, part in (("train", sentences[:20]), ("valid", sentences[20:30])):
        for side, language in enumerate(("de", "en")):
            content = "".join(f"{pair[side]}\n" for pair in part)
            (folder / f"{split}.{language}").write_text(content)
    (folder / "test.de").write_text(f"{UNSEEN}\n")
    (folder / "test.en").write_text("The cat sleeps.\n")
    return folder


@pytest.fixture
def prepare(made, text, tmp_path, capsys):
    """The command with flags: what it prints, or its one sentence."""

    def command(*flags):
        capsys.readouterr()
        code = main(["prepare", str(text), "--jobs", "1", "--data-dir", str(tmp_path), *flags])
        out, err = capsys.readouterr()
        return out if code == 0 else err

    return command


def test_a_text_has_the_subwords_and_numbers_of_the_run(made, prepare, tmp_path):
    _, run = made
    said = prepare("--vocabulary-of", str(run), "--ratio", "3").splitlines()
    theirs = Corpus.open(run / "weights")
    name = f"bpe-60-joined-ratio3-of-{theirs.vocabulary}"
    corpus = Corpus.open(tmp_path / "other" / name)
    assert corpus.vocabulary == theirs.vocabulary
    assert weights.dictionary_digests(corpus) == weights.dictionary_digests(theirs)
    assert corpus.codes.read_bytes() == theirs.codes.read_bytes()
    assert corpus.splits["test"]["source_unknown"] == 1
    flags = f"--init-from {run} --vocabulary {theirs.vocabulary}"
    assert said[-1] == f"train on it from the run's weights with {flags}"
    recipe = Recipe(
        data="other", ratio=3.0, init_from=str(run), vocabulary=theirs.vocabulary, **SIZES
    )
    assert recipe.preparation == corpus.preparation
    begun = TranslationModule(recipe, Member("none", 0.0, 0), corpus).model.state_dict()
    for tensor_name, value in weights.load_weights(run, averaged=False).items():
        assert begun[tensor_name].equal(value)


def test_a_corpus_with_a_vocabulary_of_its_own_lies_beside(made, prepare, tmp_path):
    _, run = made
    prepare("--vocabulary-of", str(run))
    prepare("--bpe", "60", "--joined")
    taken, own = sorted((tmp_path / "other").glob("bpe-60*"), key=lambda folder: -len(folder.name))
    assert own.name == "bpe-60-joined"
    assert Corpus.open(own).vocabulary != Corpus.open(taken).vocabulary


def test_a_run_on_such_a_text_says_how_it_is_prepared(prepare, tmp_path, capsys):
    prepare("--bpe", "60", "--joined")
    argv = ["run", "nlp", "--data", "other", "--data-dir", str(tmp_path), "--device", "cpu"]
    flags = ["--bpe", "60", "--joined", "true", "--vocabulary", "0123abcd"]
    assert main([*argv, *flags]) == 2
    said = capsys.readouterr().err
    assert f"not prepared in {tmp_path}/other/bpe-60-joined-of-0123abcd" in said
    assert "--vocabulary-of RUN" in said
    assert main([*argv, *flags[:-1], "mine"]) == 2
    assert "'mine' is no vocabulary" in capsys.readouterr().err


def test_weights_that_do_not_fit_leave_no_run(made, prepare, tmp_path, capsys):
    _, run = made
    prepare("--bpe", "60", "--joined")
    argv = ["run", "nlp", "--data", "other", "--data-dir", str(tmp_path), "--device", "cpu"]
    flags = ["--bpe", "60", "--joined", "true", "--runs", str(tmp_path / "runs")]
    for start, said in (
        (run, "is not the dictionary that"),
        (run / "config.json", "holds no weights of this suite"),
        (tmp_path / "no", "is neither a run with weights nor a file of them"),
    ):
        assert main([*argv, *flags, "--init-from", str(start)]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--bpe", "61"], "bpe: 61 is not that of"),
        (["--tokenisation", "none"], "tokenisation: none is not that of"),
        (["--source", "en", "--target", "de"], "source: en is not that of"),
    ],
)
def test_a_flag_against_the_vocabulary_is_refused(made, prepare, flags, said):
    assert said in prepare("--vocabulary-of", str(made[1]), *flags)


def test_a_folder_that_is_no_run_is_told(prepare, tmp_path):
    said = prepare("--vocabulary-of", str(tmp_path))
    assert f"{tmp_path} has no weights of a translation model" in said
