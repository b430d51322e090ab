# SPDX-License-Identifier: BSD-3-Clause
"""
Further estimators side by side
===============================

Rotations of a few angles, new rows of embeddings and of tables, classes that come one
after the other, and how exactly recorded augmentation is undone. All data are made or
shipped with scikit-learn.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import _further_classes
import _further_inverses
import _further_rotations
import _further_rows
from _process import child_environment, version, without_folders
from _report import machine, show, write_table

SECTIONS = {
    "rotations": _further_rotations,
    "rows": _further_rows,
    "classes": _further_classes,
    "inverses": _further_inverses,
}
VERSIONS = [
    "sktransform",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "imbalanced-learn",
]


def parse_arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Further estimators side by side.")
    parser.add_argument("--quick", action="store_true", help="less than two minutes")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=[*SECTIONS])
    parser.add_argument("--seeds", type=int, help="of each section; else 2 to 10")
    parser.add_argument("--output", metavar="PATH", help="write everything as JSON")
    parser.add_argument(
        "--markdown", metavar="PATH", help="write the tables, as .md or .rst"
    )
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    environment = child_environment()
    if environment != dict(os.environ):
        # The number of threads is read when the libraries are loaded.
        command = [sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    found, made, notes = {}, {}, []
    for name in arguments.sections:
        section = SECTIONS[name]
        n_seeds = arguments.seeds or (1 if arguments.quick else section.N_SEEDS)
        found[name] = [
            record for seed in range(n_seeds) for record in section.records(seed)
        ]
        made |= section.tables(found[name])
        notes.append(section.NOTE)
    show(made)
    words = [without_folders(word) for word in sys.argv[1:]]
    report = {
        "command": shlex.join(["python", "examples/benchmarks/further.py", *words]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in VERSIONS},
        "left_out": [],
        "records": found,
    }
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if arguments.markdown:
        write_table(arguments.markdown, report, made, notes)


if __name__ == "__main__":
    main()
