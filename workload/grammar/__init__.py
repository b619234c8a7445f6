"""A German-English corpus of our own, so that everything runs with nothing downloaded.

A clause is first what is said (clause.py, chosen by scenes.py), then two sentences (german.py,
english.py). Imports no torch.
"""

from workload.grammar.phrases import Chooser
from workload.grammar.sentences import KINDS

_PATIENCE = 10_000
"""So many sentences in a row that all were there already: there are hardly others."""


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """`count` pairs of a German sentence and its English translation, cased and untokenised.

    All German sentences are distinct. The same seed gives the same pairs everywhere, and fewer
    pairs are the beginning of more.

    Raises:
        ValueError: the grammar does not have so many sentences, or `count` is negative.
    """
    if count < 0:
        raise ValueError(f"count: {count} is negative")
    choose = Chooser(seed)
    translations: dict[str, str] = {}
    repeated = 0
    while len(translations) < count:
        german, english = choose.choice(KINDS)(choose)
        if german in translations:
            repeated += 1
            if repeated > _PATIENCE:
                raise ValueError(
                    f"count: {count} is more than the grammar has; {len(translations)} were found"
                )
            continue
        repeated = 0
        translations[german] = english
    return list(translations.items())
