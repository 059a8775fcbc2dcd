#!/usr/bin/env python3
"""Gradient-boosted trees and a random forest on the weights of a zoo, beside the models of `weft train`.

    pip install numpy scipy safetensors scikit-learn [xgboost] [lightgbm]
    tools/trees.py ZOO [--checkpoint 75] [--splits 0 1 2 3 4] [--features statistics|weights]

Trains on the checkpoints of the training networks, tests on the last one (or the chosen one) of the test networks, and prints
Kendall's tau-b for all of them and for those above 20, 40, 60, 80 % accuracy, with mean and standard deviation over the splits.
"""
import argparse
import csv
import pathlib
import warnings

import numpy as np
from safetensors.numpy import load_file
from scipy.stats import kendalltau

QUANTILES = (0, 0.25, 0.5, 0.75, 1)
THRESHOLDS = (0, 0.2, 0.4, 0.6, 0.8)


def read_zoo(folder):
    """Rows of the table, and one row of numbers per tensor and checkpoint."""
    with open(folder / "table.csv") as file:
        rows = {int(row["id"]): row for row in csv.DictReader(file)}
    parts, ids = {}, []
    for shard in sorted(folder.glob("weights-*.safetensors")):
        tensors = load_file(shard)
        ids.extend(int(i) for i in tensors["table.id"])
        for name, values in tensors.items():
            if not name.startswith("table."):
                parts.setdefault(name, []).append(values.reshape(len(values), -1))
    return rows, ids, {name: np.concatenate(values) for name, values in parts.items()}


def features(tensors, kind):
    if kind == "weights":
        return np.concatenate(list(tensors.values()), axis=1)
    columns = []
    for values in tensors.values():
        columns += [values.mean(axis=1), values.var(axis=1), *np.quantile(values, QUANTILES, axis=1)]
    return np.stack(columns, axis=1)


def forests(seed):
    """Name and a maker of each kind that is installed."""
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    makers = {"random forest": lambda: RandomForestRegressor(300, min_samples_leaf=2, n_jobs=-1, random_state=seed),
              "boosted trees (scikit-learn)": lambda: HistGradientBoostingRegressor(random_state=seed)}
    try:
        from xgboost import XGBRegressor
        makers["boosted trees (xgboost)"] = lambda: XGBRegressor(n_estimators=300, learning_rate=0.05, random_state=seed)
    except ImportError:
        pass
    try:
        from lightgbm import LGBMRegressor
        makers["boosted trees (lightgbm)"] = lambda: LGBMRegressor(n_estimators=300, learning_rate=0.05, random_state=seed, verbose=-1)
    except ImportError:
        pass
    return makers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=pathlib.Path)
    parser.add_argument("--checkpoint", help="of every network, in zoos that name them; 75 when not given")
    parser.add_argument("--splits", type=int, nargs="+", default=range(5))
    parser.add_argument("--features", choices=("statistics", "weights"), default="statistics")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="X does not have valid feature names")

    rows, ids, tensors = read_zoo(options.zoo)
    x, table = features(tensors, options.features), [rows[i] for i in ids]
    accuracy = np.array([float(row["accuracy"]) for row in table])
    usable = np.array([row["diverged"] == "0" for row in table])
    last = {}
    for i, row in enumerate(table):
        if row["network"] not in last or int(table[last[row["network"]]]["epoch"]) < int(row["epoch"]):
            last[row["network"]] = i
    chosen = usable & np.isin(np.arange(len(table)), list(last.values()))
    if "checkpoint" in table[0]:
        usable &= np.array([row["checkpoint"] == (options.checkpoint or "75") for row in table])
        chosen = usable
    elif options.checkpoint:
        parser.error("this zoo does not name its checkpoints")

    print("Kendall's tau-b, above".ljust(32), *(f"{t:.0%}".rjust(14) for t in THRESHOLDS))
    for name, make in forests(0).items():
        taus = {t: [] for t in THRESHOLDS}
        counts = {t: [] for t in THRESHOLDS}
        for split in options.splits:
            part = np.array([row[f"split_{split}"] for row in table])
            train, test = usable & (part == "train"), chosen & (part == "test")
            predicted = make().fit(x[train], accuracy[train]).predict(x[test])
            for t in THRESHOLDS:
                above = accuracy[test] > t
                counts[t].append(int(above.sum()))
                if above.sum() > 1:
                    taus[t].append(kendalltau(predicted[above], accuracy[test][above]).statistic)
        cells = [f"{np.mean(taus[t]):.3f} ± {np.std(taus[t], ddof=len(taus[t]) > 1):.3f}" if taus[t] else "-" for t in THRESHOLDS]
        print(name.ljust(32), *(cell.rjust(14) for cell in cells))
    print("test networks of a split".ljust(32), *(f"{np.mean(counts[t]):.0f}".rjust(14) for t in THRESHOLDS))


if __name__ == "__main__":
    main()
