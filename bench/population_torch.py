#!/usr/bin/env python3
"""The rival of `weft_bench population`: the same small networks, trained in PyTorch one after the other.

    python3 population_torch.py [--model cnn|vit] [--networks 4] [--images 4000] [--batch N] [--threads 2]
                                [--activation relu|tanh] [--dropout 0]

cnn: three 3x3 convolutions of 16 channels, stride 2, no padding, mean over the image, dense 10: 4970 parameters on 28x28 grey.
vit: 49 patches, two blocks of attention (2 heads of 16, width 32) and MLP (64) behind layer norms without affine part, no
residual stream, mean over tokens, dense 32 and 10.
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


class Block(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.qkv, self.out = nn.Linear(32, 96, bias=False), nn.Linear(32, 32, bias=False)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))
        self.norm, self.drop = nn.LayerNorm(32, elementwise_affine=False), nn.Dropout(dropout)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).view(len(x), -1, 3, 2, 16).permute(2, 0, 3, 1, 4)
        heads = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.drop(self.mlp(self.norm(self.drop(self.out(heads)))))


class Transformer(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.patches, self.places = nn.Conv2d(1, 32, 4, stride=4), torch.randn(49, 32)
        self.blocks = nn.Sequential(nn.Dropout(dropout), Block(dropout), Block(dropout),
                                    nn.LayerNorm(32, elementwise_affine=False))
        self.head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.places
        return self.head(self.blocks(tokens).mean(1))


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
    parser.add_argument("--model", choices=["cnn", "vit"], default="cnn")
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--activation", choices=["relu", "tanh"], default="relu")
    parser.add_argument("--dropout", type=float, default=0)
    a = parser.parse_args()
    a.batch = a.batch or {"cnn": 32, "vit": 128}[a.model]
    make = lambda: network(a.activation, a.dropout) if a.model == "cnn" else Transformer(a.dropout)
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    images, labels = torch.rand(a.images, 1, 28, 28) * 2 - 1, torch.randint(10, (a.images,))
    train(make(), images[:10 * a.batch], labels[:10 * a.batch], a.batch)  # warm-up
    best, cpu = 0, 0
    for _ in range(a.networks):
        model = make()
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
