#!/usr/bin/env python3
"""Seeds, threads and files of options: the same settings give the same bytes."""
from weft_cli import *


class Settings(Test):
    def make(self, out, *words):
        self.weft("zoo", "make", "--out", out, "--quiet", *SMALL_ZOO, *words)
        return self.bytes_of(out)

    def train(self, out, *words, model="magep"):
        self.weft("train", "--zoo", "zoo", "--out", out, "--model", model, *epochs(model, 3), "--quiet", *words)
        return self.bytes_of(out, but=["run.json"])  # that holds times

    def test_zoo_bytes(self):
        first = self.make("a", "--threads", 1)
        self.assert_same(first, self.make("b", "--threads", 2))
        self.assert_same(first, self.bytes_of("zoo"))
        other = self.make("c", "--seed", 1)
        self.assertNotEqual(first["table.csv"], other["table.csv"])

    def test_model_bytes(self):
        for model in MODELS:
            first = self.train(f"{model}-a", "--threads", 1, model=model)
            self.assert_same(first, self.train(f"{model}-b", "--threads", 2, model=model))
            other = self.train(f"{model}-c", "--seed", 1, model=model)
            if model != "ridge":  # which draws nothing
                for name in first:
                    self.assertNotEqual(first[name], other[name])

    def test_moves(self):
        self.weft("zoo", "export", "--zoo", "zoo", "--id", 0, "--out", "net.safetensors")
        moved = []
        for seed in (1, 1, 2):
            self.weft("act", "--network", "net.safetensors", "--out", "moved.safetensors", "--seed", seed, "--force")
            moved.append(self.bytes_of("moved.safetensors"))
        self.assert_same(moved[0], moved[1])
        self.assertNotEqual(moved[0], moved[2])

    def config_of(self, name, *words):
        """What --print-config says, as a file."""
        text = self.weft(*words, "--print-config").stdout
        (self.folder / name).write_text(text)
        return json.loads(text)

    def test_config_of_a_zoo(self):
        config = self.config_of("zoo.config", "zoo", "make", "--out", "d", "--seed", 3, "--quiet", *SMALL_ZOO)
        self.assertEqual((config["verb"], config["networks"], config["seed"], config["activation"]), ("zoo make", 12, 3, "relu"))
        self.assertFalse((self.folder / "d").exists())
        self.weft("zoo", "make", "--config", "zoo.config")
        self.assert_same(self.bytes_of("d"), self.make("e", "--seed", 3))
        # Given by hand wins, wherever it stands.
        self.weft("zoo", "make", "--networks", 5, "--config", "zoo.config", "--out", "f")
        self.weft("zoo", "make", "--config=zoo.config", "--networks=5", "--out=g")
        self.assertEqual(self.json("zoo", "show", "--zoo", "f")["networks"], 5)
        self.assert_same(self.bytes_of("f"), self.bytes_of("g"))

    def test_config_of_models(self):
        for model in MODELS:
            words = ("train", "--zoo", "zoo", "--model", model, *epochs(model, 2), "--quiet")
            self.config_of("train.config", *words, "--out", f"{model}-d")
            self.weft("train", "--config", "train.config")
            self.weft(*words, "--out", f"{model}-e")
            self.assert_same(self.bytes_of(f"{model}-d", but=["run.json"]), self.bytes_of(f"{model}-e", but=["run.json"]))

    def test_config_of_a_run(self):
        """run.json holds every option, with what was not given, and makes the run again."""
        for words in (("--model", "magep", "--epochs", 2, "--seed", 2**64 - 1), ("--model", "statnn", "--epochs", 3, "--batch", 4)):
            out = f"whole-{words[1]}"
            config = self.config_of("some.config", "train", "zoo", "--out", out, *words)
            of_model = {"channels", "train-psi"} if words[1] == "magep" else set()
            self.assertFalse(({"hidden", "patience", "batch", "warmup", "permute-fixed"} | of_model) - set(config))
            self.assertEqual("channels" in config, words[1] == "magep")
            self.weft("train", "zoo", "--out", out, "--quiet", *words)
            options = json.loads((self.folder / out / "run.json").read_text())["options"]
            self.assertEqual((options.pop("checkpoint"), options.pop("task")), ("all", "accuracy"))
            self.assertEqual(options | {"quiet": False, "force": False, "resume": False}, config)
            self.weft("train", "--config", f"{out}/run.json", code=USAGE, says=[out, "--force"])
            self.weft("train", "--config", f"{out}/run.json", "--out", f"{out}-again")
            self.assert_same(self.bytes_of(out, but=["run.json"]), self.bytes_of(f"{out}-again", but=["run.json"]))
            # The main argument by hand wins, too.
            self.weft("train", "--config", f"{out}/run.json", "nowhere", "--out", "x", code=INPUT, says="nowhere")
        self.weft("eval", "--config", "whole-magep/run.json", code=USAGE, says=["weft train", "weft eval"])
        (self.folder / "strange").write_text('{"verb": "train", "zo": "zoo"}')
        self.weft("train", "--config", "strange", code=USAGE, says=["'zo'", "did you mean --zoo?"])

    def test_config_of_kinds(self):
        """Defaults that follow from another option are printed as they will be."""
        for kind, networks, batch, held_out, data in (("cnn", 300, 32, None, "glyphs"), ("vit", 300, 128, 1000, "glyphs"),
                                                      ("text", 200, 128, 1000, "topics")):
            config = self.config_of("some.config", "zoo", "make", "never", "--kind", kind)
            self.assertEqual([config.get(name) for name in ("networks", "batch", "held-out", "data", "out")],
                             [networks, batch, held_out, data, "never"])
            self.assertEqual(config, self.config_of("other.config", "zoo", "make", "--config", "some.config"))
        for model, hidden, batch in (("magep", 500, 8), ("statnn", 1000, 8), ("transformer-nfn", 10, 16)):
            config = self.config_of("some.config", "train", "zoo", "--out", "never", "--model", model)
            self.assertEqual((config["hidden"], config["batch"]), (hidden, batch))
            self.assertEqual(config, self.config_of("other.config", "train", "--config", "some.config"))
        config = self.config_of("some.config", "demo", "never")
        self.assertEqual((config["networks"], config["images"], config["zoo-epochs"]), (300, 3000, 8))

    def test_names_that_look_like_numbers(self):
        for name in ("007", "1e3", "12", "true", "null"):
            self.assertEqual(self.config_of("some.config", "zoo", "show", name)["zoo"], name)
            self.assertEqual(self.config_of("other.config", "zoo", "show", "--config", "some.config")["zoo"], name)

    def test_main_arguments(self):
        """A verb's main argument stands with its name or without."""
        self.assertEqual(self.json("zoo", "show", "zoo"), self.json("zoo", "show", "--zoo", "zoo"))
        self.weft("train", "zoo", "--out", "by-place", "--epochs", 1, "--quiet")
        self.weft("train", "--out", "by-name", "--epochs", 1, "--quiet", "--zoo=zoo")
        self.assert_same(self.bytes_of("by-place", but=["run.json"]), self.bytes_of("by-name", but=["run.json"]))
        self.weft("zoo", "export", "zoo", "--id", 3, "--out", "net")
        self.assertEqual(self.json("predict", "by-place", "--network", "net"),
                         self.json("predict", "--network", "net", "--model", "by-place"))
        self.weft("act", "net", "--out", "moved")
        self.weft("verify", "by-place", says="PASS")
        self.weft("eval", "--zoo", "zoo", "by-place")
        self.weft("report", "by-place", "by-name", "--zoo", "zoo", "--out", "main.html")
        self.assertEqual(self.json("report", "by-place", "--zoo", "zoo", "--out", "main.html", "--force")["runs"], ["by-place"])
        self.weft("zoo", "make", "by-place-zoo", *SMALL_ZOO, "--quiet")
        self.assert_same(self.bytes_of("zoo"), self.bytes_of("by-place-zoo"))
        self.assertTrue((self.folder / "by-place" / "verify.json").exists())

    def test_config_with_lists(self):
        self.train("r1"), self.train("r2")
        config = self.config_of("report.config", "report", "--zoo", "zoo", "--run", "r1", "--run", "r2", "--out", "p.html")
        self.assertEqual(config["run"], ["r1", "r2"])
        self.assertEqual(self.json("report", "--config", "report.config")["runs"], ["r1", "r2"])
        self.assertEqual(self.json("report", "--config", "report.config", "--run", "r2", "--force")["runs"], ["r2"])

    def test_report_of_runs_that_nobody_judged(self):
        self.train("judged"), self.train("not-judged", model="mlp")
        self.weft("eval", "--model", "judged", "--zoo", "zoo")
        self.weft("report", "--zoo", "zoo", "--run", "not-judged", "--run", "judged", "--out", "both.html")
        page = self.bytes_of("both.html").decode()
        rows = [line for line in page.split("\n") if line.startswith(("<table><tr><th>Kendall", "<tr><td>mlp (not"))]
        self.assertIn("as they are", rows[0])
        self.assertEqual(rows[1], "<tr><td>mlp (not judged yet)</td>" + (rows[0].count("<th>") - 1) * "<td>-</td>" + "</tr>")

    def test_every_config_is_read_again(self):
        for words in (("demo", "--out", "x"), ("zoo", "show", "--zoo", "zoo"), ("bench", "step", "cnn"),
                      ("zoo", "export", "--zoo", "zoo", "--id", 1, "--out", "x"), ("verify", "--model", "m", "--proof"),
                      ("eval", "--model", "m", "--zoo", "zoo"), ("act", "--network", "n", "--out", "x", "--strength", 2),
                      ("predict", "--model", "m", "--zoo", "zoo", "--json")):
            config = self.config_of("any.config", *words)
            verb = words[:len(config["verb"].split()) + (words[0] == "bench")]
            self.assertEqual(config, json.loads(self.weft(*verb, "--config", "any.config", "--print-config").stdout))

    def test_wrong_configs(self):
        for text, code, says in (('{"networks": 3,', INPUT, ["wrong.json", "no JSON"]), ("[3]", INPUT, ["wrong.json"]),
                                 ('{"netwroks": 3}', USAGE, ["wrong.json", "'netwroks'", "weft zoo make --help"]),
                                 ('{"help": true}', USAGE, ["'help'"]),
                                 ('{"networks": null}', INPUT, ["wrong.json", "'networks'"]),
                                 ('{"networks": {"a": 1}}', INPUT, ["wrong.json", "'networks'"]),
                                 ('{"networks": "many"}', USAGE, ["networks", "many"])):
            (self.folder / "wrong.json").write_text(text)
            self.weft("zoo", "make", "--config", "wrong.json", "--out", "x", code=code, says=says)
        self.weft("zoo", "make", "--config", "nowhere.json", "--out", "x", code=INPUT, says="nowhere.json")
        self.weft("zoo", "make", "--out", "x", "--config", code=USAGE, says="--config")
        self.assertFalse((self.folder / "x").exists())


if __name__ == "__main__":
    main()
