"""When, whether and how: a clause's tense, time and negation, chosen at random."""

from workload.grammar import verbs
from workload.grammar.clause import Clause, NounPhrase
from workload.grammar.function_words import BARE, NO, A
from workload.grammar.phrases import Chooser
from workload.grammar.words import Time

_ANY = ("present", "perfect", "modal")
_HOURS = tuple(
    Time(f"um {german} Uhr", f"at {english} o'clock", _ANY, habitual=True, negatable=False)
    for german, english in (
        ("sechs", "six"),
        ("sieben", "seven"),
        ("acht", "eight"),
        ("neun", "nine"),
        ("zehn", "ten"),
    )
)
_TIMES = (
    Time("heute", "today", _ANY),
    Time("heute", "today", _ANY),
    Time("jetzt", "now", ("present", "modal")),
    Time("morgen", "tomorrow", ("present", "modal"), future=True),
    Time("nächste Woche", "next week", ("present", "modal"), future=True),
    Time("gestern", "yesterday", ("perfect",)),
    Time("letzte Woche", "last week", ("perfect",)),
    Time("vor drei Tagen", "three days ago", ("perfect",)),
    Time("am Abend", "in the evening", _ANY, habitual=True, negatable=False),
    Time("am Sonntag", "on Sunday", ("perfect", "modal")),
    Time("jeden Tag", "every day", ("present",), habitual=True, negatable=False),
    Time("oft", "often", ("present",), True, frequency=True, front=False, negatable=False),
    Time("immer", "always", ("present",), True, frequency=True, front=False, negatable=False),
    Time("nie", "never", ("present",), True, frequency=True, front=False, negatable=False),
    Time("manchmal", "sometimes", ("present",), True, frequency=True, negatable=False),
)
_BY_TENSE = {tense: [time for time in _TIMES if tense in time.tenses] for tense in _ANY}


def time_of(choose: Chooser, tense: str) -> Time:
    """An adverb of time for a tense."""
    if choose.chance(0.15):
        return choose.choice(_HOURS)
    return choose.choice(_BY_TENSE[tense])


def negate(clause: Clause) -> bool:
    """Negate the clause if German and English do it alike; whether they do."""
    time, what = clause.time, clause.accusative
    if time and not time.negatable:
        return False
    if clause.dative and not clause.dative.definite:
        return False
    if isinstance(what, NounPhrase) and not what.definite:
        if what.determiner not in (A, BARE):
            return False
        if clause.mark != "gladly":
            clause.accusative = what._replace(determiner=NO)
    clause.negated = True
    return True


def dress(choose: Chooser, clause: Clause, *, negation: float = 0.15) -> Clause:
    """Give a bare clause its tense, time and negation."""
    verb = clause.verb
    if verb.stative or verb in (verbs.LYING, verbs.STANDING, verbs.SITTING):
        if choose.chance(negation):
            negate(clause)
        return clause
    kind = choose.choice(("present", "present", "perfect", "perfect", "modal", "modal"))
    if kind == "modal":
        clause.modal = choose.choice(verbs.MODALS)
    clause.tense = kind  # type: ignore[assignment]
    if kind == "perfect" and choose.chance(0.2):
        clause.mark = "already"
        if negation and choose.chance(0.4) and negate(clause):
            clause.mark = "yet"
        return clause
    if kind == "present" and verb.fun and choose.chance(0.25):
        clause.mark = "gladly"
        if choose.chance(negation):
            negate(clause)
        return clause
    if choose.chance(0.55):
        clause.time = time_of(choose, kind)
    if choose.chance(negation):
        negate(clause)
    return clause
