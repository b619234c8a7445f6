"""A report as one HTML page: no scripts, nothing from elsewhere, everything from disk escaped."""

import base64
from html import escape

from workload.exhibits.document import Cell, Document, Picture, Section, Table

MANY = 60
"""Rows of a table from which on it opens on request, and is not printed."""
STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #595959; --paper: #ffffff;
        --panel: #f5f5f5; --line: #e4e4e4; --link: #005a9c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a6a6a6; --paper: #16181b; --panel: #22252a; --line: #33373d;
          --link: #7ab8f5; }
}
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink);
       background: var(--paper); max-width: 82rem; margin: 2rem auto; padding: 0 1.5rem;
       overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .4rem; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: .6rem;
     border-top: 2px solid var(--ink); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { max-width: 62rem; }
nav { background: var(--panel); padding: .7rem 1.2rem; margin: 1.2rem 0; font-size: .92rem; }
nav ul { margin: .2rem 0; padding-left: 1.1rem; columns: 2; }
nav li { break-inside: avoid; }
nav p { margin: .3rem 0 0; font-weight: 600; }
a { color: var(--link); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums;
        border-top: 1.5px solid var(--ink); border-bottom: 1.5px solid var(--ink); }
th { text-align: left; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
th, td { padding: .28rem .7rem .28rem 0; white-space: nowrap; }
th:first-child, td:first-child { white-space: normal; min-width: 6rem; overflow-wrap: normal;
                                 position: sticky; left: 0; background: var(--paper); }
td:first-child:has(small) { min-width: min(20rem, 50vw); }
td { vertical-align: top; }
td small { display: block; color: var(--soft); font-size: .88em; line-height: 1.35; }
tbody tr + tr td { border-top: 1px solid var(--line); }
.caption { font-size: .86rem; color: var(--soft); margin: .5rem 0 1.2rem; max-width: 62rem; }
figure { margin: 0 0 1.5rem; }
figure img { width: 100%; max-width: 52rem; height: auto; background: #ffffff; cursor: zoom-in; }
figure .close { display: none; }
figure:target { position: fixed; inset: 0; margin: 0; padding: 1rem; overflow: auto; z-index: 1;
                background: var(--paper); }
figure:target img { width: auto; max-width: none; min-width: 100%; cursor: default; }
figure:target .close { display: block; margin-bottom: .5rem; }
summary { cursor: pointer; margin-bottom: .5rem; }
details pre { overflow-x: auto; background: var(--panel); padding: .7rem; font-size: .8rem; }
@media (max-width: 40rem) {
  body { margin: .8rem auto; padding: 0 .8rem; }
  nav ul { columns: 1; }
}
@media print {
  :root { --ink: #1a1a1a; --soft: #444444; --paper: #ffffff; --line: #e4e4e4; --link: #1a1a1a; }
  details > :not(summary) { display: none; }
  body { font-size: 10pt; margin: 0; max-width: none; padding: 0; }
  nav { display: none; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .wide { overflow: visible; }
  table { font-size: 6.5pt; }
}
"""


def page(document: Document, circumstances: str = "", stamp: str = "") -> str:
    """The whole report as one file.

    Args:
        document: what the runs' results say.
        circumstances: the provenance, as Markdown: shown as it is.
        stamp: a line on version and date.
    """
    told = f"<p>{escape(stamp)}</p>\n" if stamp else ""
    details = (
        f"<details>\n<summary>Provenance</summary>\n<pre>{escape(circumstances)}</pre>\n</details>"
        if circumstances
        else ""
    )
    title = escape(document.title)
    paragraphs = "\n".join(f"<p>{escape(text)}</p>" for text in document.paragraphs)
    sections = "\n".join(map(_section, document.sections))
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
{told}{_contents(document)}
{sections}
{details}
</body>
</html>
"""


def _contents(document: Document) -> str:
    lists = []
    for section in document.sections:
        named = [(f"table-{table.name}", table.title) for table in section.tables]
        named += [(f"figure-{picture.name}", picture.title) for picture in section.pictures]
        items = [f'<li><a href="#{escape(name)}">{escape(title)}</a></li>' for name, title in named]
        lists.append(f"<p>{escape(section.title)}</p>\n<ul>\n{chr(10).join(items)}\n</ul>")
    return "<nav>\n" + "\n".join(lists) + "\n</nav>"


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    parts += [_table(table) for table in section.tables]
    parts += [_figure(picture) for picture in section.pictures]
    return "\n".join(parts)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in table.head)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    shown = f"""<div class="wide"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>"""
    if len(table.rows) > MANY:
        file = f"tables/{escape(table.name)}.csv"
        summary = f"<summary>{len(table.rows)} rows, also in {file}</summary>"
        shown = f"<details>\n{summary}\n{shown}\n</details>"
    return f"""<h3 id="table-{escape(table.name)}">{escape(table.title)}</h3>
{shown}
<p class="caption">{escape(table.caption)}</p>"""


def _cell(cell: Cell) -> str:
    first, *rest = map(escape, cell.lines)
    if cell.bold:
        first = f"<b>{first}</b>"
    return f"<td>{first}{''.join(f'<small>{line}</small>' for line in rest)}</td>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    name = escape(picture.name)
    return f"""<h3 id="figure-{name}">{escape(picture.title)}</h3>
<figure id="large-{name}">
<a class="close" href="#figure-{name}">Back to the report</a>
<a href="#large-{name}"><img alt="{escape(picture.title)}" src="data:image/png;base64,{data}"></a>
<figcaption class="caption">{escape(picture.caption)}</figcaption>
</figure>"""
