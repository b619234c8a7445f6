"""Noun phrases chosen at random, with determiners and adjectives that fit."""

import random
from collections.abc import Sequence
from typing import TypeVar

from workload.grammar.clause import NounPhrase, Phrase
from workload.grammar.function_words import (
    BARE,
    GIRL,
    HE,
    IT,
    NUMBERS,
    PRONOUNS,
    SHE,
    THE,
    THEY,
    THIS,
    WE,
    YOU,
    YOU_ALL,
    A,
    I,
)
from workload.grammar.lexicon import ADJECTIVES, CHILDREN, NOUNS, OF_CHILDREN, UNOWNED
from workload.grammar.words import Determiner, Noun, Pronoun

T = TypeVar("T")

_OWNED = {
    pronoun: Determiner(
        "ein", pronoun.possessive, pronoun.english_possessive, pronoun.english_possessive, True
    )
    for pronoun in (*PRONOUNS, GIRL)
}
CLASS_OF = {noun: name for name, nouns in NOUNS.items() for noun in nouns}


class Chooser:
    """Random choices that are the same on every version of Python and for every hash seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self._random() * len(options))]

    def noun(self, classes: Sequence[str]) -> Noun:
        """A noun of one of these classes."""
        return self.choice(NOUNS[self.choice(classes)])


def pronoun_of(subject: Phrase) -> Pronoun:
    """What a subject is referred to by in the next clause."""
    if not isinstance(subject, NounPhrase):
        return subject
    if subject.plural:
        return THEY
    if subject.noun.pronoun == "she" and subject.noun.gender == "n":
        return GIRL
    return {"he": HE, "she": SHE, "it": IT}[subject.noun.pronoun]


def noun_phrase(
    choose: Chooser, noun: Noun, owner: Pronoun | None = None, *, definite: bool = False
) -> NounPhrase:
    """A noun with a fitting determiner and perhaps an adjective.

    `owner` is whose it can be. `definite` asks for a known one.
    """
    adjectives = OF_CHILDREN if noun in CHILDREN else ADJECTIVES[CLASS_OF[noun]]
    adjective = choose.choice(adjectives) if choose.chance(0.35) else None
    if noun.kin:
        owner = owner if owner and owner.possessive else choose.choice((I, YOU, WE))
        plural = noun.plural != "-" and choose.chance(0.15)
        return NounPhrase(_OWNED[owner], adjective, noun, plural)
    if noun.mass:
        return NounPhrase(THE if definite or choose.chance(0.4) else BARE, adjective, noun, False)
    plural = choose.chance(0.2)
    if owner and owner.possessive and noun not in UNOWNED and choose.chance(0.2):
        return NounPhrase(_OWNED[owner], adjective, noun, plural)
    if definite or choose.chance(0.5):
        return NounPhrase(THIS if choose.chance(0.12) else THE, adjective, noun, plural)
    if choose.chance(0.12):
        return NounPhrase(choose.choice(NUMBERS), adjective, noun, True)
    return NounPhrase(BARE if plural else A, adjective, noun, plural)


def subject(choose: Chooser, classes: Sequence[str] = ("person", "person", "family")) -> Phrase:
    """Somebody who acts."""
    if "person" in classes and choose.chance(0.25):
        return choose.choice((I, YOU, HE, SHE, WE, YOU_ALL, THEY))
    return thing(choose, classes)


def thing(choose: Chooser, classes: Sequence[str]) -> NounPhrase:
    """A noun phrase that a sentence can begin with: no bare plural, nobody's but ours."""
    found = noun_phrase(choose, choose.noun(classes), choose.choice((I, YOU, WE)))
    return found._replace(determiner=THE) if found.determiner is BARE else found
