#!/usr/bin/env python3
"""weft same: files that hold one function, files that do not, and files that cannot be compared."""
import random

from weft_cli import *

ATTENTION = "h: permutation(2); q: GL(2) per h; v: GL(3) per h; m: fixed(4) WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, m]"
MLP = ("in: fixed(3); h1: sign_monomial(5); out: fixed(2) W1[h1, in*] b1[h1] W2[out, h1*] b2[out]")


class Same(Test):
    def write(self, name, space, tensors):
        """tensors: name -> (shape, numbers)"""
        header, data = {"__metadata__": {"weft.space": space}}, b""
        for tensor, (shape, numbers) in tensors.items():
            raw = struct.pack(f"<{len(numbers)}f", *numbers)
            header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        (self.folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)

    def random(self, name, space, shapes, seed=0):
        draw = random.Random(seed)
        tensors = {}
        for tensor, shape in shapes.items():
            count = 1
            for n in shape:
                count *= n
            tensors[tensor] = (shape, [draw.gauss(0, 1) for _ in range(count)])
        self.write(name, space, tensors)
        return tensors

    def attention(self, name="attention"):
        return self.random(name, ATTENTION, {"WQ": [2, 4, 2], "WK": [2, 4, 2], "WV": [2, 4, 3], "WO": [2, 3, 4]})

    def moved(self, name, **options):
        self.weft("act", "--network", name, "--out", f"{name}-moved", "--force", "--seed", 5)
        return name, f"{name}-moved"

    def off(self, name, tensor, by):
        file = SafeTensors(self.folder / name)
        file.set_float(tensor, by)
        file.save(self.folder / f"{name}-off")
        return f"{name}-off"

    def test_adapters(self):
        """Two adapters in one file: moved by GL they are the same, one number off they are not."""
        space = "r, s: GL(2); i, o: fixed(4) A1[r, i*] B1[o, r*] A2[s, i*] B2[o, s*]"
        self.random("adapters", space, {"A1": [2, 4], "B1": [4, 2], "A2": [2, 4], "B2": [4, 2]})
        a, b = self.moved("adapters")
        said = self.weft("same", a, b, says=["an element of the group", "condition below"]).stdout
        self.assertEqual(said.split()[-1], "same")
        found = self.json("same", a, self.off(b, "B2", 3), code=FAIL)
        self.assertEqual(found["decision"], "different")
        self.assertGreater(found["witness"]["difference"], 1e-2)

    def test_attention(self):
        tensors = self.attention()
        a, b = self.moved("attention")
        said = self.weft("same", a, b, says=["an element of the group", "permutation(2)", "order", "condition below"]).stdout
        self.assertEqual(said.split()[-1], "same")
        found = self.json("same", a, b)
        self.assertEqual(found["decision"], "same")
        self.assertLess(found["element"]["residual"], 1e-5)
        self.assertEqual(sorted(found["element"]["factors"]["h"]["order"][0]), [0, 1])

        other = self.off(b, "WQ", 3)
        said = self.weft("same", a, other, code=FAIL, says="their outputs differ by").stdout
        self.assertEqual(said.split()[-1], "different")
        found = self.json("same", a, other, "--out", "witness", code=FAIL)
        witness = SafeTensors(self.folder / "witness")
        self.assertEqual(sorted(set(witness.header) - {"__metadata__"}), ["x", "y_a", "y_b"])
        self.assertEqual(witness.header["y_a"]["shape"], [len(found["witness"]["x"]), 4])
        y_a, y_b = found["witness"]["y_a"], found["witness"]["y_b"]
        def norm(rows):
            return sum(p * p for u in rows for p in u) ** 0.5
        change = norm([[p - q for p, q in zip(u, w)] for u, w in zip(y_a, y_b)])
        self.assertAlmostEqual(change / max(norm(y_a), norm(y_b)), found["witness"]["difference"], delta=1e-9)
        self.weft("same", a, other, "--out", "witness", code=USAGE, says=["witness", "--force"])
        self.weft("same", a, other, "--out", "witness", "--force", code=FAIL)
        self.weft("same", a, other, "--tolerance", 0.99)

        shape, numbers = tensors["WK"]  # [2, 4, 2]: every column plus a number of its own
        numbers = [x + (1, -2, 3, 0.5)[i // 8 * 2 + i % 2] for i, x in enumerate(numbers)]
        self.write("shifted", ATTENTION, dict(tensors, WK=(shape, numbers)))
        self.weft("same", a, "shifted", code=FAIL)
        self.weft("same", a, "shifted", "--after-norm")

        # Other heads: each VO in two halves of half the size, and a silent head more.
        space = ATTENTION.replace("permutation(2)", "permutation(5)")
        halves = {}
        for name, (shape, numbers) in tensors.items():
            factor, zeros = (0.5 if name == "WO" else 1), [0.0] * (len(numbers) // 2)
            halves[name] = ([5, *shape[1:]], [factor * x for x in numbers] * 2 + zeros)
        self.write("more", space, halves)
        self.weft("same", a, "more", says="no single element")

    def test_small_units(self):
        """What one unit does is not hidden by the norm of a tensor, and no three networks contradict each other."""
        space = "in: fixed(2); h1: positive_monomial(2); out: fixed(1) W1[h1, in*] b1[h1] W2[out, h1*] b2[out]"
        def network(name, sign, scale, more=0.0):
            self.write(name, space, {"W1": ([2, 2], [1, 0, 0, sign * scale * (1 + more)]), "b1": ([2], [0, 0]),
                                     "W2": ([1, 2], [1, 1 / scale]), "b2": ([1], [0])})
            return name
        for scale in (1e-6, 1, 1e6):
            plus, minus = network("plus", 1, scale), network("minus", -1, scale)
            self.assertEqual(self.json("same", plus, minus, code=FAIL)["decision"], "different")
            self.assertEqual(self.json("same", plus, network("other", 1, 1))["decision"], "same")
        # 0.8 tolerances apart, 1.6, 2.4 and 8.
        for steps, decision in ((1, "same"), (2, "undecided"), (3, "undecided"), (10, "different")):
            found = self.json("same", network("near", 1, 1), network("far", 1, 1e6, steps * 0.8e-4),
                              code=OK if decision == "same" else FAIL)
            self.assertEqual(found["decision"], decision)

    def test_chains(self):
        self.weft("zoo", "export", "--zoo", "zoo", "--id", 7, "--out", "net")
        a, b = self.moved("net")
        self.weft("same", a, b, says=["positive_monomial(16)", "scales"])
        self.weft("zoo", "export", "--zoo", "zoo", "--id", 11, "--out", "other")
        self.weft("same", "net", "other", code=FAIL, says="\ndifferent\n")
        self.random("mlp", MLP, {"W1": [5, 3], "b1": [5], "W2": [2, 5], "b2": [2]})
        a, b = self.moved("mlp")
        self.weft("same", a, b, says="signs changed")
        self.assertEqual(self.weft("same", a, b, "--quiet").stdout, "")
        self.assertEqual(self.json("same", a, self.off(b, "b2", 9), code=FAIL)["decision"], "different")

    def test_without_a_forward_pass(self):
        self.random("loop", "n: permutation(4) A[n, n*] b[n]", {"A": [4, 4], "b": [4]})
        self.weft("same", *self.moved("loop"))
        found = self.json("same", "loop", self.off("loop", "b", 9), code=FAIL)
        self.assertEqual((found["decision"], found["nearest"]["tensors"]["A"]), ("different", 0))
        self.assertGreater(found["nearest"]["tensors"]["b"], 0.1)

    def test_refusals(self):
        self.attention()
        self.random("mlp", MLP, {"W1": [5, 3], "b1": [5], "W2": [2, 5], "b2": [2]})
        self.weft("same", "attention", "mlp", code=INPUT, says=["'attention'", "'mlp'", "one space"])
        self.weft("same", "mlp", "mlp", "--after-norm", code=USAGE, says="--after-norm")
        self.weft("same", "mlp", code=USAGE, says="weft same --help")
        self.weft("same", "mlp", "nowhere", code=INPUT, says="nowhere")
        for tolerance in ("0", "1", "-1", "nan"):
            self.weft("same", "mlp", "mlp", "--tolerance", tolerance, code=USAGE, says=["--tolerance", tolerance])
        for value, name in ((float("nan"), "mlp"), (float("inf"), "attention")):
            tensor = "b1" if name == "mlp" else "WV"
            self.weft("same", name, self.off(name, tensor, value), code=INPUT, says=[f"{name}-off", tensor])


if __name__ == "__main__":
    main()
