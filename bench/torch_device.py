#!/usr/bin/env python3
"""Times training steps (forward, backward, Adam) of the benchmark models on a GPU with weft and with PyTorch, eager, compiled and under
CUDA graphs, one after the other in several rounds: float32 with TF32 off on both sides, the device waited for after every step.

    torch_device.py WEFT [MODEL ...] [--device cuda:0] [--modes eager,compiled,graph] [--rounds N] [--seconds S]
        WEFT    build/release/apps/weft; - leaves it out

Each line of one program is as `weft bench step` prints it; then weft's speed beside every mode, and the step's share of what the
device's own copy and product would take.
"""
import argparse
import os
import statistics
import time

from steps import COST, line
from torch_models import case


def moved(x, device):
    """Tensors within dictionaries and lists on the device."""
    if isinstance(x, dict):
        return {name: moved(value, device) for name, value in x.items()}
    if isinstance(x, list):
        return [moved(value, device) for value in x]
    return x.to(device)


def best_time(step, wait, seconds):
    """(minimum, median) milliseconds."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        start = time.perf_counter()
        step()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), statistics.median(times)


def torch_line(name, mode, device, seconds):
    """{parameters, min_ms, median_ms, peak_mib} of one mode."""
    import torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    on_gpu = torch.device(device).type == "cuda"
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    model, x, target, loss = case(name)
    model, x, target = model.to(device), moved(x, device), target.to(device)
    run = torch.compile(model) if mode == "compiled" else model
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-4, capturable=mode == "graph")

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss(run(x), target).backward()
        optimiser.step()

    replayed = step
    if mode == "graph":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        replayed = graph.replay
    for _ in range(5):
        replayed()
    wait()
    fastest, median = best_time(replayed, wait, seconds)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else 0
    return {"parameters": sum(p.numel() for p in model.parameters()), "min_ms": fastest, "median_ms": median, "peak_mib": peak}


def peaks(device):
    """(float32 flops, bytes) a second of a large product and of a copy, by PyTorch."""
    import torch
    torch.backends.cuda.matmul.allow_tf32 = False
    n = 8192 if torch.device(device).type == "cuda" else 1024
    wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
    a, b = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
    product, _ = best_time(lambda: a @ b, wait, 2)
    copy, _ = best_time(lambda: b.copy_(a), wait, 1)
    return 2e3 * n**3 / product, 8e3 * n**2 / copy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weft")
    parser.add_argument("models", nargs="*", default=list(COST))
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--modes", default="eager,compiled,graph")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    flops, bandwidth = peaks(args.device)
    print(f"peaks: {flops * 1e-12:.1f} TFLOP/s, {bandwidth * 1e-9:.0f} GB/s", flush=True)
    environment = os.environ | {"WEFT_DEVICE": args.device}
    programs = [] if args.weft == "-" else ["weft"]
    programs += args.modes.split(",")
    for model in args.models:
        runs = {who: [] for who in programs}
        for _ in range(args.rounds):
            for who in programs:
                try:
                    runs[who].append(line([args.weft, "bench", "step", model, "--seconds", str(args.seconds)], environment)
                                     if who == "weft" else torch_line(model, who, args.device, args.seconds))
                except Exception as failure:  # one mode may fail on a machine where the others run
                    words = getattr(failure, "stderr", None) or str(failure)
                    print(f"{model} {who} failed: {words.strip().splitlines()[-1] if words.strip() else type(failure).__name__}", flush=True)
                    break
        best = {who: min(found, key=lambda run: run["min_ms"]) for who, found in runs.items() if found}
        for who, run in best.items():
            print(f"{model} {who} parameters={run['parameters']:.0f} min_ms={run['min_ms']:.3f} median_ms={run['median_ms']:.3f} "
                  f"peak_mib={run['peak_mib']:.0f}", flush=True)
        if "weft" not in best:
            continue
        for who, run in best.items():
            if who != "weft":
                print(f"{model} weft is {run['min_ms'] / best['weft']['min_ms']:.1f} times as fast as PyTorch {who}", flush=True)
        work, bytes_moved = COST[model]
        bound = 1e3 * max(work / flops, bytes_moved / bandwidth)
        print(f"{model} roofline: bound {bound:.3f} ms, share of it {100 * bound / best['weft']['min_ms']:.0f} %", flush=True)


if __name__ == "__main__":
    main()
