#!/usr/bin/env python3
"""The rival of `weft_bench population`: the same small CNNs, trained in PyTorch one after the other.

    python3 population_torch.py [--networks 4] [--images 4000] [--batch 32] [--threads 2] [--activation relu|tanh] [--dropout 0]

Three 3x3 convolutions of 16 channels, stride 2, no padding, mean over the image, dense 10: 4970 parameters on 28x28 grey.
A plain loop on tensors in memory: no DataLoader, no logging; Adam in its fused form where this PyTorch has it.
"""
import argparse
import time

import torch
from torch import nn


def network(activation, dropout):
    layers, channels = [], 1
    for _ in range(3):
        layers += [nn.Conv2d(channels, 16, 3, stride=2), nn.ReLU() if activation == "relu" else nn.Tanh()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        channels = 16
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def train(model, images, labels, batch):
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6, fused=True)
    loss_of = nn.CrossEntropyLoss()
    order = torch.randperm(len(images))
    for begin in range(0, len(images), batch):
        items = order[begin:begin + batch]
        optimiser.zero_grad()
        loss_of(model(images[items]), labels[items]).backward()
        optimiser.step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--activation", choices=["relu", "tanh"], default="relu")
    parser.add_argument("--dropout", type=float, default=0)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    images, labels = torch.rand(a.images, 1, 28, 28) * 2 - 1, torch.randint(10, (a.images,))
    train(network(a.activation, a.dropout), images[:10 * a.batch], labels[:10 * a.batch], a.batch)  # warm-up
    best, cpu = 0, 0
    for _ in range(a.networks):
        model = network(a.activation, a.dropout)
        start, start_cpu = time.perf_counter(), time.process_time()
        train(model, images, labels, a.batch)
        rate, used = a.images / (time.perf_counter() - start), time.process_time() - start_cpu
        cpu = max(cpu, a.images / used)
        best = max(best, rate)
        print(f"{rate:.0f} images/s")
    print(f"torch {torch.__version__}, {a.threads} threads, batch {a.batch}: best {best:.0f} images/s, "
          f"{cpu:.0f} images per second of CPU time")


if __name__ == "__main__":
    main()
