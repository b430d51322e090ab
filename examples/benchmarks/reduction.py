# SPDX-License-Identifier: BSD-3-Clause
"""
Reducers side by side
=====================

``GaussianWeightedLinearReducer``, ``GaussianWeightedNeighborReducer`` and their peers
on the same rows, each in a fresh process with one thread: what the first fit costs in
CPU time and memory, what the map keeps, and what becomes of rows that fit never saw.
Peers that are not installed are left out. Each has its own defaults, but for two
dimensions, a seed, and what the table of methods below says.
"""

import argparse
import json
import shlex
import subprocess
import sys
import warnings
from datetime import UTC, datetime

from _process import child_environment, version, without_folders
from _protocol import DATA, Method, load_and_measure
from _reduction_report import FIGURES, NOTES, ratios, tables
from _report import combine, machine, show, write_table

# Above this many CPU seconds a fit is not repeated.
MAX_SECONDS_REPEATED = 20
VERSIONS = ["sktransform", "torch", "numpy", "scipy", "scikit-learn", "numba"]

NEIGHBORS = "GaussianWeightedNeighborReducer"
NEIGHBOR_SETTINGS = [
    "ours, neighbours",
    "ours, map alone",
    "ours, anchored",
    "ours, one map",
]

# The data of a quick run, each with the peers that it has no time for.
QUICK = {
    "digits-split": [
        "ours, map alone",
        "ours, anchored",
        "ours, one map",
        "TorchDR UMAP",
    ],
    "swiss-roll": [
        *NEIGHBOR_SETTINGS,
        "TSNE",
        "openTSNE",
        "umap-learn",
        "TorchDR UMAP",
    ],
    "s-curve": [
        *NEIGHBOR_SETTINGS,
        "TSNE",
        "openTSNE",
        "umap-learn",
        "TorchDR UMAP",
    ],
}


def ours(name="GaussianWeightedLinearReducer", **settings):
    """Return the method for one setting of one of our estimators."""

    def build(X, seed):
        from sktransform import reduction

        return getattr(reduction, name)(random_state=seed, **settings)

    def embed(model, X):
        if not model.store_embedding:
            return model.fit_transform(X)
        return model.fit(X).embedding_

    return Method(build, "sktransform", embed)


def pca(X, seed):
    from sklearn.decomposition import PCA

    return PCA(2, random_state=seed)


def kernel_pca(X, seed):
    from sklearn.decomposition import KernelPCA

    # One over the mean squared distance of two rows: the default gamma is made for
    # features of variance 1, and the digits then have nothing but zeros off the
    # diagonal.
    gamma = 1 / (2 * X.var(axis=0).sum())
    return KernelPCA(
        2, kernel="rbf", gamma=gamma, fit_inverse_transform=True, random_state=seed
    )


def mds(X, seed):
    from sklearn.manifold import MDS

    return MDS(2, init="classical_mds", n_init=1, random_state=seed)


def isomap(X, seed):
    from sklearn.manifold import Isomap

    return Isomap(n_components=2)


def sklearn_tsne(X, seed):
    from sklearn.manifold import TSNE

    return TSNE(2, random_state=seed, n_jobs=1)


def umap_learn(X, seed):
    from umap import UMAP

    return UMAP(n_components=2, random_state=seed, n_jobs=1)


def open_tsne(X, seed):
    from openTSNE.sklearn import TSNE

    return TSNE(2, random_state=seed, n_jobs=1)


def pacmap(X, seed):
    from pacmap import PaCMAP

    return PaCMAP(n_components=2, random_state=seed)


def torchdr_umap(X, seed):
    from torchdr import UMAP

    return UMAP(n_components=2, random_state=seed, device="cpu")


OURS = {
    "ours, distance": ours(),
    "ours, geodesic": ours(metric="geodesic"),
    "ours, neighbours": ours(NEIGHBORS),
    "ours, map alone": ours(NEIGHBORS, store_embedding=False),
    "ours, anchored": ours(NEIGHBORS, anchored=True),
    "ours, one map": ours(NEIGHBORS, stress_weight=0.6),
}
PEERS = {
    "PCA": Method(pca),
    "MDS": Method(mds, max_rows=2000),
    "Isomap": Method(isomap, max_rows=10_000),
    "KernelPCA rbf": Method(kernel_pca, max_rows=10_000),
    "TSNE": Method(sklearn_tsne, max_rows=10_000),
    "openTSNE": Method(open_tsne, "openTSNE"),
    "umap-learn": Method(umap_learn, "umap-learn", max_rows_inverse=200),
    "PaCMAP": Method(pacmap, "pacmap", rows_argument="basis"),
    "TorchDR UMAP": Method(
        torchdr_umap, "torchdr", max_rows=10_000, rows_argument="X_train"
    ),
}
METHODS = OURS | PEERS


def measure_apart(method, data, seed, arguments, judged):
    """Return the record of one method in a process of its own."""
    command = [sys.executable, __file__, "--one", method, data, str(seed)]
    command += ["--mnist", arguments.mnist] if arguments.mnist else []
    command += ["--rows", str(arguments.rows)] if arguments.rows else []
    command += [] if judged else ["--timings-only"]
    command += ["--quick"] if arguments.quick else []
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return {"errors": {"fit": f"exit {done.returncode}: {last}"[:200]}}


def measure_repeatedly(method, data, seed, arguments):
    """Return one record, with medians over repeated runs where they are short."""
    records = [measure_apart(method, data, seed, arguments, judged=True)]
    if records[0].get("fit_s", MAX_SECONDS_REPEATED) < MAX_SECONDS_REPEATED:
        for _ in range(arguments.repeats - 1):
            records.append(measure_apart(method, data, seed, arguments, judged=False))
    record = combine(records)
    errors = {task: without_folders(text) for task, text in record["errors"].items()}
    return {
        "data": data,
        "method": method,
        "seed": seed,
        **dict.fromkeys(FIGURES),  # what a method cannot do stays null
        **record,
        "errors": errors,
        "repeats": len(records),
    }


def plan(arguments):
    """Return the pairs of data and method to run, and in words what is left out."""
    chosen, left_out = [], []
    packages = {METHODS[name].package for name in arguments.methods}
    absent = {package for package in packages if version(package) is None}
    for package in sorted(absent):
        left_out.append(f"{package} is not installed")
    larger = [data for data in DATA if data not in {*QUICK, *arguments.data}]
    if arguments.quick and larger:
        left_out.append(f"{', '.join(larger)}: not in a quick run")
    for data in arguments.data:
        if data.startswith("mnist") and not arguments.mnist:
            left_out.append(f"{data}: give the file with --mnist")
            continue
        n_rows = min(DATA[data][0], arguments.rows or DATA[data][0])
        for name in arguments.methods:
            method = METHODS[name]
            if arguments.quick and name in QUICK.get(data, []):
                left_out.append(f"{name} on {data}: not in a quick run")
            elif not arguments.no_limits and n_rows > method.max_rows:
                left_out.append(f"{name} on {data}: more than {method.max_rows} rows")
            elif method.package not in absent:
                chosen.append((data, name))
    return chosen, left_out


def run(arguments):
    """Return all records, in the order of the plan."""
    chosen, left_out = plan(arguments)
    for line in left_out:
        print(f"left out: {line}")
    records = []
    for data, method in chosen:
        for seed in arguments.seeds:
            record = measure_repeatedly(method, data, seed, arguments)
            fit = record.get("fit_s")
            taken = "failed" if fit is None else f"fit {fit:.2f} CPU s"
            print(f"{data}, {method}, seed {seed}: {taken}", flush=True)
            for task, error in record["errors"].items():
                print(f"  {task}: {error}")
            records.append(record)
    return records, left_out


def parse_arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description="Reducers side by side, each in a fresh process."
    )
    parser.add_argument("--quick", action="store_true", help="less than three minutes")
    parser.add_argument("--data", nargs="+", choices=DATA)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--repeats", type=int, help="runs of what takes under 20 s")
    parser.add_argument(
        "--mnist", metavar="PATH", help="npz with X (63000, 28, 28) in uint8, and y"
    )
    parser.add_argument(
        "--rows", type=int, help="fit so many rows of each at most, to try things out"
    )
    parser.add_argument(
        "--no-limits",
        action="store_true",
        help="fit methods to more rows than they have the time or memory for as a rule",
    )
    parser.add_argument("--output", metavar="PATH", help="write everything as JSON")
    parser.add_argument(
        "--markdown", metavar="PATH", help="write the tables, as .md or .rst"
    )
    parser.add_argument(
        "--one", nargs=3, metavar=("METHOD", "DATA", "SEED"), help="print one record"
    )
    parser.add_argument("--timings-only", action="store_true", help="with --one")
    arguments = parser.parse_args()
    if arguments.data is None:
        arguments.data = [*QUICK] if arguments.quick else [*DATA]
    if arguments.repeats is None:
        arguments.repeats = 1 if arguments.quick else 3
    return arguments


def main():
    arguments = parse_arguments()
    if arguments.one:
        warnings.simplefilter("ignore")
        name, data, seed = arguments.one
        record = load_and_measure(
            METHODS[name],
            data,
            int(seed),
            arguments.mnist,
            not arguments.timings_only,
            arguments.rows,
            not arguments.quick,
        )
        print(json.dumps(record))
        return
    records, left_out = run(arguments)
    words = [without_folders(word) for word in sys.argv[1:]]
    packages = {*VERSIONS, *(method.package for method in METHODS.values())}
    report = {
        "command": shlex.join(["python", "examples/benchmarks/reduction.py", *words]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in sorted(packages)},
        "left_out": left_out,
        "records": records,
        "ratios": ratios(records, [*OURS]),
    }
    made = tables(report)
    show(made)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if arguments.markdown:
        write_table(arguments.markdown, report, made, NOTES)
    failed = [record for record in records if "fit" in record["errors"]]
    if any(record["method"] in OURS for record in failed):
        sys.exit("Our own estimator failed: see above.")


if __name__ == "__main__":
    main()
