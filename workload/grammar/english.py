"""A clause in English: the verb with its auxiliaries, agreement, questions and negation."""

from functools import cache
from typing import NamedTuple

from workload.grammar.clause import Adverbial, Clause, NounPhrase, Phrase, SetPhrase
from workload.grammar.words import Pronoun, Verb

_ORDER = {"benefit": 0, "goal": 1, "company": 2, "place": 3}
_SEPARABLE = ("up", "on", "off")
"""Particles that a pronoun object precedes: `picks him up`, but `looks for him`."""


class _VerbGroup(NamedTuple):
    """A finite auxiliary with what follows it, or a finite full verb that `do` can replace."""

    auxiliary: str
    rest: str
    finite: str = ""
    support: str = ""


@cache
def noun_phrase(phrase: NounPhrase) -> str:
    """Determiner, adjective and noun; the same in every case."""
    determiner, adjective, noun, plural = phrase
    article = determiner.english_plural if plural or noun.mass else determiner.english
    words = [article] if article else []
    if adjective:
        words.append(adjective.english)
    words.append(noun.english_plural if plural else noun.english)
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def phrase(what: Phrase, *, subject: bool = False) -> str:
    """A noun phrase or a pronoun, as a subject or an object."""
    if isinstance(what, NounPhrase):
        return noun_phrase(what)
    return what.subject if subject else what.object


@cache
def adverbial(what: Adverbial) -> str:
    """A preposition and what follows it."""
    if isinstance(what, SetPhrase):
        return what.english
    return f"{what.english} {noun_phrase(what.phrase)}"


def _third_person(base: str) -> str:
    if base == "have":
        return "has"
    if base.endswith(("s", "sh", "ch", "x", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def _be(person: int, plural: bool) -> str:
    if plural or person == 2:
        return "are"
    return "am" if person == 1 else "is"


@cache
def _verb_group(verb: Verb, form: str, modal: str, person: int, plural: bool) -> _VerbGroup:
    """`form` is `simple`, `progressive`, `past`, `perfect`, `modal` or `gladly`."""
    third = person == 3 and not plural
    do = "does" if third else "do"
    match form:
        case "progressive":
            return _VerbGroup(_be(person, plural), verb.progressive)
        case "past":
            return _VerbGroup("", verb.english, verb.past, "did")
        case "perfect":
            return _VerbGroup("has" if third else "have", verb.past_participle)
        case "gladly":
            return _VerbGroup(
                "", f"like to {verb.english}", f"like{'s' * third} to {verb.english}", do
            )
    if form == "modal":
        if modal in ("have to", "want to"):
            full = modal.split()[0]
            finite = _third_person(full) if third else full
            return _VerbGroup("", f"{modal} {verb.english}", f"{finite} to {verb.english}", do)
        first, _, rest = modal.partition(" ")
        if first == "be":
            first = _be(person, plural)
        return _VerbGroup(first, f"{rest} {verb.english}".strip())
    if verb.english == "be":
        return _VerbGroup(_be(person, plural), "")
    return _VerbGroup("", verb.english, _third_person(verb.english) if third else verb.english, do)


def _form(clause: Clause) -> tuple[str, str]:
    """The form of the verb, and the modal if there is one."""
    if clause.tense == "perfect":
        return ("perfect" if clause.mark in ("already", "yet") else "past"), ""
    if clause.modal:
        return "modal", clause.modal.english
    if clause.time and clause.time.future:
        return "modal", "will"
    if clause.mark == "gladly":
        return "gladly", ""
    habitual = clause.habitual or (clause.time is not None and clause.time.habitual)
    return ("simple" if habitual or clause.verb.simple else "progressive"), ""


def _objects(clause: Clause) -> list[str]:
    """Object and particle: `the child an apple`, `the apple to a child`, `him up`."""
    particle, dative, accusative = clause.verb.particle, clause.dative, clause.accusative
    words = [particle] if particle else []
    if dative and accusative:
        receiver, gift = phrase(dative), phrase(accusative)
        if accusative.definite and not dative.definite:
            return [*words, gift, "to", receiver]
        return [*words, receiver, gift]
    only = dative or accusative
    if only:
        words.insert(0 if isinstance(only, Pronoun) and particle in _SEPARABLE else 1, phrase(only))
    return words


def _after_the_verb(clause: Clause, *, time: bool, place: bool) -> list[str]:
    words = _objects(clause)
    if clause.state:
        words.append(clause.state[1])
    ordered = sorted(clause.adverbials, key=lambda what: _ORDER[what.role])
    words += [adverbial(what) for what in ordered if place]
    if clause.time and time and not clause.time.frequency:
        words.append(clause.time.english)
    if clause.mark == "yet":
        words.append("yet")
    return words


def statement(clause: Clause, front: str = "subject") -> str:
    """The clause in the order of a statement, with `time` or `place` before the subject or not."""
    subject = phrase(clause.subject, subject=True)
    group = _group(clause)
    before = []
    frequency = clause.time is not None and clause.time.frequency
    if front == "time" and clause.time:
        before.append(clause.time.english)
    elif front == "place":
        before.append(adverbial(clause.adverbials[0]))
    adverbs = [clause.time.english] if clause.time and frequency and front != "time" else []
    if clause.mark == "already":
        adverbs.append("already")
    if clause.negated:
        if group.auxiliary == "can":
            verb = ["cannot", *adverbs, group.rest]
        else:
            verb = [group.auxiliary or group.support, "not", *adverbs, group.rest]
    elif group.auxiliary:
        verb = [group.auxiliary, *adverbs, group.rest]
    else:
        verb = [*adverbs, group.finite]
    after = _after_the_verb(clause, time=front != "time", place=front != "place")
    return " ".join(word for word in [*before, subject, *verb, *after] if word)


def question(clause: Clause, word: str = "") -> str:
    """The clause as a question, after a question `word` if there is one."""
    group = _group(clause)
    subject = phrase(clause.subject, subject=True)
    adverbs = [clause.time.english] if clause.time and clause.time.frequency else []
    if clause.mark == "already":
        adverbs.append("already")
    verb = [group.auxiliary or group.support, subject, *adverbs, group.rest]
    after = _after_the_verb(clause, time=True, place=True)
    return " ".join(part for part in [word, *verb, *after] if part)


def _group(clause: Clause) -> _VerbGroup:
    form, modal = _form(clause)
    return _verb_group(clause.verb, form, modal, clause.subject.person, clause.subject.plural)
