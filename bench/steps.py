#!/usr/bin/env python3
"""Times training steps of the benchmark models with weft and with PyTorch (torch_models.py), one after the other in several rounds, and
prints the best times, weft's speed beside the rival's, and where the step stands against the machine's own peaks.

    steps.py WEFT BENCH [MODEL ...] [--rounds N] [--seconds S] [--threads N] [--compile] [--busy]
        WEFT    build/release/apps/weft
        BENCH   build/release/bench/weft_bench, which measures the peaks
        --busy  another process keeps one core busy all the while; then weft runs with one thread, too
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys

RIVAL = pathlib.Path(__file__).with_name("torch_models.py")

# Of one step: multiplications and additions, and bytes that must move (parameters, gradients, optimiser; features where they outgrow
# the caches).
COST = {"cnn": (0.17e9, 28e6), "inr": (35e9, 0.6e9), "transformer1": (0.85e9, 56e6), "transformer2": (5.8e9, 560e6)}


def line(command, environment):
    """{who, parameters, min_ms, median_ms, peak_mib} of the last line that a command prints."""
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
    found = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", text)}
    return {"who": text.split()[1]} | found


def peaks(bench, environment):
    """(flops, bytes) a second of the largest product and of a copy."""
    def best(part):
        report = subprocess.run([bench, "--json", "--repeats", "10", part], env=environment, capture_output=True, text=True, check=True)
        return json.loads(report.stdout)["cases"]
    product = max(case["gflops"] for case in best("gemm weft 1x[1024") if case["gflops"])
    copy = max(case["gbytes_s"] for case in best("memory copy"))
    return 1e9 * product, 1e9 * copy


@contextlib.contextmanager
def busy_core():
    """One core has something else to do, too."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weft")
    parser.add_argument("bench")
    parser.add_argument("models", nargs="*", default=["cnn", "inr", "transformer1", "transformer2"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    with busy_core() if args.busy else contextlib.nullcontext():
        measure(args)


def measure(args):
    environment = os.environ | {"WEFT_THREADS": str(args.threads), "OMP_NUM_THREADS": str(args.threads)}
    flops, bandwidth = peaks(args.bench, environment)
    print(f"peaks: {flops * 1e-9:.0f} GFLOP/s, {bandwidth * 1e-9:.0f} GB/s")
    options = ["--seconds", str(args.seconds)]
    rival_options = options + ["--threads", str(args.threads)] + (["--compile"] if args.compile else [])
    for model in args.models:
        runs = {"weft": [], "rival": [], "alone": []}
        for _ in range(args.rounds):
            runs["weft"].append(line([args.weft, "bench", "step", model, *options], environment))
            runs["rival"].append(line([sys.executable, str(RIVAL), model, *rival_options], environment))
            if args.busy:
                runs["alone"].append(line([args.weft, "bench", "step", model, *options], environment | {"WEFT_THREADS": "1"}))
        best = {who: min(of, key=lambda run: run["min_ms"]) for who, of in runs.items() if of}
        for who in ("weft", "rival"):
            run = best[who]
            print(f"{model} {run['who']} parameters={run['parameters']:.0f} min_ms={run['min_ms']:.2f} "
                  f"median_ms={min(r['median_ms'] for r in runs[who]):.2f} peak_mib={run['peak_mib']:.0f}")
        print(f"{model} weft is {best['rival']['min_ms'] / best['weft']['min_ms']:.1f} times as fast (minima), "
              f"{min(r['median_ms'] for r in runs['rival']) / min(r['median_ms'] for r in runs['weft']):.1f} times (medians)")
        if args.busy:
            alone, together = (min(r["median_ms"] for r in runs[who]) for who in ("alone", "weft"))
            print(f"{model} beside a busy core {args.threads} threads take {together / alone:.2f} of one thread's time (medians)")
        work, moved = COST[model]
        bound = max(work / flops, moved / bandwidth)
        print(f"{model} roofline: {work * 1e-9:.2f} GFLOP, {moved * 1e-6:.0f} MB, bound {1e3 * bound:.2f} ms, "
              f"share of the bound {100 * bound / (best['weft']['min_ms'] * 1e-3):.0f} %")


if __name__ == "__main__":
    main()
