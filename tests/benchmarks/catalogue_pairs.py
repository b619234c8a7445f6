"""Parallel text of many languages, out of the gettext catalogues of programs.

    python -m tests.benchmarks.catalogue_pairs LANGUAGE CATALOGUE_FOLDER OUT

CATALOGUE_FOLDER has compiled catalogues anywhere below it, in folders of the language's name
(`share/locale/uk/LC_MESSAGES/gimp20.mo`), as packages of Linux distributions ship them. OUT gets
train, valid and test, each as .en and in the language (`zh_CN` as zh), for `wdbench prepare`.

A message is taken once, where it is a phrase that people read: four words or more, translated, and
without the signs of markup, of places for values and of keys. What it is used for follows from its
text, so that another package more moves none from the training text to the test set.
"""

import argparse
import gettext
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MARKUP = re.compile(r"[<>%$~_{}\\|=@^&\[\]#]")
WORDS = 4
HELD_OUT = {0: "valid", 1: "test"}  # of 25 parts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("language")
    parser.add_argument("catalogues", type=Path)
    parser.add_argument("out", type=Path)
    values = parser.parse_args()
    pairs, left_out = collect(values.catalogues, values.language)
    values.out.mkdir(parents=True, exist_ok=True)
    code = values.language.split("_")[0]
    counts: Counter[str] = Counter()
    files = {
        (split, side): (values.out / f"{split}.{side}").open("w", encoding="utf-8", newline="\n")
        for split in ("train", "valid", "test")
        for side in ("en", code)
    }
    for english, other in pairs.items():
        split = split_of(english)
        counts[split] += 1
        files[split, "en"].write(f"{english}\n")
        files[split, code].write(f"{other}\n")
    for file in files.values():
        file.close()
    print(f"{code}: {dict(counts)}; left out: {dict(left_out)}")


def collect(folder: Path, language: str) -> tuple[dict[str, str], Counter[str]]:
    """English messages with their translations, and how many were left out for what reason."""
    pairs: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    for english, other in messages(folder, language):
        if reason := reason_to_leave_out(english, other, pairs):
            left_out[reason] += 1
        else:
            pairs[english] = other
    return pairs, left_out


def reason_to_leave_out(english: str, other: str, pairs: dict[str, str]) -> str:
    if english in pairs:
        return "there already"
    if not other or other == english:
        return "not translated"
    if MARKUP.search(english) or MARKUP.search(other):
        return "markup"
    return f"under {WORDS} words" if len(english.split()) < WORDS else ""


def messages(folder: Path, language: str) -> Iterator[tuple[str, str]]:
    """Messages of all catalogues, without their contexts and plurals, each on one line."""
    for path in sorted(folder.glob(f"**/{language}/**/*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        for key, text in catalogue._catalog.items():  # type: ignore[attr-defined]
            english = key if isinstance(key, str) else key[0] if key[1] == 0 else ""
            english = english.rpartition("\x04")[2]
            if english:
                yield " ".join(english.split()), " ".join(text.split())


def split_of(english: str) -> str:
    return HELD_OUT.get(hashlib.sha256(english.encode()).digest()[0] % 25, "train")


if __name__ == "__main__":
    main()
