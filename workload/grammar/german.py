"""A clause in German: cases and endings, verbs in second place and at the end."""

from functools import cache

from workload.grammar.clause import Adverbial, Clause, NounPhrase, Phrase, SetPhrase
from workload.grammar.words import Modal, Noun, Pronoun, Verb

# endings by case, then for masculine, feminine, neuter, plural
_STRONG = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en"}
_EIN = {"nom": "- e - e", "acc": "en e - e", "dat": "em er em en"}
_WEAK = {"nom": "e e e en", "acc": "en e e en", "dat": "en en en en"}
_MIXED = {"nom": "er e es en", "acc": "en e es en", "dat": "en en en en"}
_ARTICLE = {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem den"}
_CONTRACTED = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}
_SEIN = ("bin", "bist", "ist", "sind", "seid", "sind")
_HABEN = ("habe", "hast", "hat", "haben", "habt", "haben")
_ORDER = {"company": 0, "benefit": 1, "place": 2, "goal": 3}


def _ending(table: dict[str, str], case: str, column: int) -> str:
    return table[case].split()[column].strip("-")


def _noun(noun: Noun, case: str, plural: bool) -> str:
    if not plural:
        return noun.singular if case == "nom" else noun.oblique
    if case == "dat" and noun.plural[-1] not in "ns":
        return noun.plural + "n"
    return noun.plural


@cache
def noun_phrase(phrase: NounPhrase, case: str) -> str:
    """Determiner, adjective and noun in a case (`nom`, `acc` or `dat`)."""
    determiner, adjective, noun, plural = phrase
    column = 3 if plural else "mfn".index(noun.gender)
    words = []
    match determiner.pattern:
        case "der":
            words.append(_ending(_ARTICLE, case, column))
            endings = _WEAK
        case "dieser":
            words.append(determiner.german + _ending(_STRONG, case, column))
            endings = _WEAK
        case "ein":
            ending = _ending(_EIN, case, column)
            stem = determiner.german
            words.append(("eur" if stem == "euer" and ending else stem) + ending)
            endings = _MIXED
        case "bare":
            if determiner.german:
                words.append(determiner.german)
            endings = _STRONG
    if adjective:
        words.append(adjective.stem + _ending(endings, case, column))
    words.append(_noun(noun, case, plural))
    return " ".join(words)


def phrase(what: Phrase, case: str) -> str:
    """A noun phrase or a pronoun in a case."""
    if isinstance(what, NounPhrase):
        return noun_phrase(what, case)
    return {"nom": what.nominative, "acc": what.accusative, "dat": what.dative}[case]


@cache
def adverbial(what: Adverbial) -> str:
    """A prepositional phrase, contracted where German does: `im Garten`."""
    if isinstance(what, SetPhrase):
        return what.german
    first, *rest = noun_phrase(what.phrase, what.case).split()
    contracted = _CONTRACTED.get((what.german, first))
    return " ".join([contracted, *rest] if contracted else [what.german, first, *rest])


@cache
def conjugate(verb: Verb, person: int, plural: bool) -> str:
    """The present tense, without a separable prefix."""
    third, infinitive = verb.third, verb.infinitive
    match infinitive:
        case "sein":
            return _SEIN[person - 1 + 3 * plural]
        case "haben":
            return _HABEN[person - 1 + 3 * plural]
        case "wissen" if not plural:
            return ("weiß", "weißt", "weiß")[person - 1]
    stem = infinitive.removesuffix("n").removesuffix("e")
    if plural:
        if person != 2:
            return infinitive
        return stem + ("et" if stem[-1] in "td" else "t")
    if person == 1:
        return stem + "e"
    if person == 3:
        return third
    return third if third[-2] in "sßz" else third[:-1] + "st"


def _conjugate_modal(modal: Modal, person: int, plural: bool) -> str:
    if not plural:
        return (modal.first, modal.second, modal.third)[person - 1]
    if person == 2:
        stem = modal.infinitive.removesuffix("en")
        return stem + ("et" if stem[-1] in "td" else "t")
    return modal.infinitive


def _verb_forms(clause: Clause) -> tuple[str, list[str]]:
    """The finite verb and what stands at the end of a main clause."""
    verb, subject = clause.verb, clause.subject
    person, plural = subject.person, subject.plural
    if clause.tense == "perfect":
        number = person - 1 + 3 * plural
        if verb.auxiliary == "sein":
            return _SEIN[number], [verb.participle]
        return _HABEN[number], [verb.participle]
    if clause.modal:
        return _conjugate_modal(clause.modal, person, plural), [verb.prefix + verb.infinitive]
    return conjugate(verb, person, plural), [verb.prefix] if verb.prefix else []


def _middle(clause: Clause, fronted: str) -> list[str]:
    """Between the finite verb and the end: what is known, time, negation, what is new, where."""
    objects = [
        (what, case)
        for what, case in ((clause.dative, "dat"), (clause.accusative, "acc"))
        if what and fronted != case
    ]
    words = [phrase(what, case) for what, case in objects if isinstance(what, Pronoun)]
    if fronted != "subject":
        # `heute ruft ihn die Frau an`, but `heute ruft er ihn an`; `sie` could be a subject too
        last = isinstance(clause.subject, NounPhrase) and "sie" not in words
        words.insert(len(words) if last else 0, phrase(clause.subject, "nom"))
    words += [
        phrase(what, case)
        for what, case in objects
        if isinstance(what, NounPhrase) and what.definite
    ]
    if clause.time and fronted != "time":
        words.append(clause.time.german)
    words += {"already": ["schon"], "yet": ["noch"]}.get(clause.mark or "", [])
    if clause.negated and not _is_none(clause.accusative):
        words.append("nicht")
    if clause.mark == "gladly":
        words.append("gern")
    words += [
        phrase(what, case)
        for what, case in objects
        if isinstance(what, NounPhrase) and not what.definite
    ]
    ordered = sorted(clause.adverbials, key=lambda what: _ORDER[what.role])
    words += [adverbial(what) for what in ordered[fronted == "place" :]]
    if clause.state:
        words.append(clause.state[0])
    return words


def _is_none(what: Phrase | None) -> bool:
    return isinstance(what, NounPhrase) and what.determiner.german == "kein"


def main_clause(clause: Clause, front: str = "subject") -> str:
    """The finite verb second. `front` is what stands before it.

    `subject`, `time`, `acc` or `place` (the only adverbial), or "" for nothing: a question, or
    a clause that follows another one, which then holds the first place.
    """
    finite, end = _verb_forms(clause)
    fronted = ""
    if front == "subject":
        fronted = phrase(clause.subject, "nom")
    elif front == "time" and clause.time:
        fronted = clause.time.german
    elif front == "acc" and clause.accusative:
        fronted = phrase(clause.accusative, "acc")
    elif front == "place":
        fronted = adverbial(clause.adverbials[0])
    return " ".join([*([fronted] if fronted else []), finite, *_middle(clause, front), *end])


def subordinate_clause(clause: Clause, conjunction: str) -> str:
    """The finite verb last, together with its prefix: `weil der Mann das Kind anruft`."""
    finite, end = _verb_forms(clause)
    words = [conjunction, *_middle(clause, "")]
    if clause.tense == "present":
        return " ".join([*words, "".join(end) + finite])
    return " ".join([*words, *end, finite])
