# SPDX-License-Identifier: BSD-3-Clause
"""
Augmentation side by side
=========================

What a learned policy gains on few training rows, beside repeating them, all
transformations at full range, SMOTE, mixup, widths learned on training rows, and the
transformations that are known to hold. Five estimators, in processes of one thread.

The run is long: finished pairs of problem and seed are kept in the file of
``--output``, and a second call goes on where the first one stopped.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from _augmentation_data import PROBLEMS, problems_of
from _augmentation_methods import ESTIMATORS, METHODS, records
from _augmentation_report import tables
from _augmentation_views import measure as measure_views
from _augmentation_views import views_table
from _process import child_environment, version, without_folders
from _report import machine, show, write_table

VERSIONS = [
    "sktransform",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "imbalanced-learn",
]
NOTES = [
    "Each process has one thread; seconds are CPU seconds of making rows, judging and "
    "the final training, without imports.",
    "Gains are points of test accuracy, or of R2, over training on the rows alone, "
    "paired by split. Intervals are 95 % t intervals over pairs of problem and seed, "
    "averaged over estimators.",
    "`repeated` is a control: the rows merely repeated as often as others make copies. "
    "`oracle` is told what holds.",
]


def measure(name, seed, folder, methods, names, random_labels):
    """Return the records of one problem and seed."""
    warnings.simplefilter("ignore")
    problem = PROBLEMS[name]
    split = problem.load(seed, folder)
    if random_labels:
        y = np.random.default_rng(seed).permutation(split.y)
        split = replace(split, y=y)
    labels = {"problem": name, "kind": problem.kind, "seed": seed}
    labels["is_regression"] = problem.is_regression
    return [{**labels, **r} for r in records(problem, split, seed, methods, names)]


def run(arguments, kept):
    """Return the records of all problems and seeds; those kept are not made again."""
    done = {(record["problem"], record["seed"]) for record in kept}
    wanted = [
        (name, seed)
        for name in arguments.problems
        for seed in range(arguments.seeds or PROBLEMS[name].n_seeds)
        if (name, seed) not in done
    ]
    fixed = arguments.data, arguments.methods, arguments.estimators
    fixed = *fixed, arguments.random_labels
    with ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = {pool.submit(measure, *pair, *fixed): pair for pair in wanted}
        for job in as_completed(jobs):
            own = job.result()
            kept += own
            ours = [r["score"] for r in own if r["method"] == "ours"]
            alone = [r["score"] for r in own if r["method"] == "none"]
            gain = sum(ours) / len(ours) - sum(alone) / len(alone) if ours else 0.0
            print(*jobs[job], f"ours {gain:+.2f}", flush=True)
            if arguments.output:
                write(arguments, kept)
    return kept


def write(arguments, found, views=()):
    """Write all that is known of a run."""
    words = [without_folders(word) for word in sys.argv[1:]]
    command = ["python", "examples/benchmarks/augmentation.py", *words]
    report = {
        "command": shlex.join(command),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in VERSIONS},
        "left_out": []
        if arguments.data
        else [name for name in PROBLEMS if name not in problems_of(None)],
        "views": [*views],
        "records": found,
    }
    if arguments.output:
        # Whole or not at all: a run that is cut off is gone on with.
        partial = Path(arguments.output).with_suffix(".partial")
        partial.write_text(json.dumps(report, indent=1), encoding="utf-8")
        partial.replace(arguments.output)
    return report


def parse_arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Augmentation side by side.")
    parser.add_argument("--quick", action="store_true", help="less than three minutes")
    parser.add_argument(
        "--data", metavar="FOLDER", help="where mnist.npz and adult.csv.gz are"
    )
    parser.add_argument("--problems", nargs="+")
    parser.add_argument("--seeds", type=int, help="of each problem; else 10 or 5")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS)
    parser.add_argument(
        "--random-labels",
        action="store_true",
        help="shuffle the training labels: nothing should be accepted",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--output", metavar="PATH", help="write everything as JSON")
    parser.add_argument(
        "--markdown", metavar="PATH", help="write the tables, as .md or .rst"
    )
    arguments = parser.parse_args()
    known = list(problems_of(arguments.data))
    if arguments.problems is None:
        quick = ["T n=120", "digits n=100", "wine n=60"]
        arguments.problems = quick if arguments.quick else known
    unknown = [name for name in arguments.problems if name not in known]
    if unknown:
        parser.error(f"no problem {unknown[0]}: choose from {', '.join(known)}")
    if arguments.quick:
        arguments.seeds = arguments.seeds or 1
    if arguments.estimators is None:
        arguments.estimators = ["LR", "RF", "SVC"] if arguments.quick else ESTIMATORS
    return arguments


def main():
    arguments = parse_arguments()
    environment = child_environment()
    if environment != dict(os.environ):
        # The number of threads is read when the libraries are loaded.
        command = [sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    kept = []
    if arguments.output and Path(arguments.output).exists():
        kept = json.loads(Path(arguments.output).read_text("utf-8"))["records"]
    report = write(arguments, run(arguments, kept), measure_views())
    made = tables(report["records"])
    made["A version of each of many rows"] = views_table(report["views"])
    show(made)
    if arguments.markdown:
        write_table(arguments.markdown, report, made, NOTES)


if __name__ == "__main__":
    main()
