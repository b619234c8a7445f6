"""What is known of a word: its forms in German and in English, and what it goes with."""

from typing import Literal, NamedTuple


class Noun(NamedTuple):
    """A noun. `oblique` is the German singular outside the nominative: `den Jungen`.

    `gender` is m, f or n. `mass` nouns have no plural and no indefinite article; `kin` are always
    somebody's.
    `pronoun` names the English pronoun in the singular.
    """

    gender: str
    singular: str
    plural: str
    oblique: str
    english: str
    english_plural: str
    pronoun: str
    mass: bool
    kin: bool


class Adjective(NamedTuple):
    """An adjective: the predicative form, the stem that takes endings, and the comparatives."""

    german: str
    stem: str
    english: str
    comparative: str
    english_comparative: str


class Verb(NamedTuple):
    """A verb: German infinitive without its separable prefix, third person, participle, and
    the auxiliary of its perfect.

    `particle` follows the English verb; `simple` verbs have no English progressive; `stative`
    ones are used in the present only; `fun` ones go with `gern`.
    """

    infinitive: str
    prefix: str
    third: str
    participle: str
    auxiliary: str
    english: str
    past: str
    past_participle: str
    progressive: str
    particle: str
    simple: bool
    stative: bool
    fun: bool


class Modal(NamedTuple):
    """A modal verb, or `werden`: its German singular forms and infinitive, and what English does.

    English has `auxiliary` ("can"), `be ...` ("be allowed to") or a full verb ("want to").
    """

    first: str
    second: str
    third: str
    infinitive: str
    english: str


class Pronoun(NamedTuple):
    """A personal pronoun with its cases and possessives in both languages."""

    person: int
    plural: bool
    nominative: str
    accusative: str
    dative: str
    possessive: str
    subject: str
    object: str
    english_possessive: str

    @property
    def definite(self) -> bool:
        """Whether it is known who is meant: always."""
        return True


class Determiner(NamedTuple):
    """A determiner. `pattern` is how it declines; adjectives after it follow from that."""

    pattern: Literal["der", "dieser", "ein", "bare"]
    german: str
    english: str
    english_plural: str
    definite: bool


class Time(NamedTuple):
    """An adverb of time. `tenses` are those it goes with; `future` makes the present `will`.

    `frequency` adverbs stand before the English verb, the others at the end of the sentence.
    """

    german: str
    english: str
    tenses: tuple[str, ...]
    habitual: bool = False
    future: bool = False
    frequency: bool = False
    front: bool = True
    negatable: bool = True
