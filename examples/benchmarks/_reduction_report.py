# SPDX-License-Identifier: BSD-3-Clause
"""Medians, ratios and tables of the comparison of reducers."""

from _report import grouped, table

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
RATIOS = [
    ("fit s", "fit_s", ".3f"),
    ("rise MB", "rise_mb", ".3f"),
    ("stress", "stress", ".3f"),
]
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
            for _, name, _ in RATIOS:
                if mine.get(name) is not None and peer.get(name):
                    row[name] = mine[name] / peer[name]
            found.append(row)
    return found


def tables(report):
    """Return title -> (headings, rows of text)."""
    medians = grouped(report["records"], ("data", "method"))
    made = {
        title: table(medians, ("data", "method"), columns, needed)
        for (title, columns), needed in zip(
            COLUMNS.items(), ("fit_s", "transform_s"), strict=True
        )
    }
    names = ("data", "ours", "peer")
    quotients = grouped(report["ratios"], names)
    made["Ours divided by the peer's"] = table(quotients, names, RATIOS)
    return {title: table for title, table in made.items() if table[1]}
