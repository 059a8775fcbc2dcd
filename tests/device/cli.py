#!/usr/bin/env python3
"""The command line with --device cuda:0, where that is the emulated device: zoo make, train, eval, predict, verify, and what
refuses it.

    cli.py PATH_OF_weft_emulated_cli
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
from weft_cli import *  # noqa: E402

DEVICE_0 = ("--device", "cuda:0")
SMALL = ("--hidden", 16, "--epochs", 2, "--batch", 16)
SMALL_LAYERS = ("--channels", 4, "--equivariant-layers", 1)


class OnDevice(Test):
    def near(self, a, b):
        self.assertEqual(len(a), len(b))
        for x, y in zip(a, b):
            self.assertAlmostEqual(x, y, delta=1e-3)

    def test_a_model_from_start_to_end(self):
        for model in ("magep", "statnn"):
            train = ("train", "--zoo", "zoo", "--model", model, *SMALL, *(SMALL_LAYERS if model == "magep" else ()))
            here = self.json(*train, "--out", f"{model}-cpu")
            there = self.json(*train, "--out", model, *DEVICE_0)
            self.assertEqual((here["device"], there["device"]), ("cpu", "cuda"))
            self.assertGreater(there["peak_mib"], 0)
            for verb in (("eval", "--zoo", "zoo", "--strongest", 1, "--force"), ("predict", "--zoo", "zoo")):
                results = [self.weft(*verb, "--model", model, "--json", *words).stdout for words in ((), DEVICE_0)]
                if verb[0] == "eval":
                    a, b = (json.loads(text)["predicted"][0] for text in results)
                else:
                    a, b = ([row["predicted_accuracy"] for row in json.loads(text)] for text in results)
                self.near(a, b)
        for words in ((), DEVICE_0, ("--dtype", "float32"), ("--dtype", "float32", *DEVICE_0)):
            self.weft("verify", "--model", "magep", *words, says="PASS")

    def test_the_same_run_has_the_same_bytes(self):
        words = ("train", "--zoo", "zoo", "--model", "mlp", "--hidden", 4, "--epochs", 2, "--quiet", *DEVICE_0)
        for out in ("one", "two"):
            self.weft(*words, "--out", out)
        self.assert_same(self.bytes_of("one/model.safetensors"), self.bytes_of("two/model.safetensors"))
        # Its bits are the device's: the CPU does not take it for its own.
        self.weft(*words, "--out", "one", "--resume", says="")
        self.weft(*words[:-2], "--out", "one", "--resume", code=USAGE, says=["another device", "cpu", "cuda"])

    def test_products_of_lower_precision(self):
        words = ("train", "--zoo", "zoo", "--model", "magep", *SMALL, *SMALL_LAYERS)
        runs = {}
        for products in ("full", "tf32", "bf16"):
            run = self.json(*words, "--out", f"p-{products}", *DEVICE_0, "--products", products)
            self.assertEqual(run["products"], products)
            runs[products] = self.bytes_of(f"p-{products}/log.csv")
        self.assertEqual(len(set(runs.values())), 3)
        self.weft(*words, "--out", "p-tf32", "--resume", *DEVICE_0, "--products", "tf32")
        self.weft(*words, "--out", "p-tf32", "--resume", *DEVICE_0, code=USAGE, says=["another products", "tf32", "full"])

        def largest(*more, code=OK):
            checks = self.json("verify", "--model", "p-full", *DEVICE_0, "--dtype", "float32", *more, code=code)["checks"]
            return max(row["error"] for row in checks if not row["control"])

        errors = [largest(), *(largest("--products", p, code=FAIL) for p in ("tf32", "bf16"))]
        self.assertEqual(errors, sorted(errors))
        self.assertGreater(errors[2], 100 * errors[0])
        self.weft("verify", "--model", "p-full", *DEVICE_0, "--products", "tf32", code=USAGE, says=["float64", "--dtype float32"])
        made = ("zoo", "make", "--networks", 2, "--images", 40, "--test-images", 20, "--epochs", 1, "--out", "z", *DEVICE_0)
        self.assertEqual(self.json(*made, "--products", "bf16")["settings"]["products"], "bf16")
        self.weft(*words, "--out", "x", "--products", "tf32", code=USAGE, says=["[products] tf32 on cpu", "allowed: full"])
        self.weft(*words, "--out", "x", *DEVICE_0, "--products", "fp8", code=USAGE, says=["--products", "fp8", "tf32"])
        self.weft("demo", "--out", "x", "--products", "full", code=USAGE, says="--products")

    def test_slow_paths_are_said_once(self):
        launched = [f"steps of {which} batches are launched one by one: [record] this device cannot record"
                    for which in ("whole", "smaller")]
        by_terms = "'lift' runs operation by operation: there is no schedule for devices"
        train = ("train", "zoo", "--model", "magep", *SMALL, *SMALL_LAYERS)
        slow = {**os.environ, "WEFT_EMULATED_NO_RECORDING": "1"}
        for name, words, environment, expected in (("cpu", (), os.environ, []), ("recorded", DEVICE_0, os.environ, [by_terms]),
                                                   ("launched", DEVICE_0, slow, [by_terms, *launched])):
            said = self.weft(*train, "--out", f"slow-{name}", *words, env=environment).stderr
            self.assertEqual([line for line in said.split("\n") if "slow" in line], [f"weft: slow: {text}" for text in expected])
            run = json.loads((self.folder / f"slow-{name}" / "run.json").read_text())
            self.assertEqual(run["fallbacks"], expected)
        made = ("zoo", "make", "--networks", 2, "--images", 40, "--test-images", 20, "--epochs", 3, "--batch", 8, *DEVICE_0)
        for name, environment, times in (("recorded", os.environ, 0), ("launched", slow, 1)):
            said = self.weft(*made, "--out", f"slow-zoo-{name}", env=environment).stderr
            self.assertEqual(said.count("slow: "), times)
            self.assertEqual(said.count("this device cannot record"), times)
        self.assert_same(self.bytes_of("slow-zoo-recorded"), self.bytes_of("slow-zoo-launched"))
        self.assertNotIn("slow", self.weft(*made, "--out", "slow-quiet", "--quiet", env=slow).stderr)

    def test_zoos(self):
        for kind in (("cnn",), ("text", "--held-out", 20, "--pad", "batch", "--batch", 8)):
            words = ("zoo", "make", "--networks", 3, "--images", 52, "--test-images", 20, "--epochs", 2, "--kind", *kind)
            here = self.json(*words, "--out", f"{kind[0]}-cpu")
            there = self.json(*words, "--out", kind[0], *DEVICE_0)
            self.assertEqual([there["settings"].pop(key) for key in ("device", "products")], ["cuda", "full"])
            self.assertEqual(here["settings"], there["settings"])
            self.near(here["accuracies"], there["accuracies"])
            self.weft(*words, "--out", "again", "--force", *DEVICE_0)
            self.assert_same(self.bytes_of(kind[0]), self.bytes_of("again"))

    def test_verbs_that_run_on_the_cpu_alone(self):
        before = self.bytes_of(".")
        for verb in (("zoo", "show", "--zoo", "zoo"), ("act", "--network", "a", "--out", "b"), ("same", "a", "b"),
                     ("demo", "--out", "made")):
            name = " ".join(verb[:2]) if verb[0] == "zoo" else verb[0]
            self.weft(*verb, *DEVICE_0, code=DEVICE, says=f"weft {name} runs on the CPU only so far; allowed: cpu")
        self.assert_same(before, self.bytes_of("."))


if __name__ == "__main__":
    main()
