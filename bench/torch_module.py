#!/usr/bin/env python3
"""What weft.torch costs: training steps of the `cnn` benchmark model (`weft bench step cnn`), as a module of PyTorch with PyTorch's Adam,
beside the same step without PyTorch, each followed by PyTorch's Adam. Needs the wheel and torch in one Python.

    torch_module.py [--rounds N] [--threads N]

Times are of four steps of each after two that warm up, in rounds. The step without PyTorch is forward, loss and backward pass on a weft.Tape, without
weft's own Adam: what C++ computes, called from Python.
"""
import argparse
import statistics
import time

import torch

import weft
import weft.torch

BATCH = 8


def seconds(step, repeats=4):
    for _ in range(2):
        step()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=weft.threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    weft.set_threads(given.threads)

    space = weft.cnn_space([1, 16, 16, 16, 10], [(3, 3), (3, 3), (3, 3), (1, 1)], "positive_monomial")
    torch.manual_seed(0)
    weights = {t.name: torch.randn(BATCH, t.taps[0] * t.taps[1], *space.shapes[t.name]) for t in space.tensors}
    target = torch.rand(BATCH, 1)

    net = weft.torch.Module(weft.make_reader("magep", space))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)

    def torch_step():
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(weights), target).backward()
        optimiser.step()

    model = weft.make_reader("magep", space)
    tape, inputs = weft.Tape(), model.prepare(weights)

    def weft_step():
        tape.reset()
        loss = weft.binary_cross_entropy_with_logits(model.forward(tape, inputs), target)
        tape.backward(weft.mean_all(loss))

    def both():
        weft_step()
        optimiser.step()

    steps = {"weft.torch": torch_step, "weft, then Adam": both, "weft": weft_step, "Adam of PyTorch": optimiser.step}
    times = {name: [] for name in steps}
    for _ in range(given.rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    for name, all_times in times.items():
        print(f"{name:16}{1e3 * min(all_times):8.3f} ms at least {1e3 * statistics.median(all_times):8.3f} ms median")
    over = [of(times["weft.torch"]) / of(times["weft, then Adam"]) - 1 for of in (min, statistics.median)]
    print(f"weft.torch takes {over[0]:+.1%} (least), {over[1]:+.1%} (median) beside weft, then Adam")



if __name__ == "__main__":
    main()
