#!/usr/bin/env python3
"""Runs the products of bench/gemm_bench.cpp with weft, with the CBLAS once per item, and with torch.bmm where Python has PyTorch, one
after the other in several rounds, and prints the best times and how fast weft is beside the faster rival.

    compare.py BENCH [--rounds N] [--repeats N] [--threads N] [--json] [PART OF A NAME]      BENCH: build/release/bench/weft_bench
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

RIVALS = ("cblas", "torch")


def run_weft(bench, part, repeats, threads):
    """{(who, product): seconds} of weft and the CBLAS."""
    command = [bench, "--json", "--repeats", str(repeats), part or "gemm"]
    environment = os.environ | {"WEFT_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    report = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    names = ((case["name"].split(" ", 2), case["min_s"]) for case in report["cases"])
    return {(name[1], name[2]): seconds for name, seconds in names if name[0] == "gemm"}


def shape(product):
    """"8x[20,20]Tx[20,256]" -> batch 8, m 20, k 20, n 256, a given transposed, b not."""
    batch, m, k, ta, _, n, tb = re.fullmatch(r"(\d+)x\[(\d+),(\d+)\](T?)x\[(\d+),(\d+)\](T?)", product).groups()
    return int(batch), int(m), int(k), int(n), bool(ta), bool(tb)


def torch_product(torch, product):
    batch, m, k, n, ta, tb = shape(product)
    a = torch.randn(batch, k, m).transpose(1, 2) if ta else torch.randn(batch, m, k)
    b = torch.randn(batch, n, k).transpose(1, 2) if tb else torch.randn(batch, k, n)
    c = torch.empty(batch, m, n)
    return lambda: torch.bmm(a, b, out=c)


def best_time(body, repeats):
    """As bench/harness.cpp measures: warm-up, then repeats of at least a millisecond each."""
    def seconds(calls):
        start = time.perf_counter()
        for _ in range(calls):
            body()
        return (time.perf_counter() - start) / calls
    body()
    calls = max(1, int(1e-3 / seconds(3)))
    return min(seconds(calls) for _ in range(repeats))


def measure(options):
    try:
        import torch
        torch.set_num_threads(options.threads)
    except ImportError:
        torch = None
        print("compare: Python has no torch; only weft and the CBLAS are compared", file=sys.stderr)
    best, products = {}, {}
    for _ in range(options.rounds):
        times = run_weft(options.bench, options.part, options.repeats, options.threads)
        if torch:
            for product in {product: None for _, product in times}:
                products[product] = products.get(product) or torch_product(torch, product)
                times["torch", product] = best_time(products[product], options.repeats)
        for key, seconds in times.items():
            best[key] = min(seconds, best.get(key, seconds))
    rows = []
    for product in {product: None for _, product in best}:
        row = {"name": product} | {who: best[who, product] for who in ("weft", *RIVALS) if (who, product) in best}
        row |= {f"weft/{who}": row[who] / row["weft"] for who in RIVALS if who in row}
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_intermixed_args()
    rows = measure(options)
    if not rows:
        sys.exit(f"compare: no product's name has '{options.part}' in it")
    if options.json:
        print(json.dumps({"threads": options.threads, "cases": rows}, indent=1))
        return
    whos = [who for who in ("weft", *RIVALS) if who in rows[0]]
    print(f"{options.threads} threads, float32; speed of weft over a rival's, best of {options.rounds} rounds")
    print(f"{'product':<32}" + "".join(f"{who + ' us':>12}" for who in whos) + "".join(f"{'weft/' + who:>12}" for who in whos[1:]))
    for row in rows:
        print(f"{row['name']:<32}" + "".join(f"{row[who] * 1e6:>12.2f}" for who in whos) +
              "".join(f"{row['weft/' + who]:>12.2f}" for who in whos[1:]))


if __name__ == "__main__":
    main()
