"""Pronouns and determiners."""

from workload.grammar.words import Determiner, Pronoun

I, YOU, HE, SHE, IT, WE, YOU_ALL, THEY = PRONOUNS = (  # noqa: E741
    Pronoun(1, False, "ich", "mich", "mir", "mein", "I", "me", "my"),
    Pronoun(2, False, "du", "dich", "dir", "dein", "you", "you", "your"),
    Pronoun(3, False, "er", "ihn", "ihm", "sein", "he", "him", "his"),
    Pronoun(3, False, "sie", "sie", "ihr", "ihr", "she", "her", "her"),
    Pronoun(3, False, "es", "es", "ihm", "sein", "it", "it", "its"),
    Pronoun(1, True, "wir", "uns", "uns", "unser", "we", "us", "our"),
    Pronoun(2, True, "ihr", "euch", "euch", "euer", "you", "you", "your"),
    Pronoun(3, True, "sie", "sie", "ihnen", "ihr", "they", "them", "their"),
)
GIRL = Pronoun(3, False, "es", "es", "ihm", "sein", "she", "her", "her")
"""What `das Mädchen` is referred to by."""
WHO = Pronoun(3, False, "wer", "wen", "wem", "", "who", "who", "")

THE = Determiner("der", "", "the", "the", True)
THIS = Determiner("dieser", "dies", "this", "these", True)
A = Determiner("ein", "ein", "a", "", False)
NO = Determiner("ein", "kein", "a", "any", False)
BARE = Determiner("bare", "", "", "", False)
NUMBERS = tuple(
    Determiner("bare", german, english, english, False)
    for german, english in (("zwei", "two"), ("drei", "three"), ("vier", "four"), ("fünf", "five"))
)
