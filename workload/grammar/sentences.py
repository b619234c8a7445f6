"""Whole sentences: tense, time and negation, questions, and clauses inside clauses."""

from collections.abc import Callable

from workload.grammar import english, german, verbs
from workload.grammar.clause import Clause, NounPhrase, Phrase
from workload.grammar.function_words import THE, WHO
from workload.grammar.lexicon import CHILDREN, COMPARED, MOODS, NOUNS, OF_CHILDREN, STATES, WEARY
from workload.grammar.phrases import Chooser, noun_phrase, pronoun_of, subject, thing
from workload.grammar.scenes import acting, activity, going, lying, owning, transitive
from workload.grammar.tense import dress, negate, time_of
from workload.grammar.words import Adjective

Pair = tuple[str, str]

_WEATHER = (
    ("es regnet", "it rains"),
    ("es schneit", "it snows"),
    ("es kalt ist", "it is cold"),
    ("es warm ist", "it is warm"),
    ("die Sonne scheint", "the sun shines"),
)


def _sentence(first: str, end: str) -> str:
    return first[0].upper() + first[1:] + end


def _pair(german_text: str, english_text: str, end: str = ".") -> Pair:
    return _sentence(german_text, end), _sentence(english_text, end)


def _front(choose: Chooser, clause: Clause) -> str:
    """What stands before the finite verb."""
    if clause.time and clause.time.front and choose.chance(0.5):
        return "time"
    if len(clause.adverbials) == 1 and not clause.negated and choose.chance(0.2):
        return "place" if clause.adverbials[0].role == "place" else "subject"
    what = clause.accusative
    # `Den Hund sieht die Frau.` Only the article tells who sees whom
    if (
        isinstance(what, NounPhrase)
        and what.determiner is THE
        and what.noun.gender == "m"
        and not what.plural
        and not clause.negated
        and choose.chance(0.25)
    ):
        return "acc"
    return "subject"


def statement(choose: Chooser) -> Pair:
    """`Gestern hat der Mann das Kind angerufen.`"""
    clause = dress(choose, activity(choose, subject(choose)))
    front = _front(choose, clause)
    return _pair(german.main_clause(clause, front), english.statement(clause, front))


def location(choose: Chooser) -> Pair:
    """`Der Schlüssel liegt auf dem Tisch.` `Das Auto gehört meinem Bruder.`"""
    clause = owning(choose) if choose.chance(0.3) else lying(choose)
    dress(choose, clause, negation=0.1)
    front = _front(choose, clause)
    return _pair(german.main_clause(clause, front), english.statement(clause, front))


def yes_no_question(choose: Chooser) -> Pair:
    """`Ruft der Mann das Kind an?`"""
    clause = dress(choose, activity(choose, subject(choose)), negation=0)
    return _pair(german.main_clause(clause, ""), english.question(clause), "?")


def who_question(choose: Chooser) -> Pair:
    """`Wer hat das Buch gelesen?`"""
    clause = dress(choose, activity(choose, WHO), negation=0)
    return _pair(german.main_clause(clause), english.statement(clause), "?")


def what_question(choose: Chooser) -> Pair:
    """`Was liest der Mann?` `Wen ruft er an?` `Wem hilft sie?`: the object is asked for."""
    clause = activity(choose, subject(choose))
    while not (clause.accusative or clause.dative) or (clause.accusative and clause.dative):
        clause = activity(choose, subject(choose))
    living = {noun for name in ("person", "family", "pet", "animal") for noun in NOUNS[name]}
    asked = clause.accusative or clause.dative
    somebody = not isinstance(asked, NounPhrase) or asked.noun in living
    words = ("wen", "who") if somebody else ("was", "what")
    if clause.dative:
        words = ("wem", "who")
    clause.accusative = clause.dative = None
    dress(choose, clause, negation=0)
    return _pair(
        f"{words[0]} {german.main_clause(clause, '')}", english.question(clause, words[1]), "?"
    )


def where_question(choose: Chooser) -> Pair:
    """`Warum ...`, `wann ...`, `wo ...`, `wohin ...`: an adverbial is asked for."""
    kind = choose.choice(("warum", "warum", "wann", "wo", "wohin"))
    actor = subject(choose)
    if kind == "wohin":
        clause = going(choose, actor)
        while clause.verb.english == "come":
            clause = going(choose, actor)
        dress(choose, clause, negation=0)
        clause.adverbials = tuple(part for part in clause.adverbials if part.role != "goal")
        word = "where"
    elif kind == "wo":
        clause = acting(choose, actor)
        while clause.verb.prefix:  # nobody asks where somebody comes along
            clause = acting(choose, actor)
        dress(choose, clause, negation=0)
        clause.adverbials = tuple(part for part in clause.adverbials if part.role != "place")
        word = "where"
    elif kind == "wann":
        clause = activity(choose, actor)
        while clause.verb.stative:
            clause = activity(choose, actor)
        clause.tense = "modal" if choose.chance(0.5) else "perfect"
        clause.modal = choose.choice(verbs.MODALS) if clause.tense == "modal" else None
        word = "when"
    else:
        clause = dress(choose, activity(choose, actor), negation=0)
        word = "why"
    return _pair(f"{kind} {german.main_clause(clause, '')}", english.question(clause, word), "?")


def _state(actor: Phrase, adjective: Adjective) -> Clause:
    return Clause(actor, verbs.BEING, state=(adjective.german, adjective.english))


def description(choose: Chooser) -> Pair:
    """`Mein Bruder ist sehr müde.` `Dieses Haus ist größer als die Schule.`"""
    if choose.chance(0.4):
        clause = _state(subject(choose), choose.choice(STATES))
        if clause.state and choose.chance(0.4):
            clause.state = (f"sehr {clause.state[0]}", f"very {clause.state[1]}")
        clause.negated = choose.chance(0.2)
    else:
        name = choose.choice(tuple(COMPARED))
        actor = subject(choose) if name == "person" else thing(choose, (name,))
        noun = choose.noun((name,))
        while isinstance(actor, NounPhrase) and actor.noun is noun:
            noun = choose.noun((name,))
        other = noun_phrase(choose, noun, pronoun_of(actor), definite=True)
        if isinstance(actor, NounPhrase):  # or an old house would be newer than another
            actor, other = actor._replace(adjective=None), other._replace(adjective=None)
        of_child = noun in CHILDREN or (isinstance(actor, NounPhrase) and actor.noun in CHILDREN)
        adjective = choose.choice(OF_CHILDREN if of_child else COMPARED[name])
        clause = _state(actor, adjective)
        clause.state = (
            f"{adjective.comparative} als {german.noun_phrase(other, 'nom')}",
            f"{adjective.english_comparative} than {english.noun_phrase(other)}",
        )
    return _pair(german.main_clause(clause), english.statement(clause))


def report(choose: Chooser) -> Pair:
    """`Ich weiß, dass der Mann das Kind anruft.`"""
    speaker = subject(choose)
    outer = Clause(speaker, choose.choice(verbs.MATRIX))
    actor = pronoun_of(speaker) if choose.chance(0.3) else subject(choose)
    inner = dress(choose, activity(choose, actor))
    words = ("dass", "that")
    if outer.verb.english == "know" and not inner.negated and choose.chance(0.3):
        outer.negated, words = True, ("ob", "whether")
    return _pair(
        f"{german.main_clause(outer)}, {german.subordinate_clause(inner, words[0])}",
        f"{english.statement(outer)} {words[1]} {english.statement(inner)}",
    )


def purpose(choose: Chooser) -> Pair:
    """`Die Frau fährt in die Stadt, weil sie ein Kleid kaufen will.`"""
    actor = subject(choose)
    outer = dress(choose, going(choose, actor), negation=0)
    if outer.mark == "gladly":
        outer.mark = None
    inner = transitive(choose, pronoun_of(actor))
    while inner.verb.infinitive not in verbs.ERRANDS:
        inner = transitive(choose, pronoun_of(actor))
    inner.tense = "modal"
    inner.modal = choose.choice((verbs.WANT, verbs.MUST, verbs.WOULD, verbs.MAY))
    return _because(outer, inner)


def weariness(choose: Chooser) -> Pair:
    """`Der Junge spielt heute nicht, weil er müde ist.`"""
    actor = subject(choose)
    outer = dress(choose, activity(choose, actor), negation=1)
    while not outer.negated or outer.verb.stative:
        outer = dress(choose, activity(choose, actor), negation=1)
    return _because(outer, _state(pronoun_of(actor), choose.choice(WEARY)))


def mood(choose: Chooser) -> Pair:
    """`Die Frau ist glücklich, weil sie den Schlüssel gefunden hat.`"""
    actor = subject(choose)
    inner = activity(choose, pronoun_of(actor))
    while inner.verb.stative:
        inner = activity(choose, pronoun_of(actor))
    inner.tense = "perfect"
    if choose.chance(0.3):
        inner.time = time_of(choose, "perfect")
    if choose.chance(0.3):
        negate(inner)
    return _because(_state(actor, choose.choice(MOODS)), inner)


def _because(outer: Clause, inner: Clause) -> Pair:
    return _pair(
        f"{german.main_clause(outer)}, {german.subordinate_clause(inner, 'weil')}",
        f"{english.statement(outer)} because {english.statement(inner)}",
    )


def condition(choose: Chooser) -> Pair:
    """`Wenn es regnet, liest das Kind.`: the clause in first place makes the verb come next."""
    actor = subject(choose)
    outer = activity(choose, actor)
    while outer.verb.stative:
        outer = activity(choose, actor)
    outer.habitual = True
    if choose.chance(0.3):
        outer.tense, outer.modal = "modal", choose.choice(verbs.MODALS[:6])
    weather = choose.chance(0.5)
    first = choose.chance(0.6)
    if weather:
        when = choose.choice(_WEATHER)
        inner_german, inner_english = f"wenn {when[0]}", f"when {when[1]}"
    else:
        # the clause that comes first has the noun, the other one the pronoun
        inner_actor = actor if first else pronoun_of(actor)
        if first:
            outer.subject = pronoun_of(actor)
        inner = _state(inner_actor, choose.choice(STATES))
        inner_german = german.subordinate_clause(inner, "wenn")
        inner_english = f"when {english.statement(inner)}"
    if first:
        return _pair(
            f"{inner_german}, {german.main_clause(outer, '')}",
            f"{inner_english}, {english.statement(outer)}",
        )
    return _pair(
        f"{german.main_clause(outer)}, {inner_german}",
        f"{english.statement(outer)} {inner_english}",
    )


KINDS: tuple[Callable[[Chooser], Pair], ...] = (
    *(statement,) * 8,
    *(location,) * 2,
    *(yes_no_question,) * 2,
    who_question,
    what_question,
    where_question,
    description,
    *(report,) * 3,
    purpose,
    weariness,
    mood,
    *(condition,) * 2,
)
"""The kinds of sentences, as often as they are to occur."""
