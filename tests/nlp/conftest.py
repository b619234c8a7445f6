import pytest


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder with the prepared corpus `sentences`: 300 pairs of our grammar."""
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from nlp.data.prepare import prepare
    from workload.grammar import pairs

    folder = tmp_path_factory.mktemp("corpus")
    text = folder / "sentences"
    text.mkdir()
    sentences = pairs(360)
    for split, part in (
        ("train", sentences[:300]),
        ("valid", sentences[300:330]),
        ("test", sentences[330:]),
    ):
        for language, side in (("de", 0), ("en", 1)):
            lines = "".join(f"{pair[side]}\n" for pair in part)
            (text / f"{split}.{language}").write_text(lines, encoding="utf-8")
    prepare(str(text), folder / "data", bpe=150, joined=True, jobs=1, progress=lambda *_: None)
    return folder / "data"
