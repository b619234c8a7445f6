"""Made-up references, and translations of them that are wrong in a share of the words."""

import random

WORDS = (
    *("a", "man", "woman", "dog", "plays", "sits", "on", "in", "red", "blue", "shirt", "street"),
    *("with", "ball", "is", "two", "near", "Water", "Green", ",", "."),
)


def references(sentences=60, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(6, 14))) for _ in range(sentences)]


def translated(lines, wrong, seed):
    """The lines with about this share of their words replaced."""
    draw = random.Random(seed)
    return [
        " ".join(draw.choice(WORDS) if draw.random() < wrong else word for word in line.split())
        for line in lines
    ]
