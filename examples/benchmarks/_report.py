# SPDX-License-Identifier: BSD-3-Clause
"""Medians, ratios and tables of what a comparison measured."""

import os
import platform
import statistics
from pathlib import Path

# Title of a table, and of its columns the heading, the key and the format.
COLUMNS = {
    "The fit and its map": [
        ("import s", "import_s", ".1f"),
        ("fit s", "fit_s", ".2f"),
        ("again s", "fit_warm_s", ".2f"),
        ("peak MB", "peak_mb", ".0f"),
        ("rise MB", "rise_mb", ".0f"),
        ("model MB", "model_mb", ".2f"),
        ("trust15", "trustworthiness", ".3f"),
        ("contin.", "continuity", ".3f"),
        ("stress", "stress", ".3f"),
        ("to sheet", "sheet_stress", ".3f"),
        ("Spearman", "spearman", ".3f"),
        ("kNN10", "knn", ".3f"),
    ],
    "Rows that fit never saw": [
        ("rows", "n_new", "d"),
        ("transform s", "transform_s", ".3f"),
        ("one row ms", "one_row_ms", ".2f"),
        ("alone moves", "one_row_shift", ".1%"),
        ("kNN10", "new_knn", ".3f"),
        ("stress", "new_stress", ".3f"),
        ("inverse rows", "n_inverse", "d"),
        ("inverse s", "inverse_s", ".3f"),
        ("inverse R2", "inverse_r2", ".2f"),
    ],
}
FIGURES = [name for columns in COLUMNS.values() for _, name, _ in columns]
RATIOS = ["fit_s", "rise_mb", "stress"]
NOTES = [
    "Each method runs in a fresh process with one thread. Seconds are CPU seconds: "
    "`fit` is the first fit of the process, just-in-time compilation included and "
    "imports excluded, `again` the second one. `import` is what the method's packages "
    "take to load, `transform` the first call.",
    "Memory is the largest resident one during the first fit and its rise above what "
    "was in use before; the model is what pickle makes of it. To map new rows PaCMAP "
    "and TorchDR also need the training rows, which their models do not hold.",
    "Trustworthiness and continuity take 15 neighbours and at most 5000 rows; stress "
    "has the best scale and is relative to the distances of the rows, or of the true "
    "flat coordinates (`to sheet`). kNN10 is the accuracy of 10 neighbours in the "
    "plane, in 5 folds or on new rows. `alone moves` is how far a new row lies from "
    "its place in a batch when it is mapped alone, as a part of the cloud's radius.",
]


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


def combine(records):
    """Return one record: the median of each figure over the records that hold it."""
    combined = {"errors": {}}
    for record in records:
        combined["errors"] |= record["errors"]
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record[name] for record in records if name in record]
        values = [value for value in values if isinstance(value, (int, float))]
        if values:
            combined[name] = statistics.median(values)
    return combined


def by_method(records):
    """Return (data, method) -> the record of medians over seeds."""
    groups = {}
    for record in records:
        groups.setdefault((record["data"], record["method"]), []).append(record)
    return {key: combine(group) for key, group in groups.items()}


def ratios(records, ours):
    """Return our figures divided by each peer's, same data and seed."""
    found = []
    peers = [record for record in records if record["method"] not in ours]
    for mine in (record for record in records if record["method"] in ours):
        for peer in peers:
            if (peer["data"], peer["seed"]) != (mine["data"], mine["seed"]):
                continue
            row = {
                "data": mine["data"],
                "seed": mine["seed"],
                "ours": mine["method"],
                "peer": peer["method"],
            }
            for name in RATIOS:
                if mine.get(name) is not None and peer.get(name):
                    row[name] = mine[name] / peer[name]
            found.append(row)
    return found


def _figure(value, form):
    return "-" if value is None else format(int(value) if form == "d" else value, form)


def _rows(medians, columns, needed):
    for (data, method), record in medians.items():
        if needed in record:
            figures = [_figure(record.get(name), form) for _, name, form in columns]
            yield [data, method, *figures]


def _ratio_rows(rows):
    groups = {}
    for row in rows:
        key = row["data"], row["ours"], row["peer"]
        groups.setdefault(key, []).append({**row, "errors": {}})
    for key, group in groups.items():
        medians = combine(group)
        yield [*key, *(_figure(medians.get(name), ".3f") for name in RATIOS)]


def tables(report):
    """Return title -> (headings, rows of text)."""
    medians = by_method(report["records"])
    made = {}
    for (title, columns), needed in zip(
        COLUMNS.items(), ("fit_s", "transform_s"), strict=True
    ):
        headings = ["data", "method", *(heading for heading, _, _ in columns)]
        made[title] = headings, [*_rows(medians, columns, needed)]
    headings = ["data", "ours", "peer", "fit s", "rise MB", "stress"]
    made["Ours divided by the peer's"] = headings, [*_ratio_rows(report["ratios"])]
    return {title: table for title, table in made.items() if table[1]}


def show(made):
    """Print the tables."""
    # Here, so that the measuring processes do without.
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for title, (headings, rows) in made.items():
        table = Table(title=title)
        for heading in headings:
            is_name = heading in {"data", "method", "ours", "peer"}
            justify = "left" if is_name else "right"
            table.add_column(heading, justify=justify, no_wrap=is_name)
        for before, row in zip([None, *rows], rows, strict=False):
            if before and before[0] != row[0]:
                table.add_section()
            table.add_row(*row)
        console.print(table)


def _origin(report):
    """Return where the figures come from, as paragraphs."""
    versions = report["versions"].items()
    installed = ", ".join(f"{name} {number}" for name, number in versions if number)
    processors = "{processors} processors ({model})".format(**report["machine"])
    return [
        f"Made on {report['date']} with {installed}; {processors}.",
        *NOTES,
    ]


def _markdown(report, made):
    yield f"```\n{report['command']}\n```"
    yield from _origin(report)
    if report["left_out"]:
        yield "\n".join(f"- left out: {line}" for line in report["left_out"])
    for title, (headings, rows) in made.items():
        yield f"**{title}**"
        lines = [headings, ["---"] * len(headings), *rows]
        yield "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rst(report, made):
    yield f".. code-block:: console\n\n   $ {report['command']}"
    for paragraph in _origin(report):
        yield paragraph.replace("`", "``")
    if report["left_out"]:
        yield "\n".join(f"- left out: {line}" for line in report["left_out"])
    for title, (headings, rows) in made.items():
        lines = [f".. csv-table:: {title}", "   :header-rows: 1", ""]
        for row in [headings, *rows]:
            lines.append("   " + ",".join(f'"{cell}"' for cell in row))
        yield "\n".join(lines)


def write_table(path, report, made):
    """Write the tables with their origin, as reStructuredText if the name says so."""
    blocks = (_rst if Path(path).suffix == ".rst" else _markdown)(report, made)
    Path(path).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
