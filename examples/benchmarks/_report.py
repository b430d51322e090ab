# SPDX-License-Identifier: BSD-3-Clause
"""Medians and tables of what a comparison measured, on the screen and in files.

A table is a pair of headings and rows of text, and `made` is title -> table. Columns
are (heading, key of the records, format).
"""

import os
import platform
import statistics
from pathlib import Path

# Headings of columns that hold names, and are therefore set to the left.
NAMES = {"data", "method", "ours", "peer", "transformation", "inverse"}


def machine():
    """Return the number of processors and their model."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return {
        "processors": os.cpu_count(),
        "model": models[0] if models else platform.processor(),
    }


def combine(records, average=statistics.median):
    """Return one record: the average of each figure over the records that hold it."""
    combined = {"errors": {}}
    for record in records:
        combined["errors"] |= record.get("errors", {})
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record[name] for record in records if name in record]
        values = [value for value in values if isinstance(value, (int, float))]
        if values:
            combined[name] = average(values)
    return combined


def grouped(records, keys, average=statistics.median):
    """Return values of the keys -> the record of averages over what else differs."""
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[key] for key in keys), []).append(record)
    return {values: combine(group, average) for values, group in groups.items()}


def figure(value, form):
    """Return a figure as text."""
    return "-" if value is None else format(int(value) if form == "d" else value, form)


def table(groups, names, columns, needed=None):
    """Return a table with a row for each group whose record holds what is needed."""
    headings = [*names, *(heading for heading, _, _ in columns)]
    rows = []
    for values, record in groups.items():
        if needed is None or needed in record:
            figures = (figure(record.get(name), form) for _, name, form in columns)
            rows.append([*map(str, values), *figures])
    return headings, rows


def show(made):
    """Print the tables."""
    # Here, so that the measuring processes do without.
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for title, (headings, rows) in made.items():
        shown = Table(title=title)
        for heading in headings:
            is_name = heading in NAMES
            justify = "left" if is_name else "right"
            shown.add_column(heading, justify=justify, no_wrap=is_name)
        for before, row in zip([None, *rows], rows, strict=False):
            if headings[0] != "method" and before and before[0] != row[0]:
                shown.add_section()
            shown.add_row(*row)
        console.print(shown)


def _origin(report, notes):
    """Return where the figures come from, as paragraphs."""
    versions = report["versions"].items()
    installed = ", ".join(f"{name} {number}" for name, number in versions if number)
    processors = "{processors} processors ({model})".format(**report["machine"])
    return [f"Made on {report['date']} with {installed}; {processors}.", *notes]


def _markdown(report, made, notes):
    yield f"```\n{report['command']}\n```"
    yield from _origin(report, notes)
    if report["left_out"]:
        yield "\n".join(f"- left out: {line}" for line in report["left_out"])
    for title, (headings, rows) in made.items():
        yield f"**{title}**"
        lines = [headings, ["---"] * len(headings), *rows]
        yield "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rst(report, made, notes):
    yield f".. code-block:: console\n\n   $ {report['command']}"
    for paragraph in _origin(report, notes):
        yield paragraph.replace("`", "``")
    if report["left_out"]:
        yield "\n".join(f"- left out: {line}" for line in report["left_out"])
    for title, (headings, rows) in made.items():
        lines = [f".. csv-table:: {title}", "   :header-rows: 1", ""]
        for row in [headings, *rows]:
            lines.append("   " + ",".join(f'"{cell}"' for cell in row))
        yield "\n".join(lines)


def write_table(path, report, made, notes):
    """Write the tables with their origin, as reStructuredText if the name says so."""
    write = _rst if Path(path).suffix == ".rst" else _markdown
    text = "\n\n".join(write(report, made, notes)) + "\n"
    Path(path).write_text(text, encoding="utf-8")
