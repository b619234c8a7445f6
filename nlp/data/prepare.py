"""From a publisher's files, or anyone's parallel text, to what training opens.

    files -> raw pairs -> words, cleaned -> codes -> subwords -> fairseq's bin

Each arrow ends in a stage (`workload/stages.py`): finished ones are not done again.

    data/NAME/original/        the publisher's files, plain
    data/NAME/text/            {train,valid,test}.{raw,tok}.LANG
    data/NAME/codes-N/         N merge operations, learned on both languages of the training text
    data/NAME/bpe-N[-joined]/  the corpus (`nlp/data/corpus.py`)

Where tokenisation, languages or cleaning are not the usual ones, the names of the last three say so
(`nlp/data/spec.py`): `bpe-N-sentencepiece-en-ja`.
"""

import hashlib
from pathlib import Path

from nlp.data import pieces, sources
from nlp.data.bpe import learn
from nlp.data.build import make_corpus
from nlp.data.corpus import KNOWN, Corpus, corpus_folder, corpus_name
from nlp.data.fetch import fetch
from nlp.data.parallel import Lines, cores, workers
from nlp.data.sources import PUBLISHED, Raw
from nlp.data.spec import CorpusSpec, Preparation
from nlp.data.tokenisation import check_tokenisation
from nlp.data.tokenise import make_text
from workload.errors import ConfigError
from workload.progress import StageProgress
from workload.stages import create_stage, load_stage, lock_folder, sha256_of_files


def prepare(
    name_or_path: str,
    data_dir: Path,
    preparation: Preparation,
    *,
    archive: Path | None = None,
    vocabulary: Corpus | None = None,
    jobs: int | None = None,
    progress: StageProgress = lambda _stage, _done, _total: None,
) -> Corpus:
    """Prepare a corpus and return it; at once where it is prepared already.

    Args:
        name_or_path: `iwslt14`, `multi30k`, `grammar`, or a folder with train, valid and test, each
            in two languages (`train.de`).
        data_dir: where corpora are kept.
        preparation: what to make of it.
        archive: a published corpus's archive, or a folder with its files, instead of a download.
        vocabulary: whose dictionaries and subwords to take, where `preparation.vocabulary` says so.
        jobs: processes; None takes one per core.
        progress: told the stage, how much is done, and of how much.

    Raises:
        ConfigError: one sentence on what is wrong with the input. Nothing half-made stays.
    """
    spec = _spec(name_or_path, archive, preparation)
    if preparation.vocabulary != (vocabulary.vocabulary if vocabulary else ""):
        raise ConfigError(f"vocabulary: {preparation.vocabulary!r} is not the one given")
    folder = corpus_folder(data_dir, spec.name, preparation)
    with lock_folder(folder.parent), workers(jobs or cores()) as lines:
        text = _text(spec, folder.parent, archive, lines, progress)
        if vocabulary is None:
            codes = _codes(spec, folder.parent, text, progress)
        else:
            codes = vocabulary.codes if preparation.codes_file else None
        make_corpus(spec, folder, text, codes, vocabulary, lines, progress)
    return Corpus.open(folder)


def _spec(name: str, archive: Path | None, preparation: Preparation) -> CorpusSpec:
    source, target = preparation.pair
    for language in preparation.pair:
        check_tokenisation(preparation.tokenisation, language)
    if name in KNOWN:
        if {source, target} != {"de", "en"}:
            raise ConfigError(f"{name} has the languages de and en, not {source} and {target}")
        if archive is not None and name not in PUBLISHED:
            raise ConfigError(f"archive: {name} is made here and takes none")
        return CorpusSpec(name, None, preparation)
    folder = Path(name)
    if not folder.is_dir():
        raise ConfigError(f"{name!r} is none of {', '.join(KNOWN)} and no folder of parallel text")
    if archive is not None:
        raise ConfigError(f"archive: goes with {' or '.join(PUBLISHED)}, not with a folder")
    own = corpus_name(name)
    if own in KNOWN or not own:
        raise ConfigError(f"{name}: {own!r} cannot name your own text; rename the folder")
    return CorpusSpec(own, folder, preparation)


def _text(
    spec: CorpusSpec, root: Path, archive: Path | None, lines: Lines, progress: StageProgress
) -> Path:
    """Cleaned splits of words, and the raw lines of valid and test beside them."""
    folder = root / spec.preparation.text
    languages = {"languages": list(spec.pair)}
    if spec.name in PUBLISHED:
        if archive is None and load_stage(folder) is not None:
            return folder
        files = fetch(spec.name, root, archive, progress)
        published = PUBLISHED[spec.name]
        inputs = languages | sha256_of_files(files / file for file in published.files)
        if load_stage(folder, inputs) is None:
            raw = _directed(published.read(files), spec)
            make_text(spec, folder, inputs, raw, lines, progress)
        return folder
    if spec.folder is None:
        raw = sources.grammar()
        content = "\n".join(line for split in raw.splits.values() for line in split[0] + split[1])
        inputs = languages | {"grammar": hashlib.sha256(content.encode()).hexdigest()}
        raw = _directed(raw, spec)
    else:
        inputs = languages | sha256_of_files(sources.own_files(spec.folder, *spec.pair))
        inputs["normalised"] = "NFC, without invisible characters"
    if load_stage(folder, inputs) is None:
        if spec.folder is not None:
            _check_folder(spec.folder, root)
            raw = sources.read_own(spec.folder, *spec.pair)
        make_text(spec, folder, inputs, raw, lines, progress)
    return folder


def _directed(raw: Raw, spec: CorpusSpec) -> Raw:
    """Pairs from de into en in the direction that is asked for."""
    return raw.reversed() if spec.pair == ("en", "de") else raw


def _check_folder(own: Path, root: Path) -> None:
    """Raise ConfigError where another folder of the same last name was prepared here before."""
    for record in sorted(root.glob("text*/stage.json")):
        before = load_stage(record.parent)
        known = before and before["report"].get("folder")
        if known and Path(known).is_dir() and not own.samefile(known):
            raise ConfigError(
                f"{root} was prepared from {known}, which is other text; rename {own}, or "
                "choose another --data-dir"
            )


def _codes(spec: CorpusSpec, root: Path, text: Path, progress: StageProgress) -> Path | None:
    """What subwords are split by; None where they are characters."""
    preparation = spec.preparation
    folder, bpe = root / preparation.codes, preparation.bpe
    if not preparation.codes_file:
        return None
    files = [text / f"train.tok.{language}" for language in spec.pair]
    inputs = sha256_of_files(files) | {"bpe": bpe}
    if load_stage(folder, inputs) is None:
        with create_stage(folder, inputs) as (new, report):
            file = new / preparation.codes_file
            if preparation.tokenisation == "sentencepiece":
                progress("learn pieces", 0, bpe)
                report["learned"] = pieces.learn(files, bpe, preparation.subwords, file)
            else:
                report["learned"] = learn(files, bpe, file, progress)
    return folder / preparation.codes_file
