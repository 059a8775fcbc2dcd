#!/usr/bin/env python3
"""The rival of `weft zoo make --kind siren`: the same implicit networks, fitted in PyTorch by batched products.

    python3 siren_torch.py --data DIR [--images 64] [--at-once 64] [--steps 400] [--batch 196] [--rate 2e-3] [--threads 2] [--compile]

SIREN 2-32-32-1, omega 30, on MNIST's images of 28x28 pixels: mean squared error on `batch` pixels a step, Adam with a cosine to 0.
`--at-once` networks go through one step together. Prints the mean PSNR (peak 2) and fits a second.
"""
import argparse
import gzip
import math
import time

import torch

OMEGA, WIDTH = 30.0, 32


def images_of(folder, count):
    with gzip.open(f"{folder}/train-images-idx3-ubyte.gz") as file:
        file.read(16)
        raw = bytearray(file.read(count * 784))
    return torch.frombuffer(raw, dtype=torch.uint8).view(count, 784).float() / 127.5 - 1


def start(networks, generator):
    def uniform(bound, *shape):
        return ((torch.rand(networks, *shape, generator=generator) * 2 - 1) * bound).requires_grad_()
    inner = math.sqrt(6 / WIDTH) / OMEGA
    return [uniform(1 / 2, WIDTH, 2), uniform(1 / math.sqrt(2), WIDTH, 1), uniform(inner, WIDTH, WIDTH),
            uniform(1 / math.sqrt(WIDTH), WIDTH, 1), uniform(inner, 1, WIDTH), uniform(1 / math.sqrt(WIDTH), 1, 1)]


def rendered(weights, places):
    w1, b1, w2, b2, w3, b3 = weights
    x = torch.sin(OMEGA * torch.baddbmm(b1, w1, places))
    x = torch.sin(OMEGA * torch.baddbmm(b2, w2, x))
    return torch.baddbmm(b3, w3, x).squeeze(1)


def fit(images, a, generator):
    networks = len(images)
    weights = start(networks, generator)
    line = torch.linspace(-1, 1, 28)
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij")).view(2, 784)
    forward = torch.compile(rendered) if a.compile else rendered
    optimiser = torch.optim.Adam(weights, lr=a.rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, a.steps)
    order = torch.empty(networks, 0, dtype=torch.long)
    for _ in range(a.steps):
        if a.batch == 784:
            places, target = grid.expand(networks, 2, 784), images
        else:
            if order.shape[1] < a.batch:
                order = torch.rand(networks, 784, generator=generator).argsort(1)
            some, order = order[:, :a.batch], order[:, a.batch:]
            places, target = grid[:, some].permute(1, 0, 2), images.gather(1, some)
        optimiser.zero_grad()
        # The sum over networks of each one's mean: they do not feel each other.
        ((forward(weights, places) - target) ** 2).mean(1).sum().backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        error = ((rendered(weights, grid.expand(networks, 2, 784)) - images) ** 2).mean(1)
    return 10 * torch.log10(4 / error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=196)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    images, generator = images_of(a.data, a.images), torch.Generator().manual_seed(0)
    fit(images[:a.at_once], argparse.Namespace(**{**vars(a), "steps": 5}), generator)  # warm-up
    begin = time.perf_counter()
    psnr = torch.cat([fit(some, a, generator) for some in images.split(a.at_once)])
    seconds = time.perf_counter() - begin
    print(f"torch {torch.__version__}, {a.threads} threads, {a.steps} steps of {a.batch} pixels: "
          f"PSNR {psnr.mean():.2f} dB, {a.images / seconds:.2f} fits a second")


if __name__ == "__main__":
    main()
