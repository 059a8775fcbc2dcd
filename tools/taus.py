#!/usr/bin/env python3
"""Kendall's tau of runs of `tools/experiment.sh`, mean and standard deviation over their splits, as lines of a table.

    tools/taus.py OUT/MODEL...      OUT/MODEL-0, OUT/MODEL-1, ... are the runs; of all test networks and of those above thresholds
"""
import glob
import json
import statistics
import sys


def text(taus):
    taus = [tau for tau in taus if tau is not None]
    if not taus:
        return "-"
    return f"{statistics.mean(taus):.3f}" + (f" ± {statistics.stdev(taus):.3f}" if len(taus) > 1 else "")


for model in sys.argv[1:]:
    judged = [json.load(open(path)) for path in sorted(glob.glob(f"{glob.escape(model)}-[0-9]/eval.json"))]
    if not judged:
        sys.exit(f"{model}: no runs that were judged ({model}-0/eval.json)")
    columns = [[run["tau"][0] for run in judged]]
    for above in zip(*(run["above"] for run in judged)):
        columns.append([one["tau"][0] for one in above])
    print("|", model.rsplit("/", 1)[-1], "|", " | ".join(map(text, columns)), "|")
