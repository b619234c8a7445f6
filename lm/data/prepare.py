"""From a file, a folder or the embedded grammar to tokens: `data/NAME/text-TOKENS/`.

The folder is a stage (`workload/stages.py`): a finished one is not made again.
"""

from pathlib import Path

from lm.data.prepared import FORMAT, RECORD, Prepared
from lm.data.source import BLOCKS, source_of, split
from lm.data.spec import EMBEDDED, TextSpec, Tokens, check_vocabulary
from lm.data.tokenise import encode
from workload.errors import ConfigError
from workload.progress import StageProgress
from workload.stages import create_stage, load_stage, lock_folder, write_record
from workload.wording import counted


def prepare(
    data: str,
    data_dir: Path,
    *,
    tokens: Tokens = "characters",
    vocabulary: int = 0,
    progress: StageProgress = lambda _stage, _done, _total: None,
) -> Prepared:
    """Prepare a text and open it; at once where it is prepared already.

    Args:
        data: `grammar`, a file, or a folder (see `text_files`).
        data_dir: where texts are kept.
        tokens: `characters`, `bytes` or `bpe`.
        vocabulary: different tokens of `bpe`.
        progress: told the stage, how much is done, and of how much.

    Raises:
        ConfigError: one sentence on what is wrong with the input. Nothing half-made stays.
        UserError: the package for `bpe` is not installed.
    """
    spec = TextSpec.of(data, tokens, vocabulary)
    if data != EMBEDDED and spec.name == EMBEDDED:
        raise ConfigError(f"{data}: {EMBEDDED!r} cannot name your own text; rename it")
    if not spec.name:
        raise ConfigError(f"{data!r} names no text; give a file, a folder, or {EMBEDDED}")
    check_vocabulary(tokens, vocabulary)
    inputs, read = source_of(data)
    inputs |= {"tokens": tokens, "vocabulary": vocabulary}
    folder = spec.folder(data_dir)
    with lock_folder(folder.parent):
        if load_stage(folder, inputs) is None:
            progress("reading the text", 0, 1)
            text = read()
            train, val = split(text)
            if not (text and all(train) and all(val)):
                raise ConfigError(
                    f"{data}: {counted(len(text), 'character')} cannot be cut into the {BLOCKS} "
                    "blocks to train on and to validate with; choose a longer text"
                )
            with create_stage(folder, inputs) as (new, _):
                progress(f"tokens: {tokens}", 0, 1)
                *parts, known = encode(tokens, vocabulary, train, val, new)
                for name, part in zip(("train", "val"), parts, strict=True):
                    (new / f"{name}.bin").write_bytes(part.astype("<u2").tobytes())
                counts = {"train": len(parts[0]), "val": len(parts[1])}
                content = {"format": FORMAT, "name": spec.name, "tokens": tokens, **counts, **known}
                write_record(new / RECORD, content)
    return Prepared.open(spec, data_dir)
