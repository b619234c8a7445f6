"""What one clause says, in neither language: the parts from which both sentences are built."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from workload.grammar.words import Adjective, Determiner, Modal, Noun, Pronoun, Time, Verb

Tense = Literal["present", "perfect", "modal"]


class NounPhrase(NamedTuple):
    """A determiner, perhaps an adjective, and a noun: `die drei kleinen Hunde` is one."""

    determiner: Determiner
    adjective: Adjective | None
    noun: Noun
    plural: bool

    @property
    def person(self) -> int:
        """Nouns are in the third person."""
        return 3

    @property
    def definite(self) -> bool:
        """Whether it is known who or what is meant; such phrases come first in German."""
        return self.determiner.definite


Phrase = NounPhrase | Pronoun


class PrepositionalPhrase(NamedTuple):
    """A preposition in both languages and what it governs; `case` is `acc` or `dat`.

    `rank` orders several of them: English asks for goal, company, place; German for company,
    place, goal.
    """

    german: str
    case: str
    english: str
    phrase: NounPhrase
    role: Literal["benefit", "goal", "company", "place"]


class SetPhrase(NamedTuple):
    """An adverbial that never varies: `nach München`, `to Munich`."""

    german: str
    english: str
    role: Literal["goal", "company"]


Adverbial = PrepositionalPhrase | SetPhrase


@dataclass(slots=True)
class Clause:
    """Subject, verb and all that goes with them.

    `habitual` makes the English present simple where it would be progressive. `state` is the
    complement of `sein`: both languages' words. `mark` is `already`, `yet` (only when negated)
    or `gladly`.
    """

    subject: Phrase
    verb: Verb
    accusative: Phrase | None = None
    dative: Phrase | None = None
    adverbials: tuple[Adverbial, ...] = ()
    state: tuple[str, str] | None = None
    tense: Tense = "present"
    modal: Modal | None = None
    time: Time | None = None
    negated: bool = False
    mark: Literal["already", "yet", "gladly"] | None = None
    habitual: bool = False
