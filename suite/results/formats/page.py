"""A report as one HTML page: no scripts, nothing from elsewhere, everything from disk escaped."""

import base64
from html import escape

from workload.exhibits.document import Cell, Document, Picture, Section, Table

STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; max-width: 82rem;
       margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .4rem; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: .6rem;
     border-top: 2px solid #1a1a1a; }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { max-width: 62rem; }
nav { background: #f5f5f5; padding: .7rem 1.2rem; margin: 1.2rem 0; font-size: .92rem; }
nav ul { margin: .2rem 0; padding-left: 1.1rem; columns: 2; }
nav li { break-inside: avoid; }
nav p { margin: .3rem 0 0; font-weight: 600; }
a { color: #005a9c; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums;
        border-top: 1.5px solid #1a1a1a; border-bottom: 1.5px solid #1a1a1a; }
th { text-align: left; border-bottom: 1px solid #1a1a1a; vertical-align: bottom; }
th, td { padding: .28rem .7rem .28rem 0; white-space: nowrap; }
td { vertical-align: top; }
td small { display: block; color: #595959; font-size: .88em; line-height: 1.35; }
tbody tr + tr td { border-top: 1px solid #e4e4e4; }
.caption { font-size: .86rem; color: #444; margin: .5rem 0 1.2rem; }
figure { margin: 0 0 1.5rem; }
figure img { width: 100%; max-width: 52rem; height: auto; }
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; padding: 0; }
  nav { display: none; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .wide { overflow: visible; }
  table { font-size: 6.5pt; }
}
"""


def page(document: Document) -> str:
    """The whole report as one file."""
    title = escape(document.title)
    paragraphs = "\n".join(f"<p>{escape(text)}</p>" for text in document.paragraphs)
    sections = "\n".join(_section(s, number) for number, s in enumerate(document.sections, 1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{paragraphs}
<p>Revisions, versions, hardware, hours and failures: <a href="provenance.md">provenance.md</a>,
apart from this page, which depends on the runs' results alone.</p>
{_contents(document)}
{sections}
</body>
</html>
"""


def _contents(document: Document) -> str:
    lists = []
    for number, section in enumerate(document.sections, 1):
        named = [(table.name, table.title) for table in section.tables]
        named += [(picture.name, picture.title) for picture in section.pictures]
        items = [
            f'<li><a href="#{number}-{escape(name)}">{escape(title)}</a></li>'
            for name, title in named
        ]
        lists.append(f"<p>{escape(section.title)}</p>\n<ul>\n{chr(10).join(items)}\n</ul>")
    return "<nav>\n" + "\n".join(lists) + "\n</nav>"


def _section(section: Section, number: int) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    parts += [_table(table, number) for table in section.tables]
    parts += [_figure(picture, number) for picture in section.pictures]
    return "\n".join(parts)


def _table(table: Table, number: int) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in table.head)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f"""<h3 id="{number}-{escape(table.name)}">{escape(table.title)}</h3>
<div class="wide"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
<p class="caption">{escape(table.caption)}</p>"""


def _cell(cell: Cell) -> str:
    first, *rest = map(escape, cell.lines)
    if cell.bold:
        first = f"<b>{first}</b>"
    return f"<td>{first}{''.join(f'<small>{line}</small>' for line in rest)}</td>"


def _figure(picture: Picture, number: int) -> str:
    data = base64.b64encode(picture.png).decode()
    return f"""<h3 id="{number}-{escape(picture.name)}">{escape(picture.title)}</h3>
<figure>
<img alt="{escape(picture.title)}" src="data:image/png;base64,{data}">
<figcaption class="caption">{escape(picture.caption)}</figcaption>
</figure>"""
