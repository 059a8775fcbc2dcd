#!/usr/bin/env python3
"""Every verb does its work: what it prints, what it writes, and that all of it fits together."""
import html.parser
import math

from weft_cli import *

VERBS = ["demo", "zoo make", "zoo merge", "zoo show", "zoo check", "zoo export", "train", "eval", "predict", "edit", "act", "same", "verify", "report", "bench step"]


def one_output(zoo, out):
    """A copy of a zoo whose networks have the first of their outputs only."""
    shutil.copytree(zoo, out)
    text = (out / "zoo.json").read_text()
    assert "fixed(10)" in text
    (out / "zoo.json").write_text(text.replace("fixed(10)", "fixed(1)"))
    for path in out.glob("weights-*.safetensors"):
        file = SafeTensors(path)
        file.header["__metadata__"] = {key: value.replace("fixed(10)", "fixed(1)")
                                       for key, value in file.header["__metadata__"].items()}
        data = bytearray()
        for name, entry in sorted(((n, e) for n, e in file.header.items() if n != "__metadata__"),
                                  key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            content, shape = file.data[begin:end], entry["shape"]
            if 10 in shape[1:]:
                axis = shape.index(10, 1)
                outer, inner = math.prod(shape[:axis]), (end - begin) // math.prod(shape[:axis + 1])
                content = b"".join(content[10 * inner * i:10 * inner * i + inner] for i in range(outer))
                shape[axis] = 1
            entry["data_offsets"] = [len(data), len(data) + len(content)]
            data += content
        file.data = data
        file.save(path)
    return out


class Page(html.parser.HTMLParser):
    """Counts elements, keeps links, and checks that tags close in order."""
    VOID = {"meta", "br", "hr", "img", "link", "input", "col"}

    def __init__(self, text):
        super().__init__()
        self.open, self.count, self.links, self.wrong = [], {}, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value for key, value in attributes if key in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value for key, value in attributes if key in ("src", "href") and value]

    def handle_endtag(self, tag):
        # <tr>, <td>, <p> … may stay open in HTML
        while self.open and self.open[-1] != tag and self.open[-1] in {"p", "li", "tr", "td", "th", "tbody", "thead"}:
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


class Verbs(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for model in MODELS:
            subprocess.run([PROGRAM, "train", "--zoo", "zoo", "--model", model, "--out", model, *epochs(model, 3), "--quiet"],
                           cwd=cls.folder, check=True)
        subprocess.run([PROGRAM, "zoo", "make", "--out", "named", "--kind", "vit", *SMALL_TRANSFORMERS, "--networks", "30",
                        "--quiet"], cwd=cls.folder, check=True)

    def check_page(self, name, models):
        text = (self.folder / name).read_text()
        page = Page(text)
        self.assertEqual((page.wrong, [t for t in page.open if t not in ("html", "body", "p")]), ([], []))
        self.assertEqual([link for link in page.links if not link.startswith("#")], [])
        self.assertNotIn("script", page.count)
        self.assertGreaterEqual(page.count["table"], 1)
        self.assertGreaterEqual(page.count["svg"], 1)
        for model in models:
            self.assertIn(model, text)

    def test_transformer_zoos(self):
        for out, words in (("vit", ("--kind", "vit")), ("stream", ("--kind", "vit", "--residual")),
                           ("texts", ("--kind", "text")), ("padded", ("--kind", "text", "--pad", "batch"))):
            made = self.json("zoo", "make", "--out", out, *words, *SMALL_TRANSFORMERS)
            self.assertEqual((made["architecture"], made["networks"], made["checkpoints"]), ("transformer", 12, 48))
            self.assertEqual("WE[e, " in made["space"], words[1] == "vit")
            self.assertEqual(made["settings"].get("residual"), "yes" if out == "stream" else None)
            self.assertEqual(made, self.json("zoo", "show", "--zoo", out))
            rows = (self.folder / out / "table.csv").read_text().splitlines()
            column = rows[0].split(",").index("checkpoint")
            self.assertEqual([row.split(",")[column] for row in rows[1:]],
                             [c for c in ("50", "75", "100", "best") for _ in range(12)])
            self.weft("zoo", "export", "--zoo", out, "--id", 47, "--out", f"{out}-net")
        self.weft("zoo", "show", "--zoo", "texts", says=["topics", "below 0.375"])

    def test_checkpoints(self):
        train = ("train", "--zoo", "named", "--model", "mlp", "--epochs", 2)
        one = self.json(*train, "--out", "judged")
        self.assertEqual(one["checkpoint"], "75")
        every = self.json(*train, "--out", "every", "--checkpoint", "all")
        self.assertEqual(every["checkpoints"], 4 * one["checkpoints"])
        for networks in (3, 1000):
            some = self.json(*train, "--out", f"first-{networks}", "--checkpoint", "all", "--train-networks", networks)
            self.assertEqual(some["checkpoints"], min(4 * networks, every["checkpoints"]))
        self.weft(*train, "--out", "first-3", "--checkpoint", "all", "--resume", code=USAGE, says=["another train_networks", "3", "0"])
        best = self.json("eval", "--zoo", "named", "--model", "judged", "--checkpoint", "best")
        table = [row.split(",") for row in (self.folder / "named" / "table.csv").read_text().splitlines()]
        named = {int(row[0]): row[table[0].index("checkpoint")] for row in table[1:]}
        self.assertEqual({named[i] for i in best["ids"]}, {"best"})
        judged = self.json("eval", "--zoo", "named", "--model", "judged", "--force")
        self.assertEqual({named[i] for i in judged["ids"]}, {"75"})
        self.assertEqual([above["networks"] for above in judged["above"]],
                         [sum(t > bound for t in judged["truth"]) for bound in (0.2, 0.4, 0.6, 0.8)])
        self.weft("eval", "--zoo", "named", "--model", "judged", "--force", says=["accuracy 20 %", "(few)"])
        self.weft("train", "named", "--model", "token-probes", "--points", 2, "--tokens", 3, "--hidden", 4, "--epochs", 2, "--out", "tokens")
        self.weft("verify", "--model", "tokens", says="PASS")
        self.weft("report", "--zoo", "named", "--run", "judged", "--out", "named.html")
        self.assertIn("among networks above", (self.folder / "named.html").read_text())
        self.weft(*train, "--out", "never", "--checkpoint", "60", code=USAGE, says=["'60'", "all, 50, 75, 100, best"])
        self.weft("train", "--zoo", "zoo", "--out", "never", "--checkpoint", "75", code=USAGE, says="allowed: all")

    def test_tasks(self):
        """A model learns the gap, and says it; checkpoints whose gap nobody measured are left out."""
        train = ("train", "named", "--model", "statnn", "--task", "generalisation-gap", "--epochs", 30)
        run = self.json(*train, "--out", "gap")
        log = [row.split(",") for row in (self.folder / "gap" / "log.csv").read_text().splitlines()]
        self.assertLess(float(log[-1][1]), float(log[1][1]))
        self.assertLess(float(log[-1][1]), 0.1)  # squares of gaps
        self.assertEqual(self.json(*train, "--out", "gaps", "--checkpoint", "all")["checkpoints"], 3 * run["checkpoints"])
        said = self.json("predict", "gap", "--zoo", "named")
        self.assertEqual({row["generalisation_gap"] is None for row in said if row["id"] >= 90}, {True})
        for row in said:
            self.assertLess(abs(row["predicted_generalisation_gap"]), 2)
        csv = self.weft("predict", "gap", "--zoo", "named").stdout.splitlines()
        self.assertEqual(csv[0], "id,network,epoch,generalisation_gap,predicted_generalisation_gap,part")
        self.assertEqual({row.split(",")[3] for row in csv[91:]}, {""})
        self.assertEqual(self.json("eval", "gap")["task"], "generalisation-gap")
        not_measured = "the generalisation-gap of checkpoint 'best' was not measured in this zoo; allowed: 100, 50, 75"
        self.weft(*train, "--out", "never", "--checkpoint", "best", code=INPUT, says=not_measured)
        self.weft("eval", "gap", "--checkpoint", "best", "--force", code=INPUT, says=not_measured)

    def test_solved_models(self):
        self.weft("train", "zoo", "--model", "ridge", "--out", "solved", says=["solved at once", "solved in", "validation tau"])
        self.weft("train", "zoo", "--model", "ridge", "--out", "x", "--batch", 3, code=USAGE,
                  says="--batch is no setting of model ridge; allowed: with magep")
        for wrong in ("-1", "0", "nan", "1e7", " 1", "0x1p-3"):
            self.weft("train", "zoo", "--model", "ridge", "--out", "x", f"--lambda={wrong}", code=USAGE,
                      says=f"{wrong}; allowed: numbers from 1e-09 to 1000000")
        self.weft("train", "--train-psi", "zoo", "--out", "x", code=USAGE, says="write --train-psi=true before a place")

    def test_version_and_help(self):
        version = self.weft("--version").stdout
        self.assertRegex(version, r"^weft \d+\.\d+\.\d+\ncommit +([0-9a-f]{12}(-dirty)?|unknown)\n"
                                  r"compiler +(g\+\+|clang) \d+.*\ninstruction set +(portable|avx2|avx512)\nCUDA +.+\n"
                                  r"devices +cpu.*\n$")
        portable = self.weft("--version", env={**os.environ, "WEFT_CPU": "portable"}).stdout
        self.assertIn("instruction set  portable\n", portable)
        self.weft("--help", says="Exit codes:")
        for verb in VERBS + ["zoo", "bench"]:
            self.weft(*verb.split(), "--help", says=["Example:", f"  weft {verb}"])

    def test_help_of_train(self):
        """Models stand by what they read, settings with their usual values by families of models; lines can be read."""
        text = self.weft("train", "--help").stdout
        lines = [line.strip() for line in text.split("\n")]
        self.assertIn("edits", lines[0])
        for line in ("of dense and convolutional networks: magep, graph", "of transformers: transformer-nfn, token-probes",
                     "that edit implicit networks: edit-magep, edit-sine, edit-monomial, edit-np, edit-hnp, unedited",
                     "magep, transformer-nfn, inr-*, graph, edit-*: channels of a functional network's layers; usual: 64, for "
                     "magep 20, for transformer-nfn 10, for graph 32"):
            self.assertTrue(any(of_help.endswith(line) for of_help in lines), line)
        self.assertIn("--task TEXT ", text)
        self.assertIn("; one of accuracy, generalisation-gap, class, edit-dilate, edit-contrast, edit\n", text)
        self.assertIn("--activation TEXT:{relu,tanh}\n", text)
        self.assertEqual([line for line in lines if len(line) > 250], [])

    def test_zoo(self):
        shown = self.json("zoo", "show", "--zoo", "zoo")
        self.assertEqual((shown["networks"], shown["checkpoints"], len(shown["accuracies"])), (12, 36, 12))
        self.weft("zoo", "show", "--zoo", "zoo", says=["12 networks", "36 checkpoints", "test accuracy"])
        made = self.json("zoo", "make", "--out", "json-zoo", *SMALL_ZOO)
        self.assertEqual(made["accuracies"], shown["accuracies"])
        self.weft("zoo", "export", "--zoo", "zoo", "--id", 3, "--out", "3.safetensors", says="network 3")
        exported = self.json("zoo", "export", "--zoo", "zoo", "--id", 14, "--out", "14.safetensors")
        self.assertEqual((exported["id"], exported["network"]), (14, 2))
        self.assertIn("W1", SafeTensors(self.folder / "14.safetensors").header)

    def test_train(self):
        for model in MODELS:
            self.assertEqual(sorted(self.bytes_of(model, but=["eval.json", "verify.json"])),
                             ["log.csv", "model.safetensors", "run.json"])
            self.assertEqual(len((self.folder / model / "log.csv").read_text().split()), 1 + (1 if model == "ridge" else 3))
        run = self.json("train", "--zoo", "zoo", "--out", "json-run", "--epochs", 2)
        self.assertEqual((run["model"], run["epochs"]), ("magep", 2))
        again = self.json("train", "--zoo", "zoo", "--out", "json-run", "--epochs", 2, "--resume")
        self.assertEqual(run, again)

    def test_eval(self):
        for model in MODELS:
            judged = self.json("eval", "--model", model, "--zoo", "zoo", "--out", f"{model}.eval.json")
            self.assertEqual(judged, json.loads((self.folder / f"{model}.eval.json").read_text()))
            self.assertEqual(len(judged["tau"]), 6)
            if model in ("magep", "balanced-statnn", "ridge"):  # they do not see the moves
                for predicted in judged["predicted"]:
                    for a, b in zip(predicted, judged["predicted"][0]):
                        self.assertAlmostEqual(a, b, delta=1e-3)

    def test_moved_network(self):
        self.weft("zoo", "export", "--zoo", "zoo", "--id", 30, "--out", "net.safetensors")
        before = self.json("predict", "--model", "magep", "--network", "net.safetensors")["predicted_accuracy"]
        for strength in (0, 1, 3):
            acted = self.json("act", "--network", "net.safetensors", "--out", "moved.safetensors", "--force",
                              "--strength", strength, "--seed", 7)
            self.assertEqual((acted["strength"], acted["seed"]), (strength, 7))
            self.assertNotEqual(SafeTensors(self.folder / "net.safetensors").data,
                                SafeTensors(self.folder / "moved.safetensors").data)
            after = self.json("predict", "--model", "magep", "--network", "moved.safetensors")["predicted_accuracy"]
            self.assertAlmostEqual(before, after, delta=1e-4)
        of_zoo = self.json("predict", "--model", "magep/model.safetensors", "--zoo", "zoo")
        self.assertEqual(len(of_zoo), 36)
        self.assertAlmostEqual(of_zoo[30]["predicted_accuracy"], before, delta=1e-6)
        csv = self.weft("predict", "--model", "magep", "--zoo", "zoo").stdout.split()
        self.assertEqual((csv[0], len(csv)), ("id,network,epoch,accuracy,predicted_accuracy,part", 37))

    def test_verify(self):
        for model, code in zip(MODELS, (OK, FAIL, OK, OK, FAIL)):
            said = self.weft("verify", "--model", model, code=code).stdout.split()
            self.assertEqual(said[-1], "PASS" if code == OK else "FAIL")
            self.assertEqual(self.json("verify", "--model", model, code=code)["passed"], code == OK)
        short = self.weft("verify", "--model", "magep").stdout
        long = self.weft("verify", "--model", "magep", "--proof").stdout
        self.assertGreater(len(long), 2 * len(short))
        self.weft("verify", "--model", "magep", "--out", "verify.json")
        self.assertTrue(json.loads((self.folder / "verify.json").read_text())["passed"])

    def test_verify_writes_into_the_run(self):
        file = self.folder / "statnn" / "verify.json"
        file.unlink(missing_ok=True)
        self.weft("verify", "statnn/model.safetensors", code=FAIL)
        first = json.loads(file.read_text())
        self.assertEqual((first["passed"], first["dtype"]), (False, "float64"))
        self.assertNotIn("another result", self.weft("verify", "statnn", code=FAIL).stderr)
        # Another result is no reason to fail, nor to lose the one that is there.
        self.assertIn("another result", self.weft("verify", "statnn", "--dtype", "float32", code=FAIL).stderr)
        self.assertEqual(json.loads(file.read_text()), first)
        self.weft("verify", "statnn", "--dtype", "float32", "--force", code=FAIL)
        self.assertEqual(json.loads(file.read_text())["dtype"], "float32")
        # A model that lies by itself is of no run.
        (self.folder / "alone").mkdir()
        shutil.copy(self.folder / "magep" / "model.safetensors", self.folder / "alone")
        self.weft("verify", "alone", says="PASS")
        self.assertEqual(os.listdir(self.folder / "alone"), ["model.safetensors"])

    def test_verify_names_what_moves(self):
        self.weft("train", "named", "--out", "gl", "--model", "transformer-nfn", "--epochs", 1, "--quiet")
        checks = {row["check"] for row in self.json("verify", "gl")["checks"]}
        self.assertEqual(checks, {"permutations and orthogonal matrices", "negative control",
                                  "permutations and scales up to 10 and matrices of condition 10",
                                  "permutations and scales up to 100 and matrices of condition 100"})
        checks = {row["check"] for row in self.json("verify", "magep", "--force")["checks"]}
        self.assertEqual(checks, {"permutations alone", "permutations and scales up to 10",
                                  "permutations and scales up to 100", "negative control"})

    def test_tau_of_nobody(self):
        """Tau of fewer than two networks is no number: null in files, - in tables."""
        judged = self.json("eval", "magep", "--zoo", "zoo", "--force")
        nobody = [above for above in judged["above"] if above["networks"] < 2]
        self.assertTrue(nobody)
        for above in judged["above"]:
            self.assertEqual(all(tau is None for tau in above["tau"]), above["networks"] < 2, above)
        table = self.weft("eval", "magep", "--zoo", "zoo", "--force").stdout
        for above in nobody:
            row, = [line for line in table.split("\n") if f"accuracy {100 * above['accuracy']:.0f} %" in line]
            self.assertEqual(row.split()[-6:], ["-"] * 6)
        self.weft("report", "magep", "--zoo", "zoo", "--out", "nobody.html")
        self.assertIn("<td>-</td>", self.bytes_of("nobody.html").decode())

    def test_report_says_what_is_missing(self):
        self.weft("train", "zoo", "--out", "unseen", "--epochs", 1, "--quiet")
        said = self.weft("report", "unseen", "--zoo", "zoo", "--out", "unseen.html")
        self.assertIn("'unseen' was not judged: weft eval unseen", said.stderr)
        self.weft("eval", "unseen", "--zoo", "zoo", "--quiet")
        said = self.weft("report", "unseen", "--zoo", "zoo", "--out", "unseen.html", "--force")
        self.assertNotIn("not judged", said.stderr)

    def test_chance(self):
        """A zoo whose networks have one output has no classes to be guessed."""
        self.weft("zoo", "show", "zoo", says="at chance (below 0.15)")
        self.assertNotIn("at chance", self.weft("zoo", "show", one_output(self.folder / "zoo", self.folder / "one")).stdout)

    def test_colour_is_for_terminals(self):
        def says(*words, **environment):
            """What it writes to a terminal."""
            here, there = os.openpty()
            process = subprocess.Popen(self.command(words), cwd=self.folder, stdout=there, stderr=there,
                                       env={**os.environ, "TERM": "xterm", **environment})
            os.close(there)
            text = b""
            try:
                while piece := os.read(here, 1 << 16):
                    text += piece
            except OSError:  # the other end is closed
                pass
            os.close(here)
            process.wait()
            return text

        os.environ.pop("NO_COLOR", None)
        for words in (("verify", "magep", "--force"), ("train", "nowhere", "--out", "x")):
            self.assertIn(b"\x1b[1;", says(*words))
            self.assertNotIn(b"\x1b[1;", says(*words, NO_COLOR="1"))
            self.assertIn(b"\x1b[1;", says(*words, NO_COLOR=""))
            self.assertNotIn(b"\x1b[1;", says(*words, TERM="dumb"))
            piped = subprocess.run(self.command(words), cwd=self.folder, capture_output=True)
            self.assertNotIn(b"\x1b", piped.stdout + piped.stderr)

    def test_report(self):
        for model in MODELS:
            self.weft("eval", "--model", model, "--zoo", "zoo", "--force")
        self.weft("verify", "--model", "magep", "--force")
        runs = [word for model in MODELS for word in ("--run", model)]
        self.weft("report", "--zoo", "zoo", *runs, "--out", "page.html", says="page.html")
        self.check_page("page.html", MODELS)
        said = self.json("report", "--zoo", "zoo", *runs, "--out", "page2.html")
        self.assertEqual(said["runs"], list(MODELS))
        self.assert_same(self.bytes_of("page.html"), self.bytes_of("page2.html"))

    def test_report_forgets_a_replaced_model(self):
        self.weft("train", "--zoo", "zoo", "--out", "replaced", "--epochs", 2)
        self.weft("eval", "--model", "replaced", "--zoo", "zoo")
        self.weft("train", "--zoo", "zoo", "--out", "replaced", "--epochs", 2, "--seed", 5, "--force")
        self.assertFalse((self.folder / "replaced" / "eval.json").exists())

    def test_demo(self):
        words = ("demo", "--out", "demo", "--networks", 12, "--images", 200, "--zoo-epochs", 4, "--epochs", 2)
        said = self.json(*words)
        self.assertEqual(said["runs"], [f"demo/{model}" for model in MODELS])
        self.check_page("demo/report.html", MODELS)
        self.assertTrue(json.loads((self.folder / "demo/magep/verify.json").read_text())["passed"])
        self.weft(*words, code=USAGE, says=["demo/report.html", "--force"])
        before = self.bytes_of("demo/zoo")
        self.weft(*words, "--resume", says="PASS")
        self.assert_same(before, self.bytes_of("demo/zoo"))

    def test_bench(self):
        self.assertGreater(self.json("bench", "step", "cnn", "--seconds", 0.3)["min_ms"], 0)
        self.weft("bench", "step", "cnn", "--seconds", 0.3, says="min_ms=")

    def test_quiet(self):
        for words in (("zoo", "make", "--out", "quiet-zoo", *SMALL_ZOO), ("zoo", "show", "--zoo", "zoo"),
                      ("zoo", "export", "--zoo", "zoo", "--id", 0, "--out", "quiet.safetensors"),
                      ("train", "--zoo", "zoo", "--out", "quiet-run", "--epochs", 2),
                      ("eval", "--model", "magep", "--zoo", "zoo", "--out", "quiet.json"),
                      ("predict", "--model", "magep", "--zoo", "zoo"),
                      ("act", "--network", "quiet.safetensors", "--out", "quiet2.safetensors"),
                      ("verify", "--model", "magep"), ("bench", "step", "cnn", "--seconds", 0.2),
                      ("report", "--zoo", "zoo", "--run", "mlp", "--out", "quiet.html"),
                      ("demo", "--out", "quiet-demo", "--networks", 12, "--images", 100, "--zoo-epochs", 2, "--epochs", 1)):
            self.assertEqual(self.weft(*words, "--quiet").stderr, "", words)


if __name__ == "__main__":
    main()
