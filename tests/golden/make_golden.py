#!/usr/bin/env python3
"""Golden files: layers and networks with the values, gradients and decisions that they must have, by an implementation in numpy that
shares nothing with weft's.

    make_golden.py write FOLDER [--seed N] [--drawn N]    files of the shapes of tests/golden/files, and N of drawn shapes for each kind
    make_golden.py check FOLDER                           computes what every file of the folder says anew, and compares

A file is a safetensors file: `kind` and `config` (JSON) in its metadata, tensors in.*, param.*, cot.*, out.*, grad.* in float64, whole
numbers and bytes as such. Gradients are those of the sum of cot times out. A .jsonl file has typed terms, one a line, with the answer.
"""
import argparse
import json
import os
import pathlib
import struct
import sys
import zlib

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are tiny
try:
    import numpy as np
except ImportError:
    print("make_golden: skipped, Python has no numpy")
    sys.exit(77)

import attention_pairs
import graph
import implicit
import layers
import typed_terms

MLPS = (([3, 5, 2], 2, 3), ([2, 6, 7, 4], 2, 2), ([1, 4, 5, 6, 3], 2, 2), ([2, 3, 4, 5, 6, 1], 1, 3))
BLOCKS = ((4, 6, 2, 2, 2, 1, 3), (6, 5, 3, 4, 2, 2, 2))
LINEAR = ({"widths": [2, 5, 4, 3], "d": 2, "e": 2, "sign": True}, {"widths": [2, 4, 3], "d": 2, "e": 3, "sign": True},
          {"widths": [1, 4, 5, 3], "d": 1, "e": 3, "sign": False, "taps_in": [[3, 3], [3, 3], [1, 1]], "taps_out": [[1, 1]] * 3})
PAIRS = ((2, 6, 2, 3), (4, 16, 4, 4))
SIRENS = (([2, 6, 5, 3], 30, 3), ([2, 7, 1], 30, 2), ([3, 4, 5, 3, 2], 12.5, 2))
IMAGES = ({"width": 18, "channels": 3, "rows": 9, "columns": 11, "pixels": 70},
          {"width": 5, "channels": 1, "rows": 1, "columns": 8, "pixels": 8})
GRAPHS = ({"widths": [2, 5, 4, 3], "d": 3, "rounds": 2, "hidden": 4, "outputs": 2, "channels": 2, "scales": False},
          {"widths": [3, 4, 2], "d": 2, "rounds": 3, "hidden": 3, "outputs": 1, "channels": 1, "scales": True},
          {"widths": [1, 3, 4, 2], "d": 2, "rounds": 2, "hidden": 4, "outputs": 3, "channels": 1, "scales": True,
           "taps": [[3, 3], [2, 2], [1, 1]]})
KINDS = layers.KINDS | implicit.KINDS | graph.KINDS


def drawn(rng):
    """Shapes for one more file of each kind."""
    def sizes(count, low, high):
        return [int(n) for n in rng.integers(low, high + 1, count)]
    layer_count = int(rng.integers(2, 5))
    widths, taps = sizes(layer_count + 1, 2, 6), [sizes(2, 1, 3) for _ in range(layer_count)]
    linear = {"widths": widths, "d": 2, "e": 2, "sign": bool(rng.integers(2)), "taps_in": taps, "taps_out": taps[::-1]}
    block = tuple(sizes(2, 4, 7) + sizes(3, 1, 4) + sizes(2, 1, 3))  # a LayerNorm of two or three numbers gives hardly more than signs
    pair = (*sizes(1, 2, 4), 10, *sizes(2, 2, 4))
    siren = sizes(1, 1, 3) + sizes(int(rng.integers(2, 5)), 1, 6), round(rng.uniform(3, 40), 1), *sizes(1, 1, 4)
    image = dict(zip(("width", "channels", "rows", "columns"), sizes(1, 1, 20) + sizes(1, 1, 3) + sizes(2, 2, 12)))
    image["pixels"] = int(rng.integers(1, image["rows"] * image["columns"] + 1))
    network = dict(zip(("d", "rounds", "hidden", "outputs", "channels"), sizes(1, 2, 4) + sizes(1, 1, 3) + sizes(1, 2, 5) + sizes(2, 1, 2)))
    network |= {"widths": sizes(layer_count + 1, 1, 4), "scales": bool(rng.integers(2)), "taps": [sizes(2, 1, 2) for _ in range(layer_count)]}
    return (widths, *sizes(2, 1, 3)), block, linear, siren, image, network, pair


def layer_files(mlps, blocks, linear, sirens, images, graphs):
    """(name, kind, config)"""
    for widths, d, e in mlps:
        for layer in ("equivariant", "invariant"):
            yield f"magep-{layer}-" + "-".join(map(str, widths)), f"magep.{layer}", {"widths": widths, "d": d, "e": e}
    for c in linear:
        yield f"monomial-linear-{'sign' if c['sign'] else 'positive'}-" + "-".join(map(str, c["widths"])), "monomial.linear", c
    for D, A, h, k, v, d, e in blocks:
        sizes, name = {"h": h, "D": D, "Dk": k, "Dv": v}, f"D{D}-A{A}-h{h}-k{k}-v{v}"
        for layer in ("equivariant", "invariant"):
            yield f"transformer-{layer}-{name}", f"transformer.{layer}", sizes | {"D_A": A, "d": d, "e": e}
        yield f"attention-forward-{name}", "attention.forward", sizes
        for residual in (False, True):
            yield (f"transformer-forward-{'residual' if residual else 'plain'}-{name}", "transformer.forward",
                   sizes | {"D_A": A, "blocks": 2, "residual": residual})
    for widths, omega, frequencies in sirens:
        config, name = {"widths": widths, "omega": omega}, "-".join(map(str, widths))
        yield f"siren-forward-{name}", "siren.forward", config
        yield f"siren-element-{name}", "siren.element", config
        yield f"sine-features-{name}", "sine.features", config | {"frequencies": frequencies}
    for config in images:
        size = {key: config[key] for key in ("channels", "rows", "columns")}
        name = "x".join(map(str, size.values()))
        yield f"siren-population-W{config['width']}-{name}", "siren.population", config
        yield f"edit-targets-{name}", "edit.targets", size
    for c in graphs:
        yield f"graph-network-{'scales' if c['scales'] else 'permutations'}-" + "-".join(map(str, c["widths"])), "graph.network", c


DTYPES = {"F64": np.dtype("<f8"), "I32": np.dtype("<i4"), "U8": np.dtype("u1")}


def write_safetensors(path, metadata, tensors):
    """The largest items come first, so that all are aligned."""
    header, at = {"__metadata__": metadata}, 0
    tensors = dict(sorted(tensors.items(), key=lambda entry: -entry[1].itemsize))
    for name, x in tensors.items():
        dtype = next(text for text, dtype in DTYPES.items() if dtype == x.dtype)
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(np.ascontiguousarray(x).tobytes() for x in tensors.values()))


def read_safetensors(path):
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    metadata = header.pop("__metadata__")
    return metadata, {name: np.frombuffer(data[end:][slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"])
                      for name, entry in header.items()}


def expected(kind, config, given, cotangent_of, dtype=np.float64):
    """{name: number} of all outputs, and of cotangents and gradients where the kind has some."""
    given = {name: x.astype(dtype) if x.dtype.kind == "f" else x for name, x in given.items()}
    formula, batch = KINDS[kind], next(x for name, x in given.items() if name.startswith("in.")).shape[0]
    y = {name: x[0] for name, x in layers.outputs(formula, config, {name: x[None] for name, x in given.items()}, batch).items()}
    out = {f"out.{name}": x for name, x in y.items()}
    if kind in implicit.WITHOUT_GRADIENTS:
        return out
    cotangents = {name: cotangent_of(name, x.shape).astype(dtype) for name, x in y.items()}
    gradients = layers.gradients(formula, config, given, cotangents, batch)
    return out | {f"cot.{name}": x for name, x in cotangents.items()} | {f"grad.{name}": x for name, x in gradients.items()}


def error(got, wanted, axis):
    """The largest difference in a channel over its largest wanted number, or over a thousandth of the tensor's, as the runner has it; NaN,
    which no bound passes, of numbers that are none or of another shape."""
    if got.shape != wanted.shape or not (np.isfinite(got).all() and np.isfinite(wanted).all()):
        return np.nan
    others = tuple(a for a in range(wanted.ndim) if a != axis)
    off, size = np.abs(got.astype(float) - wanted).max(others, initial=0), np.abs(wanted).max(others, initial=0)
    return (off / np.maximum(size, max(1e-3 * size.max(initial=0), 1e-300))).max(initial=0)


def worst(found, wanted):
    """(error, name) of the tensor that is furthest off; names must be the same."""
    if found.keys() != wanted.keys():
        return np.nan, "names: " + ", ".join(sorted(found.keys() ^ wanted.keys()))
    errors = {name: error(found[name], wanted[name], 0 if "param." in name else 1) for name in wanted}
    name = max(errors, key=lambda n: np.inf if np.isnan(errors[n]) else errors[n])
    return errors[name], name


def draw_layer(kind, config, seed, batch):
    """Numbers that a plain float32 evaluation gets right to 1e-4: drawn anew until they are."""
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt, zlib.crc32(json.dumps([kind, config]).encode())])
        given = {}

        def ask(name, *shape, draw=None):
            if name not in given:
                scale = 1 / np.sqrt(shape[-1]) if name.startswith("in.") else 0.5
                given[name] = draw(rng, shape) if draw else rng.normal(size=shape) * scale
            return given[name][None]
        KINDS[kind](ask, config, batch)
        exact = expected(kind, config, given, lambda _, shape: rng.normal(size=shape))
        narrow = expected(kind, config, given, lambda name, _: exact[f"cot.{name}"], np.float32)
        if worst(narrow, exact)[0] < 1e-4:
            return given | exact
    raise RuntimeError(f"{kind} {config}: float32 loses too much of every draw")


def write(folder, seed, more, terms):
    folder.mkdir(parents=True, exist_ok=True)
    shapes = [list(usual) for usual in (MLPS, BLOCKS, LINEAR, SIRENS, IMAGES, GRAPHS, PAIRS)]
    for i in range(more):
        for some, one in zip(shapes, drawn(np.random.default_rng([seed, i]))):
            some.append(one)
    for name, kind, config in layer_files(*shapes[:-1]):
        tensors = draw_layer(kind, config, seed, 2 if "D" in config else 3)
        write_safetensors(folder / f"{name}.safetensors", {"kind": kind, "config": json.dumps(config)}, tensors)
    for h, D, k, v in shapes[-1]:
        rng = np.random.default_rng([seed, h, D, k, v])
        for number, (case, same, after_norm, a, b) in enumerate(attention_pairs.pairs(rng, h, D, k, v)):
            config = {"h_a": len(a.WQ), "h_b": len(b.WQ), "D": D, "Dk": k, "Dv": v, "same": same, "case": case, "after_norm": after_norm}
            write_safetensors(folder / f"attention-equivalence-h{h}-D{D}-k{k}-v{v}-{number:02}.safetensors",
                              {"kind": "attention.equivalence", "config": json.dumps(config)},
                              {f"in.{which}.{weight}": getattr(m, weight) for which, m in (("a", a), ("b", b))
                               for weight in attention_pairs.NAMES})
    with open(folder / "terms.jsonl", "w") as out:
        for line in typed_terms.random_terms(terms, np.random.default_rng([seed, 7])):
            out.write(json.dumps(line) + "\n")


def wrong_terms(path):
    spaces, rng = {}, np.random.default_rng(0)
    for number, text in enumerate(path.read_text().splitlines(), 1):
        line = json.loads(text)
        space = spaces.setdefault(line["space"], typed_terms.Space(line["space"]))
        by = typed_terms.equivariance_error(space, line["term"], rng)
        if typed_terms.decided(by) is not line["equivariant"]:
            return f"line {number}: '{line['term']}' breaks equivariance by {by:.3g}; equivariant: {line['equivariant']}"
    return "" if spaces else "no terms"


def wrong(path):
    """What is wrong with a file, or an empty string."""
    try:
        return wrong_terms(path) if path.suffix == ".jsonl" else wrong_tensors(path)
    except (LookupError, ValueError) as failure:
        return f"{type(failure).__name__}: {failure}"


def wrong_tensors(path):
    metadata, tensors = read_safetensors(path)
    kind, config = metadata["kind"], json.loads(metadata["config"])
    if kind == "attention.equivalence":
        a, b = ({weight: tensors[f"in.{which}.{weight}"] for weight in attention_pairs.NAMES} for which in "ab")
        by = attention_pairs.distance(a, b, config.get("after_norm", False), np.random.default_rng(0))
        return "" if (by < 1e-12 if config["same"] else by > 1e-9) else f"{config['case']}: they differ by {by:.3g}"
    given = {name: x for name, x in tensors.items() if not name.startswith(("out.", "cot.", "grad."))}
    by, name = worst(given | expected(kind, config, given, lambda name, _: tensors[f"cot.{name}"]), tensors)
    return "" if by < 1e-10 else f"{name} is off by {by:.3g}"


def check(folder):
    files = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".jsonl"))
    found = {path.name: wrong(path) for path in files}
    for name, text in found.items():
        if text:
            print(f"{name}: {text}")
    failed = sum(map(bool, found.values()))
    print(f"make_golden: {len(files)} files, {len(files) - failed} as computed anew, {failed} not")
    return 1 if failed or not files else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    write_verb, check_verb = verbs.add_parser("write"), verbs.add_parser("check")
    for verb in (write_verb, check_verb):
        verb.add_argument("folder", type=pathlib.Path)
    write_verb.add_argument("--seed", type=int, default=0)
    write_verb.add_argument("--drawn", type=int, default=0)
    args = parser.parse_args()
    if args.verb == "check":
        return check(args.folder)
    write(args.folder, args.seed, args.drawn, 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
