"""Who does what to whom, and where: clauses that make sense, chosen at random."""

from collections.abc import Sequence

from workload.grammar import verbs
from workload.grammar.clause import (
    Adverbial,
    Clause,
    NounPhrase,
    Phrase,
    PrepositionalPhrase,
    SetPhrase,
)
from workload.grammar.function_words import BARE, HE, SHE, THE, THEY, WE, YOU, YOU_ALL, A, I
from workload.grammar.phrases import CLASS_OF, Chooser, noun_phrase, pronoun_of, subject, thing
from workload.grammar.words import Verb

_WEARING = ("tragen", "ziehen")
_ANYWHERE = ("lesen", "essen", "trinken", "treffen", "suchen", "sehen")
_PLACES = (
    ("in", "in", "area city building room"),
    ("vor", "in front of", "building"),
    ("hinter", "behind", "building"),
)
"""Where somebody can be: German and English preposition, and of what."""
_OUTSIDE = _PLACES[1:]
_BESIDE = (
    ("neben", "next to", "door window"),
    ("hinter", "behind", "door"),
    ("vor", "in front of", "door window"),
)
_ON = (
    ("auf", "on", "furniture"),
    ("unter", "under", "furniture"),
    ("neben", "next to", "furniture"),
)
_LYING = (
    (verbs.LYING, ("thing", "text", "press", "garment", "pet"), _ON),
    (verbs.STANDING, ("lamp", "person"), _BESIDE),
    (verbs.STANDING, ("vehicle", "person", "animal"), _OUTSIDE),
    (verbs.SITTING, ("person", "family", "pet"), (*_ON[::2], *_BESIDE[::2])),
)
_LAYING = (
    (verbs.LAYING, ("thing", "text", "press", "garment"), _ON),
    (verbs.SETTING, ("lamp", "furniture"), (*_BESIDE, ("in", "into", "room"))),
)
_CITIES = tuple(
    SetPhrase(f"nach {german}", f"to {english}", "goal")
    for german, english in (("Berlin", "Berlin"), ("Wien", "Vienna"), ("München", "Munich"))
)
_TRANSPORT = (
    SetPhrase("mit dem Zug", "by train", "company"),
    SetPhrase("mit dem Bus", "by bus", "company"),
)


def _object(choose: Chooser, classes: Sequence[str], actor: Phrase, case: str = "acc") -> Phrase:
    owner = pronoun_of(actor)
    if "person" in classes and choose.chance(0.2):
        # the accusative `sie` would be both `her` and `them`: it is `her` here
        others = [
            pronoun
            for pronoun in (I, YOU, HE, SHE, WE, YOU_ALL, THEY)
            if (pronoun.person == 3 or pronoun.person != actor.person)
            and not (pronoun is THEY and case == "acc")
            and not (pronoun is SHE and actor in (SHE, YOU_ALL, THEY))  # `dass ihr ihr helft`
        ]
        return choose.choice(others)
    noun = choose.noun(classes)
    while isinstance(actor, NounPhrase) and actor.noun is noun:
        noun = choose.noun(classes)
    found = noun_phrase(choose, noun, owner)
    # nobody sees `people` in general: living beings come with an article
    if found.determiner is BARE and CLASS_OF[noun] in ("person", "pet", "animal"):
        return found._replace(determiner=THE)
    return found


def somewhere(choose: Chooser, spots: Sequence[tuple[str, str, str]] = _PLACES) -> Adverbial:
    """A place: preposition and dative."""
    german, english, classes = choose.choice(spots)
    where = _place(choose, classes)
    return PrepositionalPhrase(german, "dat", english, where, "place")


def _place(choose: Chooser, classes: str) -> NounPhrase:
    found = noun_phrase(choose, choose.noun(classes.split()), definite=True)
    return found._replace(plural=False)


def _goal(choose: Chooser, verb: Verb) -> Adverbial:
    """Where to: `in` and the accusative, `zu` and the dative, or the name of a city."""
    if verb in verbs.TRAVELING and choose.chance(0.4):
        return choose.choice(_CITIES)
    if verb is verbs.TRAVELING[1]:
        return PrepositionalPhrase("in", "acc", "to", _place(choose, "city"), "goal")
    if choose.chance(0.5):
        return PrepositionalPhrase("zu", "dat", "to", _place(choose, "building"), "goal")
    classes = "area city" if verb in verbs.TRAVELING else "area city room"
    return PrepositionalPhrase("in", "acc", "into", _place(choose, classes), "goal")


def _company(choose: Chooser, actor: Phrase, classes: Sequence[str]) -> Adverbial:
    """With or without somebody: dative or accusative."""
    other = choose.noun(classes)
    while isinstance(actor, NounPhrase) and actor.noun is other:
        other = choose.noun(classes)
    with_whom = noun_phrase(choose, other, pronoun_of(actor), definite=True)
    if choose.chance(0.3):
        return PrepositionalPhrase("ohne", "acc", "without", with_whom, "company")
    return PrepositionalPhrase("mit", "dat", "with", with_whom, "company")


def transitive(choose: Chooser, actor: Phrase) -> Clause:
    """Somebody does something to something: accusative."""
    verb, classes = choose.choice(verbs.TRANSITIVE)
    what = _object(choose, classes, actor)
    if isinstance(what, NounPhrase):
        if verb.infinitive in _WEARING and what.plural:
            what = what._replace(determiner=THE, plural=False)
        elif verb.infinitive == "haben" and what.definite:
            what = what._replace(determiner=BARE if what.plural else A)
    clause = Clause(actor, verb, accusative=what)
    if verb.infinitive in verbs.FETCHING and choose.chance(0.2):
        receiver = noun_phrase(
            choose, choose.noun(("person", "family")), pronoun_of(actor), definite=True
        )
        clause.adverbials = (PrepositionalPhrase("für", "acc", "for", receiver, "benefit"),)
    elif verb.infinitive in _ANYWHERE and choose.chance(0.3):
        clause.adverbials = (somewhere(choose),)
    return clause


def dative(choose: Chooser, actor: Phrase) -> Clause:
    """Somebody helps somebody: dative."""
    verb, classes = choose.choice(verbs.DATIVE)
    return Clause(actor, verb, dative=_object(choose, classes, actor, "dat"))


def giving(choose: Chooser, actor: Phrase) -> Clause:
    """Somebody gives somebody something: dative and accusative."""
    verb, classes = choose.choice(verbs.GIVING)
    receiver = _object(choose, ("person", "family"), actor, "dat")
    return Clause(actor, verb, dative=receiver, accusative=_object(choose, classes, actor))


def acting(choose: Chooser, actor: Phrase) -> Clause:
    """Somebody does something somewhere, perhaps with somebody."""
    if choose.chance(0.35):
        return Clause(actor, choose.choice(verbs.CHANGING))
    verb = choose.choice(verbs.ACTING)
    adverbials: list[Adverbial] = []
    if verb.fun and choose.chance(0.3):
        adverbials.append(_company(choose, actor, ("person", "family")))
    if choose.chance(0.5) and not verb.prefix:
        adverbials.append(somewhere(choose))
    return Clause(actor, verb, adverbials=tuple(adverbials))


def going(choose: Chooser, actor: Phrase) -> Clause:
    """Somebody goes somewhere, perhaps with somebody or by train."""
    verb = choose.choice((*verbs.GOING, *verbs.TRAVELING))
    adverbials = [_goal(choose, verb)]
    if verb is verbs.TRAVELING[1] and choose.chance(0.4):
        adverbials.append(choose.choice(_TRANSPORT))
    elif choose.chance(0.35):
        adverbials.append(_company(choose, actor, ("person", "family", "pet")))
    return Clause(actor, verb, adverbials=tuple(adverbials))


def lying(choose: Chooser) -> Clause:
    """Something is somewhere: dative. In the present only."""
    verb, classes, spots = choose.choice(_LYING)
    what = subject(choose, classes) if "family" in classes else thing(choose, classes)
    return Clause(what, verb, adverbials=(somewhere(choose, spots),))


def laying(choose: Chooser, actor: Phrase) -> Clause:
    """Somebody puts something somewhere: two accusatives."""
    verb, classes, spots = choose.choice(_LAYING)
    german, english, places = choose.choice(spots)
    where = PrepositionalPhrase(german, "acc", english, _place(choose, places), "goal")
    return Clause(actor, verb, accusative=_object(choose, classes, actor), adverbials=(where,))


def owning(choose: Chooser) -> Clause:
    """Something belongs to somebody: the thing is the subject, the owner a dative."""
    what = noun_phrase(choose, choose.noun(("vehicle", "garment", "thing")), definite=True)
    owner = noun_phrase(choose, choose.noun(("person", "family")), definite=True)
    return Clause(what, verbs.OWNING, dative=owner)


def activity(choose: Chooser, actor: Phrase) -> Clause:
    """Anything that somebody does."""
    kind = choose.choice(
        (transitive, transitive, transitive, dative, giving, giving, acting, going, laying)
    )
    return kind(choose, actor)
