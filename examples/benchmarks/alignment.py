# SPDX-License-Identifier: BSD-3-Clause
"""
Aligners side by side
=====================

Maps between two views of the same rows: ours, and what one would take instead, in one
process with one thread. Six sections: what a search with mapped rows finds; how far
the adapter is from the best simple map in every direction; maps between a rotation and
least squares, against training it; views without known pairs; one query at a time; and
a gallery that is embedded again in stages. Peers that are not installed are left out.

Without ``--data`` the views are two networks of random weights on the digits.
"""

import argparse
import importlib
import json
import os
import shlex
import subprocess
import sys
import traceback
from datetime import UTC, datetime

from _alignment_data import pairs_of
from _alignment_methods import METHODS
from _process import child_environment, version, without_folders
from _report import machine, show, write_table

SECTIONS = ["retrieval", "gaps", "bound", "unpaired", "query", "backfill"]
N_VIEWS_QUICK = 3
VERSIONS = ["sktransform", "torch", "numpy", "scipy", "scikit-learn"]
NOTES = [
    "All runs in one process with one thread. Seconds are CPU seconds, without "
    "imports; of several seeds, scores are means and seconds medians.",
    "A search takes the cosine, in a gallery of up to 2000 rows that no map has seen. "
    "`recall@1` and `recall@10` are the share of queries whose own row is the first, "
    "or among the first 10; `overlap@10` the share of the 10 rows that the true vector "
    "would find; `error` the mean squared error as a share of the targets' variance.",
    "A gap is our score less the best of a rotation (with a scale and without), ridge "
    "regression and least squares, at the same pairs; missing is 1 less the mean.",
    "`POT Gaussian` and the rows of the table of two sides with 0 known pairs know no "
    "pairs. `agreement` is what the estimator itself says of its result.",
    "Bounded maps: losses are shares of the targets' variance. A gap is how much more "
    "loss a map has than the best of its own distance r from a rotation. Times to a "
    "gap are those of the first check under it; ours are of the moments and a solve.",
    "A gallery embedded again in stages: 300 pairs, up to 3000 rows and 1000 queries; "
    "the change is from the old space to the new one. Scores are the share of the 10 "
    "rows that new vectors alone would find; `area` is the mean over all shares of new "
    "rows, and `over chance` its difference to a random order of the same rows.",
]


def section(name):
    """Return the module of a section; it is imported when it is asked for."""
    return importlib.import_module(f"_alignment_{name}")


def run_section(name, arguments, left_out):
    """Return the records of a section; if it breaks off, those until then."""
    module, found = section(name), []
    try:
        for record in module.records(arguments, left_out):
            found.append(record)
            print(module.describe(record), flush=True)
            for error in record["errors"].values():
                print(f"  {without_folders(error)}")
    except Exception as error:
        traceback.print_exc()
        left_out.append(f"{name}: broken off by {type(error).__name__}")
    return found


def run(arguments):
    """Return section -> records, and in words what is left out."""
    left_out = []
    found = {
        name: run_section(name, arguments, left_out) for name in arguments.sections
    }
    left_out = [*dict.fromkeys(left_out)]
    for line in left_out:
        print(f"left out: {line}")
    return found, left_out


def parse_arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Aligners side by side.")
    parser.add_argument("--quick", action="store_true", help="less than three minutes")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="where agnews_embeddings.npz and mnist_latents.npz are",
    )
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--pairs", nargs="+", help="as source->target")
    parser.add_argument("--n-pairs", nargs="+", type=int)
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--output", metavar="PATH", help="write everything as JSON")
    parser.add_argument(
        "--markdown", metavar="PATH", help="write the tables, as .md or .rst"
    )
    arguments = parser.parse_args()
    known = pairs_of(arguments.data)
    if arguments.pairs is None:
        arguments.pairs = known[:N_VIEWS_QUICK] if arguments.quick else known
    unknown = [pair for pair in arguments.pairs if pair not in known]
    if unknown:
        parser.error(f"no pair {unknown[0]}: choose from {', '.join(known)}")
    if arguments.n_pairs is None:
        arguments.n_pairs = [300] if arguments.quick else [100, 300, 1000, 3000]
    if arguments.seeds is None:
        arguments.seeds = [0] if arguments.quick else [0, 1, 2]
    return arguments


def report_of(arguments):
    """Return all that is known of a run."""
    found, left_out = run(arguments)
    words = [without_folders(word) for word in sys.argv[1:]]
    packages = {*VERSIONS, *(method.package for method in METHODS.values())}
    return {
        "command": shlex.join(["python", "examples/benchmarks/alignment.py", *words]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in sorted(packages)},
        "left_out": left_out,
        "records": found,
    }


def main():
    arguments = parse_arguments()
    environment = child_environment()
    if environment != dict(os.environ):
        # The number of threads is read when the libraries are loaded.
        command = [sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    report = report_of(arguments)
    made = {}
    for name, records in report["records"].items():
        made |= section(name).tables(records)
    show(made)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if arguments.markdown:
        write_table(arguments.markdown, report, made, NOTES)
    failed = [
        record
        for records in report["records"].values()
        for record in records
        if record["errors"] and record["method"].startswith("ours")
    ]
    if failed or any("broken off" in line for line in report["left_out"]):
        sys.exit("Something failed: see above.")


if __name__ == "__main__":
    main()
