"""The nouns and adjectives of the embedded corpus, sorted by what can be said of them.

`_` stands for a space inside a word.
"""

from workload.grammar.words import Adjective, Noun


def _nouns(rows: str, *, mass: bool = False, kin: bool = False) -> tuple[Noun, ...]:
    """Rows: gender, singular, plural, English singular and plural, then maybe oblique or she."""
    nouns = []
    for row in rows.strip().splitlines():
        gender, singular, plural, english, english_plural, *rest = row.split()
        pronoun = "she" if "she" in rest else {"m": "he", "f": "she", "n": "it"}[gender]
        oblique = rest[0] if rest and rest != ["she"] else singular
        forms = (singular, plural, oblique, english, english_plural)
        nouns.append(Noun(gender, *forms, pronoun, mass, kin))
    return tuple(nouns)


NOUNS: dict[str, tuple[Noun, ...]] = {
    "person": _nouns("""
        m Mann Männer man men
        f Frau Frauen woman women
        n Kind Kinder child children
        m Junge Jungen boy boys Jungen
        n Mädchen Mädchen girl girls she
        m Lehrer Lehrer teacher teachers
        f Ärztin Ärztinnen doctor doctors
        m Nachbar Nachbarn neighbor neighbors Nachbarn
        m Freund Freunde friend friends
        m Student Studenten student students Studenten
    """),
    "family": _nouns(
        """
        m Bruder Brüder brother brothers
        f Schwester Schwestern sister sisters
        f Mutter - mother -
        m Vater - father -
    """,
        kin=True,
    ),
    "pet": _nouns("""
        m Hund Hunde dog dogs
        f Katze Katzen cat cats
    """),
    "animal": _nouns("""
        n Pferd Pferde horse horses
        m Vogel Vögel bird birds
    """),
    "press": _nouns("f Zeitung Zeitungen newspaper newspapers"),
    "text": _nouns("""
        n Buch Bücher book books
        m Brief Briefe letter letters
        n Gedicht Gedichte poem poems
    """),
    "food": _nouns("""
        m Apfel Äpfel apple apples
        m Kuchen Kuchen cake cakes
        f Birne Birnen pear pears
        n Ei Eier egg eggs
    """),
    "staple": _nouns(
        """
        n Brot - bread -
        f Suppe - soup -
        m Käse - cheese -
    """,
        mass=True,
    ),
    "drink": _nouns(
        """
        n Wasser - water -
        f Milch - milk -
        m Kaffee - coffee -
        m Tee - tea -
    """,
        mass=True,
    ),
    "thing": _nouns("""
        m Schlüssel Schlüssel key keys
        f Tasche Taschen bag bags
        f Uhr Uhren watch watches
        n Bild Bilder picture pictures
        m Ball Bälle ball balls
        m Koffer Koffer suitcase suitcases
    """),
    "lamp": _nouns("f Lampe Lampen lamp lamps"),
    "vehicle": _nouns("""
        n Auto Autos car cars
        n Fahrrad Fahrräder bicycle bicycles
    """),
    "garment": _nouns("""
        n Hemd Hemden shirt shirts
        n Kleid Kleider dress dresses
        m Mantel Mäntel coat coats
        m Hut Hüte hat hats
        f Jacke Jacken jacket jackets
    """),
    "door": _nouns("f Tür Türen door doors"),
    "window": _nouns("n Fenster Fenster window windows"),
    "furniture": _nouns("""
        m Tisch Tische table tables
        m Stuhl Stühle chair chairs
        n Bett Betten bed beds
    """),
    "area": _nouns("""
        m Garten Gärten garden gardens
        m Park Parks park parks
        m Wald Wälder forest forests
    """),
    "city": _nouns("f Stadt Städte city cities"),
    "building": _nouns("""
        f Schule Schulen school schools
        n Haus Häuser house houses
        n Restaurant Restaurants restaurant restaurants
        f Kirche Kirchen church churches
        m Bahnhof Bahnhöfe station stations
    """),
    "room": _nouns("""
        f Küche Küchen kitchen kitchens
        n Zimmer Zimmer room rooms
        n Büro Büros office offices
    """),
}
"""Nouns by what they can take part in."""


def _adjectives(rows: str) -> dict[str, Adjective]:
    """Rows: predicative form, English, both comparatives, then maybe the stem."""
    adjectives = {}
    for row in rows.strip().splitlines():
        german, english, comparative, english_comparative, *rest = row.split()
        adjectives[f"{german}/{english}"] = Adjective(
            german,
            rest[0] if rest else german,
            english,
            comparative,
            english_comparative.replace("_", " "),
        )
    return adjectives


_ADJECTIVES = _adjectives("""
    alt old älter older
    jung young jünger younger
    neu new neuer newer
    groß tall größer taller
    groß big größer bigger
    klein small kleiner smaller
    klug smart klüger smarter
    freundlich friendly freundlicher friendlier
    müde tired müder more_tired müd
    krank sick kränker sicker
    hungrig hungry hungriger hungrier
    glücklich happy glücklicher happier
    traurig sad trauriger sadder
    rot red röter redder
    blau blue blauer bluer
    grün green grüner greener
    schwarz black schwärzer blacker
    weiß white weißer whiter
    schön beautiful schöner more_beautiful
    teuer expensive teurer more_expensive teur
    billig cheap billiger cheaper
    lang long länger longer
    kurz short kürzer shorter
    interessant interesting interessanter more_interesting
    frisch fresh frischer fresher
    gut good besser better
    kalt cold kälter colder
    warm warm wärmer warmer
    heiß hot heißer hotter
""")


def _chosen(names: str) -> tuple[Adjective, ...]:
    return tuple(_ADJECTIVES[name] for name in names.split())


_PERSON = "alt/old jung/young groß/tall klein/small klug/smart freundlich/friendly"
_ANIMAL = "alt/old jung/young groß/big klein/small schwarz/black weiß/white"
_COLOURS = "rot/red blau/blue grün/green schwarz/black weiß/white"
_GOODS = "neu/new alt/old groß/big klein/small schön/beautiful teuer/expensive billig/cheap"

ADJECTIVES: dict[str, tuple[Adjective, ...]] = {
    "person": _chosen(_PERSON),
    "family": _chosen("alt/old klug/smart freundlich/friendly"),
    "pet": _chosen(_ANIMAL),
    "animal": _chosen(_ANIMAL),
    "press": _chosen("neu/new alt/old"),
    "text": _chosen("neu/new alt/old lang/long kurz/short interessant/interesting"),
    "food": _chosen("frisch/fresh groß/big klein/small gut/good"),
    "staple": _chosen("frisch/fresh gut/good warm/warm"),
    "drink": _chosen("kalt/cold warm/warm heiß/hot gut/good"),
    "thing": _chosen(f"{_GOODS} {_COLOURS}"),
    "lamp": _chosen(_GOODS),
    "vehicle": _chosen(f"{_GOODS} {_COLOURS}"),
    "garment": _chosen(f"{_GOODS} {_COLOURS}"),
    "door": _chosen("alt/old neu/new groß/big klein/small weiß/white"),
    "window": _chosen("alt/old neu/new groß/big klein/small"),
    "furniture": _chosen("neu/new alt/old groß/big klein/small"),
    "area": _chosen("groß/big klein/small alt/old schön/beautiful"),
    "city": _chosen("groß/big klein/small alt/old schön/beautiful"),
    "building": _chosen("groß/big klein/small alt/old neu/new schön/beautiful"),
    "room": _chosen("groß/big klein/small neu/new schön/beautiful"),
}
"""Attributes by the class of the noun they go with."""
CHILDREN = {noun for noun in NOUNS["person"] if noun.english in ("child", "boy", "girl")}
OF_CHILDREN = _chosen("groß/tall klein/small klug/smart freundlich/friendly")
"""Nobody says `the young boy` or `an old child`."""
UNOWNED = {noun for noun in NOUNS["person"] if noun.english in ("man", "woman", "boy", "girl")}
"""`my man` and `our boy` would mean something else."""
COMPARED = {
    "person": _chosen(_PERSON),
    "pet": _chosen("alt/old jung/young groß/big klein/small"),
    "garment": _chosen(_GOODS),
    "vehicle": _chosen(_GOODS),
    "building": _chosen("alt/old neu/new groß/big klein/small schön/beautiful"),
}
STATES = _chosen("müde/tired krank/sick hungrig/hungry glücklich/happy traurig/sad")
WEARY = _chosen("müde/tired krank/sick")
MOODS = _chosen("glücklich/happy traurig/sad")
