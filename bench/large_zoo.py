#!/usr/bin/env python3
"""Makes a zoo that is larger than the memory should be, of holes that take no room on the disk (weights of zero are weights), trains on it
for a while, and prints how long the first step took to come and the most memory that was resident, mapped pages counted.

    large_zoo.py WEFT [--gigabytes 8] [--seconds 20] [--model magep] [--check] [--folder DIR]
        WEFT      build/release/apps/weft
        --seconds of steps
        --check   `weft zoo check` too, which reads all
        --folder  where the zoo is made, and stays
"""
import argparse
import json
import math
import os
import pathlib
import pty
import random
import re
import struct
import subprocess
import tempfile
import threading
import time

SPACE = ("in: fixed(1); h1: positive_monomial(16); h2: positive_monomial(16); h3: positive_monomial(16); out: fixed(10) "
         "W1[h1, in*; taps=3x3] b1[h1] W2[h2, h1*; taps=3x3] b2[h2] W3[h3, h2*; taps=3x3] b3[h3] W4[out, h3*] b4[out]")
SHAPES = {"W1": (9, 16, 1), "b1": (1, 16), "W2": (9, 16, 16), "b2": (1, 16), "W3": (9, 16, 16), "b3": (1, 16), "W4": (1, 10, 16), "b4": (1, 10)}
NUMBERS = {name: math.prod(shape) for name, shape in SHAPES.items()}
ROW = 4 * sum(NUMBERS.values())
ROWS_OF_SHARD = 2000
EPOCHS = 8
COLUMNS = ("id", "network", "epoch", *(f"split_{s}" for s in range(5)), "diverged", "accuracy", "loss", "train_accuracy", "seed")
FORMATS = {"I32": "i", "F64": "d", "U8": "B", "F32": "f"}


def hash_of_zeros(size):
    """FNV-1a of that many bytes."""
    return 0xCBF29CE484222325 * pow(0x100000001B3, size, 1 << 64) % (1 << 64)


def shard(path, rows):
    """One shard; its weights are a hole."""
    n = len(rows)
    hashes = b"".join(struct.pack("<Q", hash_of_zeros(4 * NUMBERS[name])) * n for name in SHAPES)
    columns = {"table.accuracy": ("F64", [r["accuracy"] for r in rows]), "table.loss": ("F64", [r["loss"] for r in rows]),
               "table.train_accuracy": ("F64", [r["train_accuracy"] for r in rows]), "table.id": ("I32", [r["id"] for r in rows]),
               "table.network": ("I32", [r["network"] for r in rows]), "table.epoch": ("I32", [r["epoch"] for r in rows]),
               "table.largest": ("F32", [0.0] * n), "table.diverged": ("U8", [0] * n)}
    header, before, at = {"__metadata__": {"weft.schema": "1", "weft.space": SPACE}}, b"", 0

    def add(name, type_, shape, size):
        nonlocal at
        header[name] = {"dtype": type_, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    for name, (type_, values) in columns.items():
        if type_ == "U8":
            continue
        packed = struct.pack(f"<{n}{FORMATS[type_]}", *values)
        add(name, type_, [n], len(packed))
        before += packed
    hole = 0
    for name, shape in SHAPES.items():
        add(name, "F32", [n, *shape], 4 * n * NUMBERS[name])
        hole += 4 * n * NUMBERS[name]
    add("table.diverged", "U8", [n], n)
    add("table.hash", "U8", [len(SHAPES), n, 8], len(hashes))
    after = bytes(n) + hashes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + before)
        file.seek(hole, os.SEEK_CUR)
        file.write(after)


def make(folder, gigabytes):
    """The number of rows."""
    folder.mkdir(parents=True)
    networks = round(gigabytes * 2**30 / ROW / EPOCHS)
    draw = random.Random(1)
    splits = [[draw.choices(("train", "val", "test"), (70, 15, 15))[0] for _ in range(5)] for _ in range(networks)]
    rows = [{"id": i, "network": i % networks, "epoch": i // networks + 1, "accuracy": draw.random(), "loss": draw.random(),
             "train_accuracy": draw.random()} for i in range(networks * EPOCHS)]
    description = {"schema": 1, "generator": "large_zoo.py", "architecture": "cnn", "activation": "relu", "space": SPACE,
                   "data": {"name": "none", "hash": "0"}, "seed": 0, "networks": networks, "settings": {},
                   "hyper_parameters_hash": f"{hash_of_zeros(0):016x}", "columns": [{"name": c, "meaning": c} for c in COLUMNS]}
    (folder / "zoo.json").write_text(json.dumps(description))
    with open(folder / "table.csv", "w", encoding="utf-8") as table:
        table.write(",".join(COLUMNS) + "\n")
        for r in rows:
            table.write(f"{r['id']},{r['network']},{r['epoch']},{','.join(splits[r['network']])},0,{r['accuracy']!r},{r['loss']!r},"
                        f"{r['train_accuracy']!r},0\n")
    for first in range(0, len(rows), ROWS_OF_SHARD):
        shard(folder / f"weights-{first // ROWS_OF_SHARD:05}.safetensors", rows[first:first + ROWS_OF_SHARD])
    return len(rows)


def peak(process):
    """MiB."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def train(weft, zoo, out, model, seconds):
    """Seconds to the first step, steps, peak MiB."""
    here, there = pty.openpty()  # on a terminal every step is shown
    start = time.monotonic()
    with subprocess.Popen([weft, "train", zoo, "--model", model, "--out", out], stdout=there, stderr=there) as process:
        os.close(there)
        first, steps, text, found = None, 0, "", []
        timer = threading.Timer(seconds, lambda: (found.append(peak(process)), process.kill()))
        try:
            while chunk := os.read(here, 4096).decode(errors="replace"):
                text = (text + chunk)[-4096:]
                done = re.findall(r"(\d+)/\d+ steps", text)
                if done and int(done[-1]) > 0:
                    steps = int(done[-1])
                    if first is None:
                        first = time.monotonic() - start
                        timer.start()
        except OSError:  # the terminal's other end is closed
            pass
        process.wait()
    if first is None:
        raise SystemExit(f"weft train ended before its first step:\n{text}")
    timer.cancel()
    return first, steps, found[0] if found else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weft")
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--model", default="magep")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        zoo = (o.folder or pathlib.Path(temporary)) / "zoo"
        if not zoo.exists():
            make(zoo, o.gigabytes)
        size = sum(f.stat().st_size for f in zoo.glob("weights-*")) / 2**30
        held = sum(f.stat().st_blocks for f in zoo.iterdir()) * 512 / 2**20
        print(f"zoo of {size:.2f} GiB, {held:.0f} MiB on the disk, {len(list(zoo.glob('weights-*')))} shards")
        start = time.monotonic()
        subprocess.run([o.weft, "zoo", "show", zoo], check=True, stdout=subprocess.DEVNULL)
        print(f"opened and shown in {time.monotonic() - start:.2f} s")
        first, steps, mib = train(o.weft, zoo, pathlib.Path(temporary) / "run", o.model, o.seconds)
        print(f"{o.model}: first step after {first:.2f} s, {steps} steps in {o.seconds:.0f} s, at most {mib:.0f} MiB resident")
        if o.check:
            start = time.monotonic()
            subprocess.run([o.weft, "zoo", "check", zoo], check=True)
            print(f"checked in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
