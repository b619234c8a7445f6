"""The verbs of the embedded corpus, sorted by what they need: objects, a goal, a place."""

from workload.grammar.words import Modal, Verb


def _verb(row: str) -> Verb:
    """Row: `an|rufen ruft hat angerufen / call called called calling / flags`.

    A word after the four English forms is the particle or preposition that follows the verb.
    """
    german, english, *flags = (part.split() for part in row.split("/"))
    infinitive, third, auxiliary, participle = german
    base, past, past_participle, progressive, *particle = english
    prefix, _, rest = infinitive.rpartition("|")
    kinds = flags[0] if flags else []
    return Verb(
        rest,
        prefix,
        third,
        participle,
        {"hat": "haben", "ist": "sein"}[auxiliary],
        base,
        past,
        past_participle,
        progressive,
        " ".join(particle),
        simple=bool({"simple", "stative"} & set(kinds)),
        stative="stative" in kinds,
        fun="fun" in kinds,
    )


def _frames(rows: str) -> tuple[tuple[Verb, tuple[str, ...]], ...]:
    """Verbs with the classes of nouns they take."""
    frames = []
    for row in rows.strip().splitlines():
        verb, classes = row.split(":")
        frames.append((_verb(verb), tuple(classes.split())))
    return tuple(frames)


def _plain(rows: str) -> tuple[Verb, ...]:
    return tuple(_verb(row) for row in rows.strip().splitlines())


_OBJECTS = "thing lamp vehicle garment furniture"

TRANSITIVE = _frames(f"""
    lesen liest hat gelesen / read read read reading / fun : press text
    schreiben schreibt hat geschrieben / write wrote written writing / fun : text
    essen isst hat gegessen / eat ate eaten eating / fun : food staple
    trinken trinkt hat getrunken / drink drank drunk drinking / fun : drink
    kaufen kauft hat gekauft / buy bought bought buying : {_OBJECTS} food staple press text
    verkaufen verkauft hat verkauft / sell sold sold selling : {_OBJECTS} food
    suchen sucht hat gesucht / look looked looked looking for : person pet {_OBJECTS} press text
    finden findet hat gefunden / find found found finding / simple : pet {_OBJECTS} press text
    sehen sieht hat gesehen / see saw seen seeing / simple : person family pet animal {_OBJECTS}
    besuchen besucht hat besucht / visit visited visited visiting / fun : person family
    fragen fragt hat gefragt / ask asked asked asking : person family
    treffen trifft hat getroffen / meet met met meeting / fun : person family
    an|rufen ruft hat angerufen / call called called calling : person family
    ab|holen holt hat abgeholt / pick picked picked picking up : person family
    ein|laden lädt hat eingeladen / invite invited invited inviting / fun : person family
    tragen trägt hat getragen / wear wore worn wearing / fun : garment
    an|ziehen zieht hat angezogen / put put put putting on : garment
    waschen wäscht hat gewaschen / wash washed washed washing : garment vehicle
    reparieren repariert hat repariert / repair repaired repaired repairing / fun : vehicle lamp
    malen malt hat gemalt / paint painted painted painting / fun : pet animal building
    auf|machen macht hat aufgemacht / open opened opened opening : door window
    zu|machen macht hat zugemacht / close closed closed closing : door window
    aus|machen macht hat ausgemacht / turn turned turned turning off : lamp
    auf|räumen räumt hat aufgeräumt / clean cleaned cleaned cleaning up : room
    kennen kennt hat gekannt / know knew known knowing / stative : person family
    lieben liebt hat geliebt / love loved loved loving / stative : person family pet
    brauchen braucht hat gebraucht / need needed needed needing / stative : {_OBJECTS}
    haben hat hat gehabt / have had had having / stative : {_OBJECTS} pet
""")
"""With an accusative object."""
FETCHING = ("kaufen", "suchen", "schreiben", "malen", "reparieren")
"""Done for somebody: `für` and the accusative."""
ERRANDS = ("kaufen", "suchen", "verkaufen", "besuchen", "treffen", "holen", "malen")
"""What one goes somewhere for."""
DATIVE = _frames("""
    helfen hilft hat geholfen / help helped helped helping : person family
    danken dankt hat gedankt / thank thanked thanked thanking : person family
    antworten antwortet hat geantwortet / answer answered answered answering : person family
    folgen folgt ist gefolgt / follow followed followed following : person pet
    zu|hören hört hat zugehört / listen listened listened listening to / fun : person family
""")
"""With a dative object."""
OWNING = _verb(
    "gehören gehört hat gehört / belong belonged belonged belonging to / stative",
)
GIVING = _frames(f"""
    geben gibt hat gegeben / give gave given giving : {_OBJECTS} food press text
    zeigen zeigt hat gezeigt / show showed shown showing : {_OBJECTS} press text
    bringen bringt hat gebracht / bring brought brought bringing : {_OBJECTS} food staple drink
    schicken schickt hat geschickt / send sent sent sending : press text thing garment
    leihen leiht hat geliehen / lend lent lent lending : vehicle text garment thing
""")
"""With a dative of the person and an accusative of the thing."""
ACTING = _plain("""
    schlafen schläft hat geschlafen / sleep slept slept sleeping
    arbeiten arbeitet hat gearbeitet / work worked worked working / fun
    spielen spielt hat gespielt / play played played playing / fun
    singen singt hat gesungen / sing sang sung singing / fun
    tanzen tanzt hat getanzt / dance danced danced dancing / fun
    warten wartet hat gewartet / wait waited waited waiting
    lernen lernt hat gelernt / study studied studied studying / fun
    kochen kocht hat gekocht / cook cooked cooked cooking / fun
    lachen lacht hat gelacht / laugh laughed laughed laughing
    ein|kaufen kauft hat eingekauft / shop shopped shopped shopping / fun
""")
"""Without an object, at a place."""
CHANGING = _plain("""
    auf|stehen steht ist aufgestanden / get got gotten getting up
    ein|schlafen schläft ist eingeschlafen / fall fell fallen falling asleep
    an|kommen kommt ist angekommen / arrive arrived arrived arriving
    zurück|kommen kommt ist zurückgekommen / come came come coming back
    mit|kommen kommt ist mitgekommen / come came come coming along
    weg|gehen geht ist weggegangen / leave left left leaving
    fern|sehen sieht hat ferngesehen / watch watched watched watching television
""")
"""Without an object; all of them separable."""
GOING = _plain("""
    gehen geht ist gegangen / go went gone going / fun
    laufen läuft ist gelaufen / run ran run running / fun
    kommen kommt ist gekommen / come came come coming
""")
TRAVELING = _plain("""
    fahren fährt ist gefahren / drive drove driven driving / fun
    reisen reist ist gereist / travel traveled traveled traveling / fun
""")
LYING, STANDING, SITTING = _plain("""
    liegen liegt hat gelegen / lie lay lain lying
    stehen steht hat gestanden / stand stood stood standing
    sitzen sitzt hat gesessen / sit sat sat sitting
""")
LAYING, SETTING = _plain("""
    legen legt hat gelegt / put put put putting
    stellen stellt hat gestellt / put put put putting
""")
BEING = _verb("sein ist ist gewesen / be was been being / stative")
MATRIX = _plain("""
    wissen weiß hat gewusst / know knew known knowing / stative
    glauben glaubt hat geglaubt / think thought thought thinking / stative
    sagen sagt hat gesagt / say said said saying / stative
    hoffen hofft hat gehofft / hope hoped hoped hoping / stative
""")
"""With a clause: `dass ...`."""

MODALS = (
    Modal("kann", "kannst", "kann", "können", "can"),
    Modal("muss", "musst", "muss", "müssen", "have to"),
    Modal("will", "willst", "will", "wollen", "want to"),
    Modal("soll", "sollst", "soll", "sollen", "should"),
    Modal("darf", "darfst", "darf", "dürfen", "be allowed to"),
    Modal("möchte", "möchtest", "möchte", "möchten", "would like to"),
    Modal("werde", "wirst", "wird", "werden", "will"),
)
CAN, MUST, WANT, SHOULD, MAY, WOULD, WILL = MODALS
