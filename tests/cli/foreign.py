#!/usr/bin/env python3
"""Networks in files of other programs: inspect and act, elements in files, and twenty kinds of wrong files."""
import random
import zipfile

from weft_cli import *

GPT2 = {"model_type": "gpt2", "vocab_size": 7, "n_positions": 5, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_inner": 6,
        "tie_word_embeddings": True}


CODES = {"F64": "d", "F32": "f", "F16": "e", "BF16": "H", "F8_E5M2": "B", "I64": "q", "I32": "i"}


def gpt2_shapes():
    shapes = {"wte.weight": (7, 8), "wpe.weight": (5, 8)}
    for i in range(2):
        block = {"ln_1.weight": (8,), "ln_1.bias": (8,), "attn.c_attn.weight": (8, 24), "attn.c_attn.bias": (24,),
                 "attn.c_proj.weight": (8, 8), "attn.c_proj.bias": (8,), "ln_2.weight": (8,), "ln_2.bias": (8,),
                 "mlp.c_fc.weight": (8, 6), "mlp.c_fc.bias": (6,), "mlp.c_proj.weight": (6, 8), "mlp.c_proj.bias": (8,)}
        shapes |= {f"h.{i}.{name}": shape for name, shape in block.items()}
    return shapes | {"ln_f.weight": (8,), "ln_f.bias": (8,)}


def size(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def safetensors(tensors, metadata=None, dtype="F64"):
    """Bytes of a file; tensors: {name: (shape, numbers)}, or (shape, numbers, dtype)."""
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (shape, numbers, *own) in tensors.items():
        kind = own[0] if own else dtype
        if kind in ("BF16", "F8_E5M2"):  # the upper half of a float32's bytes, or of a float16's
            whole, skip = ("f", 2) if kind == "BF16" else ("e", 1)
            part = b"".join(struct.pack(f"<{whole}", x)[skip:] for x in numbers)
        else:
            part = struct.pack(f"<{len(numbers)}{CODES[kind]}", *numbers)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def read(path):
    """{name: numbers} of a file of F64, F32, F16 and integers."""
    file = SafeTensors(path)
    out = {}
    for name, entry in file.header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            out[name] = struct.unpack(f"<{size(entry['shape'])}{CODES[entry['dtype']]}", file.data[begin:end])
    return out


class Foreign(Test):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-cli-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        draw = random.Random(3)
        cls.tensors = {name: (shape, [draw.gauss(0, 1) for _ in range(size(shape))]) for name, shape in gpt2_shapes().items()}
        (cls.folder / "gpt2.safetensors").write_bytes(safetensors(cls.tensors, {"format": "pt"}))
        (cls.folder / "gpt2.config.json").write_text(json.dumps(GPT2))

    def write(self, name, tensors, config=GPT2, **more):
        """A folder with such a network, as Hugging Face writes it."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(safetensors(tensors, **more))
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))
        return name

    def changed(self, name, **tensors):
        return self.write(name, self.tensors | {key.replace("__", "."): value for key, value in tensors.items()})

    def test_inspect(self):
        text = self.weft("inspect", "gpt2.safetensors").stdout
        for line in ("gpt2 in safetensors, 28 tensors", "h.#.ln_1.weight", "[n1.#]   x2", "dimension of the group: "):
            self.assertIn(line, text)
        says = self.json("inspect", "gpt2.safetensors")
        self.assertEqual(says["architecture"], "gpt2")
        # n1, n2 of two layers; GL(4) of queries and of values of two heads of two layers.
        self.assertEqual(says["dimension"], 2 * 2 * 8 + 2 * 2 * 2 * 16)
        self.assertEqual([w["axes"] for t in says["tensors"] if t["name"] == "h.1.attn.c_attn.weight" for w in t["windows"]],
                         ["[n1.1*, h.1, q.1]", "[n1.1*, h.1, q.1*]", "[n1.1*, h.1, v.1]"])
        space = self.weft("inspect", "gpt2.safetensors", "--space").stdout.strip()
        self.assertEqual(space, says["space"])
        # The text it is, under any name, with the config from elsewhere.
        shutil.copy(self.folder / "gpt2.safetensors", self.folder / "other")
        self.weft("inspect", "other", code=INPUT, says=["'other'", "'gpt2'", "n_head", "config"])
        self.weft("inspect", "other", "--model-config", "gpt2.config.json", "--architecture", "gpt2", "--quiet")
        self.weft("inspect", "other", "--architecture", "gpt5", code=USAGE, says=["no architecture 'gpt5'", "bert, bloom"])
        (self.folder / "own.weft").write_text("a: permutation($n)\nw [a, (3 3)]\nb? [a]\n")
        (self.folder / "own").write_bytes(safetensors({"w": ((4, 9), range(36))}))
        self.assertEqual(self.weft("inspect", "own", "--architecture", "own.weft", "--space").stdout,
                         "a: permutation(4); fixed.3: fixed(3) w[a, fixed.3, fixed.3]\n")
        (self.folder / "wrong.weft").write_text("a: permutation($n)\nw [a, c]\n")
        self.weft("inspect", "own", "--architecture", "wrong.weft", code=INPUT, says=["wrong", "line 2", "'c"])
        # What a text takes for granted.
        (self.folder / "own.weft").write_text('a: permutation($n)\nw [a, 9]\nnote "plain ones"\n')
        self.assertIn("taken for granted: plain ones\n", self.weft("inspect", "own", "--architecture", "own.weft").stdout)
        self.assertEqual(self.json("inspect", "own", "--architecture", "own.weft")["notes"], ["plain ones"])
        self.assertEqual(says["notes"], [])

    def test_act(self):
        """By an element that it saves, there and back; the file keeps its names, order and types."""
        self.weft("act", "gpt2.safetensors", "--out", "moved", "--save-element", "g", "--seed", 5)
        whole, moved = SafeTensors(self.folder / "gpt2.safetensors"), SafeTensors(self.folder / "moved")
        self.assertEqual({k: (v["dtype"], v["shape"]) for k, v in whole.header.items() if k != "__metadata__"},
                         {k: (v["dtype"], v["shape"]) for k, v in moved.header.items() if k != "__metadata__"})
        self.assertEqual(moved.header["__metadata__"], {"format": "pt"})
        config = ("--model-config", "gpt2.config.json")
        self.weft("act", "gpt2.safetensors", "--out", "again", "--element", "g")
        other = read(self.folder / "again")
        for name, numbers in read(self.folder / "moved").items():
            for x, y in zip(numbers, other[name]):
                self.assertAlmostEqual(x, y, delta=1e-10, msg=name)
        # The stream's permutation is what the element says.
        order = read(self.folder / "g")["s.order"]
        before, after = read(self.folder / "gpt2.safetensors"), read(self.folder / "moved")
        self.assertNotEqual(list(order), list(range(8)))
        for token in range(7):
            self.assertEqual([before["wte.weight"][8 * token + place] for place in order],
                             list(after["wte.weight"][8 * token:8 * token + 8]))
        # As weft same finds it, too.
        self.weft("same", "gpt2.safetensors", "moved", *config, "--save-element", "found", says="same")
        self.weft("act", "gpt2.safetensors", "--out", "by-found", "--element", "found")
        other = read(self.folder / "by-found")
        for name, numbers in read(self.folder / "moved").items():
            for x, y in zip(numbers, other[name]):
                self.assertAlmostEqual(x, y, delta=1e-9, msg=name)
        self.weft("act", "moved", *config, "--out", "g", "--element", "g", code=USAGE, says="read here")
        self.weft("act", "moved", *config, "--out", "moved", "--force", code=USAGE, says="read here")
        self.weft("act", "moved", *config, "--out", "never", "--element", "g", "--strength", 1, code=USAGE)
        for out in (("gpt2.config.json",), ("g",), ("never", "--save-element", "gpt2.config.json"),
                    ("never", "--save-element", "./never")):
            self.weft("act", "moved", *config, "--element", "g", "--force", "--out", *out, code=USAGE)
        self.write("whole", self.tensors)
        self.weft("act", "whole", "--force", "--out", "whole/config.json", code=USAGE, says="read here")
        self.write("named", self.tensors, GPT2 | {"model_type": "gpt2-xyz"})
        self.assertIn("model_type 'gpt2-xyz'", self.weft("inspect", "named").stderr)
        for name, tensors, says in (("unknown", {"z.order": ((1, 8), range(8), "I64")}, ["'z.order'", "13: 's', 'n1.0'"]),
                                    ("shape", {"s.order": ((1, 7), range(7), "I64")}, ["'s.order'", "[1, 7]", "[1, 8]"]),
                                    ("order", {"s.order": ((8,), [0] * 8, "I64")}, ["'s'", "no permutation"]),
                                    ("half", {"s.order": ((8,), [0.5] * 8)}, ["'s'", "no permutation"]),
                                    ("zero", {"n1.0.scale": ((8,), [0.] * 8)}, ["'n1.0'", "scale 0"]),
                                    ("scale", {"s.scale": ((8,), [2.] * 8)}, ["'s.scale'", "'s' (permutation(8))", "1: 's.order'"]),
                                    ("flat", {"q.0.matrix": ((2, 4, 4), [1.] * 32)}, ["matrix 0", "'q.0.matrix'", "no inverse"])):
            (self.folder / f"g-{name}").write_bytes(safetensors(tensors))
            self.weft("act", "moved", *config, "--out", "never", "--element", f"g-{name}", code=INPUT, says=[f"g-{name}", *says])
        self.assertFalse((self.folder / "never").exists())

    def test_fold(self):
        """A tied network gets a head of its own, a config that says so, and a stream that may be rotated."""
        says = self.json("fold", "gpt2.safetensors", "--out", "folded.safetensors")
        self.assertIn("lm_head.weight no copy of transformer.wte.weight any more", says["folded"])
        config = json.loads((self.folder / "folded.config.json").read_text())
        self.assertEqual(config, GPT2 | {"tie_word_embeddings": False})
        folded = self.json("inspect", "folded.safetensors")
        self.assertEqual((folded["architecture"], folded["dimension"]), ("gpt2_folded", 7 * 6 // 2 + 2 * 2 * 2 * 16))
        self.assertEqual({f["kind"] for f in folded["factors"] if f["name"] == "s"}, {"orthogonal"})
        numbers = read(self.folder / "folded.safetensors")
        self.assertEqual(set(numbers["h.1.ln_2.weight"]), {1.})
        self.assertEqual(set(numbers["h.0.attn.c_attn.bias"][8:]), {0.})
        self.weft("act", "folded.safetensors", "--out", "rotated.safetensors")
        config = ("--model-config", "folded.config.json")
        self.weft("same", "folded.safetensors", "rotated.safetensors", *config, says="same")
        # It is one of the raw group, too, and its own orbit's other points are folded to the same up to rotations.
        self.weft("act", "gpt2.safetensors", "--out", "elsewhere.safetensors", *("--model-config", "gpt2.config.json"))
        self.weft("fold", "elsewhere.safetensors", "--model-config", "gpt2.config.json", "--out", "refolded.safetensors")
        self.weft("same", "folded.safetensors", "refolded.safetensors", *config, says="same")
        # A shift that nothing depends on, and a network beside its fold.
        shifted = dict(self.tensors)
        shape, numbers = shifted["h.1.attn.c_attn.bias"]
        shifted["h.1.attn.c_attn.bias"] = (shape, numbers[:8] + [x + 3 for x in numbers[8:16]] + numbers[16:])
        self.write("shifted", shifted)
        self.assertTrue(self.json("same", "gpt2.safetensors", "shifted")["folded"])
        self.weft("same", "folded.safetensors", "shifted", says=["folded", "same"])
        shifted["h.1.attn.c_attn.bias"] = (shape, [numbers[0] + 3] + numbers[1:])
        self.write("elsewhere", shifted)
        self.weft("same", "gpt2.safetensors", "elsewhere", code=FAIL, says="different")
        self.weft("fold", "folded.safetensors", "--out", "never", code=USAGE, says=["gpt2_folded", "already"])
        self.weft("act", "gpt2.safetensors", "--architecture", "gpt2_folded", "--out", "never", code=INPUT, says="fold it first")
        (self.folder / "plain.weft").write_text("a: permutation($n)\nw [a, 9]\n")
        (self.folder / "plain").write_bytes(safetensors({"w": ((4, 9), range(36))}))
        self.weft("fold", "plain", "--architecture", "plain.weft", "--out", "never", code=USAGE, says=["plain", "no folds"])
        (self.folder / "plain.weft").write_text("s: sign_monomial($n)\nw [s^0, 9]\nfold stream s\n")
        self.weft("fold", "plain", "--architecture", "plain.weft", "--out", "never", code=INPUT, says=["plain", "cannot rotate"])
        (self.folder / "mlp").write_bytes(safetensors({"0.weight": ((4, 9), range(36)), "2.weight": ((2, 4), range(8))}))
        self.weft("fold", "mlp", "--out", "never", code=USAGE, says=["mlp, in which nothing folds: no norm stands in it"])
        self.assertFalse((self.folder / "never").exists())

    def test_types(self):
        """Half precision stays; what is no weight is carried along."""
        mask = ((1, 1, 5, 5), [1.] * 25)
        half = {name: (shape, numbers, "F16") for name, (shape, numbers) in self.tensors.items()}
        self.write("half", half | {"steps": ((), [3], "I64"), "h.0.attn.bias": mask})
        self.weft("act", "half", "--out", "half-moved", "--model-config", "half/config.json", "--strength", 0)
        file = SafeTensors(self.folder / "half-moved")
        self.assertEqual(file.header["wte.weight"]["dtype"], "F16")
        before, after = read(self.folder / "half/model.safetensors"), read(self.folder / "half-moved")
        self.assertEqual(sorted(before["wte.weight"]), sorted(after["wte.weight"]))
        self.assertEqual(after["steps"], (3,))
        self.assertEqual(after["h.0.attn.bias"], tuple(mask[1]))
        self.assertEqual(self.json("inspect", "half")["not_covered"], ["h.0.attn.bias"])

    def test_tolerance(self):
        """What counts as equal follows from the numbers that a file has: one that is moved is rounded again."""
        for kind, tolerance in (("F64", 1e-4), ("F32", 1e-4), ("F16", 20 * 2**-11), ("BF16", 20 * 2**-8)):
            name = self.write(f"of-{kind}", self.tensors, dtype=kind)
            config = ("--model-config", f"{name}/config.json")
            self.weft("act", name, "--out", f"{name}-moved", *config)
            self.assertIn(f"tolerance {tolerance:.2g}, numbers of {kind}\n", self.weft("same", name, f"{name}-moved", *config, says="same").stdout)
            # The coarser of two files decides.
            both = self.json("same", "gpt2.safetensors", name)
            self.assertEqual(both["decision"], "same")
            self.assertAlmostEqual(both["tolerance"], tolerance)
            numbers = self.tensors["wpe.weight"][1]
            other = self.write(f"other-{kind}", self.tensors | {"wpe.weight": ((5, 8), numbers[8:] + numbers[:8])}, dtype=kind)
            self.weft("same", name, other, code=FAIL, says="different")
            if tolerance > 1e-4:
                self.weft("same", "gpt2.safetensors", name, "--tolerance", 1e-6, code=FAIL, says=["tolerance 1e-06", "different"])
        name = self.write("of-F8", self.tensors, dtype="F8_E5M2")
        self.weft("same", name, name, code=USAGE, says=["F8_E5M2", "12", "--tolerance"])
        self.weft("same", name, name, "--tolerance", 0.3, says=["tolerance 0.3", "same"])

    def test_beside_a_network(self):
        """What no text knows may read what would be moved: it is not moved, and `same` does not answer for it."""
        below = {f"model.{name}": value for name, value in self.tensors.items()}
        head = {"head.weight": ((3, 8), list(range(24)))}
        name = self.write("headed", below | head)
        for verb in ("act", "fold"):
            self.weft(verb, name, "--out", "never", code=INPUT, says=["'head.weight'", "beside", "--architecture"])
        self.assertEqual(self.json("inspect", name)["not_covered"], ["head.weight"])
        self.assertEqual(self.json("same", name, name)["decision"], "same")
        other = self.write("other-head", below | {"head.weight": ((3, 8), [1.] * 24)})
        self.assertEqual(self.json("same", name, other, code=FAIL)["apart"], ["head.weight"])
        self.weft("same", name, other, code=FAIL, says=["head.weight", "undecided"])
        # Means of the same weights, and what an optimiser keeps, read nothing.
        means = {f"ema.{name}": value for name, value in self.tensors.items()}
        whole = self.write("means", below | means | {"optimizer.0.exp_avg": ((3,), [0.] * 3)})
        self.weft("act", whole, "--out", "moved-means")

    def test_configs(self):
        """What a config says of its network is not overheard."""
        self.write("helium", self.tensors, GPT2 | {"model_type": "helium"})
        self.weft("act", "helium", "--out", "never", code=INPUT, says=["model_type 'helium'", "--architecture gpt2"])
        self.weft("act", "helium", "--architecture", "gpt2", "--out", "of-helium")
        self.wrong(self.write("bloom", self.tensors, GPT2 | {"model_type": "bloom"}), ["fits no architecture"])
        self.write("small-eps", self.tensors, GPT2 | {"layer_norm_epsilon": 1e-5})
        self.write("large-eps", self.tensors, GPT2 | {"layer_norm_epsilon": 1e-3})
        self.assertIn("the configs differ in layer_norm_epsilon", self.weft("same", "small-eps", "large-eps", says="same").stderr)
        self.assertNotIn("configs", self.weft("same", "small-eps", "small-eps").stderr)
        note = self.write("of-sigmoid", {f"{i}.weight": ((4, 4), [1.] * 16) for i in range(2)}, {"activation": "sigmoid"})
        self.assertIn("taken for granted: neurons are permuted alone", self.weft("act", note, "--out", "moved-mlp").stderr)

    def test_wrong_files(self):
        """Whatever a file is instead: what it is, what to do, exit code 3, and nothing written."""
        whole = (self.folder / "gpt2.safetensors").read_bytes()
        cases = {"text": (b"weights and biases\n" * 9, ["a text", "allowed: safetensors, PyTorch"]), "empty": (b"", ["empty"]),
                 "image": (b"\x89PNG\r\n\x1a\n" + bytes(99), ["PNG"]),
                 "code": (b"\x80\x02cos\nsystem\nX\x02\0\0\0lsq\1\x85R.", ["os.system"]),
                 "page": (b"<!DOCTYPE html><html></html>", ["web page"]),
                 "gguf": (b"GGUF" + bytes(60), ["GGUF", "from transformers"]), "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(60), ["HDF5"])}
        cases |= {f"cut-{n}": (whole[:len(whole) * n // 16], [f"cut-{n}"]) for n in range(1, 16)}
        for name, (content, says) in cases.items():
            (self.folder / name).write_bytes(content)
            self.wrong(name, [name, *says])
        with zipfile.ZipFile(self.folder / "zip", "w") as archive:
            archive.writestr("readme.txt", "no pickle")
        self.wrong("zip", ["zip"])
        (self.folder / "empty-folder").mkdir()
        self.wrong("empty-folder", ["empty-folder", "model.safetensors"])
        self.wrong("nowhere", ["nowhere", "No such file"])
        nan = self.changed("nan", wpe__weight=((5, 8), [float("nan")] * 40))
        self.wrong(nan, ["nan/model.safetensors", "wpe.weight", "not finite"])
        self.wrong(self.changed("whole-numbers", wpe__weight=((5, 8), range(40), "I64")), ["wpe.weight"])
        self.wrong(self.changed("transposed", h__0__mlp__c_fc__weight=((6, 8), [0.] * 48)), ["'h.0.mlp.c_fc.weight'", "[6, 8]", "[8, 6]"])
        missing = {name: value for name, value in self.tensors.items() if name != "h.1.ln_2.bias"}
        self.wrong(self.write("missing", missing), ["'gpt2'", "lacks", "h.1.ln_2.bias'"])
        self.wrong(self.changed("extra", h__0__gate=((8,), [1.] * 8)), ["'gpt2'", "'h.0.gate'"])
        self.wrong(self.write("heads", self.tensors, GPT2 | {"n_head": 3}), ["'gpt2'"])
        self.wrong(self.write("layers", self.tensors, GPT2 | {"n_layer": 3}), ["'gpt2'", "n_layer = 3, its tensors say 2"])
        self.write("no-json", self.tensors, None)
        (self.folder / "no-json/config.json").write_text("{")
        self.wrong("no-json", ["config.json", "JSON"])

    def wrong(self, name, says):
        for verb in (("inspect",), ("act", "--out", "never"), ("same", "gpt2.safetensors")):
            self.weft(*verb, name, code=INPUT, says=says)
        self.assertFalse((self.folder / "never").exists())


if __name__ == "__main__":
    main()
