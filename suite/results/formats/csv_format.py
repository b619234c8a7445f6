"""A table's numbers as CSV: unrounded, one record per line, empty where there is no value."""

import csv
from io import StringIO

from workload.exhibits.document import Table


def csv_text(table: Table) -> str:
    """RFC 4180 with line feeds; floats in the shortest form that reads back equal."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.data_head)
    writer.writerows(table.data)
    return buffer.getvalue()
