"""Names that would do harm where they are not taken as plain text, and a document full of them."""

from workload.exhibits.document import Cell, Document, Picture, Section, Table

NAMES = (
    "<script>alert(1)</script>",
    "a|b$x_1$",
    '"><img src=x onerror=alert(1)>',
    "\\input{/etc/passwd} 50% #1 ~^ {}",
    "[click](javascript:alert(1)) ![x](http://example.org/x.png)",
    "`code` **bold** _em_ &amp; &lt;",
    "](tables/mine.csv) (tables/mine.csv)",
    "[2cm] * |--| -",
    "ünïcode Ω 語",
)
# One pixel.
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)


def table(name="names", texts=NAMES):
    """A line per text, in the first cell, in a bold cell and in a cell of two lines."""
    return Table(
        name=name,
        title=texts[0],
        caption=" ".join(texts),
        head=("name", texts[1], "number"),
        rows=tuple((Cell((t,)), Cell((t,), bold=True), Cell(("1", t))) for t in texts),
        data_head=("name", texts[1], "number"),
        data=tuple((t, place, place / 7) for place, t in enumerate(texts)),
    )


def document(texts=NAMES):
    picture = Picture("figure", texts[2], " ".join(texts), PNG, b"%PDF")
    return Document(texts[0], texts, (Section(texts[0], texts, (table(),), (picture,)),))
