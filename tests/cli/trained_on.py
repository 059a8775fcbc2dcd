#!/usr/bin/env python3
"""A model knows what it was trained on, and is not judged on that without saying so."""
import csv
import html

from weft_cli import *


class TrainedOn(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for out, words in (("run", ("--zoo", "zoo", "--split", "3")), ("plain", ("--zoo", "zoo"))):
            subprocess.run([PROGRAM, "train", "--model", "statnn", "--hidden", "8", "--epochs", "3", "--out", out, "--quiet",
                            *words], cwd=cls.folder, check=True)
        with open(cls.folder / "zoo" / "table.csv") as file:
            cls.table = {int(row["id"]): row for row in csv.DictReader(file)}
        shutil.copytree(cls.folder / "zoo", cls.folder / "other")
        path = cls.folder / "other" / "weights-00001.safetensors"
        file = SafeTensors(path)
        file.set_float("b1", 0.25)
        file.sign_weights()
        file.save(path)

    def parts(self, ids, split):
        return {self.table[i][f"split_{split}"] for i in ids}

    def test_the_models_own_split(self):
        judged = self.json("eval", "--model", "run", "--out", "own.json")
        self.assertEqual(self.parts(judged["ids"], 3), {"test"})
        self.assertEqual((judged["split"], judged["checkpoint"], judged["warning"]), (3, "all", None))
        self.assertEqual(judged, self.json("eval", "--model", "run", "--zoo", "zoo", "--split", 3, "--out", "own.json", "--force"))
        said = self.weft("eval", "--model", "run", "--out", "own.json", "--force", says="split 3").stdout
        self.assertNotIn("*", said)
        # The zoo may lie anywhere, and its ids may be others.
        shutil.copytree(self.folder / "zoo", self.folder / "elsewhere")
        renumber(self.folder / "elsewhere", lambda i: i + 7)
        moved = self.json("eval", "--model", "run", "--zoo", "elsewhere", "--out", "own.json", "--force")
        self.assertEqual((moved["warning"], moved["zoo"], moved["tau"]), (None, judged["zoo"], judged["tau"]))

    def test_another_split(self):
        other = next(k for k in range(5) if "train" in self.parts([i for i, row in self.table.items() if row[f"split_{k}"] == "test"], 3))
        took_part = {i for i, row in self.table.items() if row["epoch"] == "4" and row[f"split_{other}"] == "test"
                     and row["split_3"] != "test"}
        eval_ = ("eval", "--model", "run", "--split", other, "--out", "another.json")
        says = [f"{len(took_part)} of the 2 networks took part", "split 3"]
        self.weft(*eval_, code=USAGE, says=[*says, "--allow-trained-on"])
        self.assertFalse((self.folder / "another.json").exists())
        judged = self.json(*eval_, "--allow-trained-on")
        self.assertEqual((judged["split"], self.parts(judged["ids"], other)), (other, {"test"}))
        self.assertIn(says[0], judged["warning"])
        self.assertEqual(judged, json.loads((self.folder / "another.json").read_text()))
        self.weft(*eval_, "--allow-trained-on", "--force", says=["statnn *", "* statnn", *says])

    def test_another_zoo(self):
        eval_ = ("eval", "--model", "run", "--zoo", "other", "--out", "other.json")
        self.weft(*eval_, code=USAGE, says=["another zoo", "--allow-trained-on"])
        self.assertIn("another zoo", self.json(*eval_, "--allow-trained-on")["warning"])

    def test_report(self):
        shutil.copytree(self.folder / "run", self.folder / "marked")
        other = next(k for k in range(5) if "train" in self.parts([i for i, row in self.table.items() if row[f"split_{k}"] == "test"], 3))
        self.json("eval", "--model", "marked", "--split", other, "--allow-trained-on")
        report = ("report", "--run", "marked", "--run", "plain", "--out", "page.html")
        self.weft("eval", "--model", "plain")
        self.weft(*report, code=USAGE, says=["marked/eval.json", "took part", "--allow-trained-on"])
        self.assertFalse((self.folder / "page.html").exists())
        said = self.json(*report, "--allow-trained-on")
        self.assertEqual(len(said["warnings"]), 1)
        self.assertIn("* statnn in 'marked'", said["warnings"][0])
        page = html.unescape((self.folder / "page.html").read_text())
        self.assertIn("<td>statnn *</td>", page)
        self.assertIn("<td>statnn</td>", page)
        self.assertIn(said["warnings"][0], page)
        self.weft(*report, "--allow-trained-on", "--force", says=["statnn *", said["warnings"][0]])
        self.weft("report", "--zoo", "other", "--run", "plain", "--out", "x.html", code=USAGE, says=["'plain'", "another zoo"])
        # Release 0.1 did not record where it judged; the ids tell.
        path = self.folder / "marked" / "eval.json"
        judged = json.loads(path.read_text())
        for key in ("split", "checkpoint", "zoo", "warning"):
            del judged[key]
        path.write_text(json.dumps(judged))
        self.weft(*report, "--force", code=USAGE, says=["marked/eval.json", "took part"])

    def test_runs_that_differ_in_more_than_their_split_stand_apart(self):
        for name, options in (("wide", ("--hidden", 20)), ("narrow", ("--hidden", 5)), ("unseen", ("--hidden", 5, "--split", 2))):
            self.weft("train", "zoo", "--model", "mlp", "--epochs", 2, *options, "--out", name, "--quiet")
        for name in ("wide", "narrow"):
            self.weft("eval", name, "--quiet")
        said = self.weft("report", "unseen", "wide", "narrow", "--out", "apart.html").stdout
        self.assertIn("mlp in wide", said)
        self.assertIn("mlp in unseen", said)  # and narrow, which differs in its split alone
        self.assertNotIn("mlp in narrow", said)
        self.assertIn("mlp in wide, accuracy", said)  # the first run has nothing, the others have
        # A judgement that says that it is of another zoo is marked.
        path = self.folder / "wide" / "eval.json"
        judged = json.loads(path.read_text())
        path.write_text(json.dumps(judged | {"zoo": "00"}))
        self.weft("report", "wide", "--out", "other-zoo.html", code=USAGE, says="another zoo")

    def test_damaged_judgement(self):
        shutil.copytree(self.folder / "plain", self.folder / "damaged")
        self.json("eval", "--model", "damaged")
        path = self.folder / "damaged" / "eval.json"
        judged = json.loads(path.read_text())
        for change in (lambda j: j["truth"].append(0.5), lambda j: j["predicted"].pop(), lambda j: j["predicted"][0].pop(),
                       lambda j: j["tau"].pop(), lambda j: j["ids"].append(0), lambda j: j["above"][0]["tau"].pop()):
            wrong = json.loads(json.dumps(judged))
            change(wrong)
            path.write_text(json.dumps(wrong))
            self.weft("report", "--run", "damaged", "--out", "x.html", code=INPUT, says="damaged/eval.json")

    def test_predictions(self):
        for row in self.json("predict", "--model", "run", "--zoo", "zoo"):
            self.assertEqual(row["part"], self.table[row["id"]]["split_3"])
        self.assertEqual({row["part"] for row in self.json("predict", "--model", "run", "--zoo", "other")}, {"unknown"})
        table = list(csv.DictReader(self.weft("predict", "--model", "run", "--zoo", "zoo").stdout.splitlines()))
        self.assertEqual([row["part"] for row in table], [row["split_3"] for row in self.table.values()])

    def test_a_model_that_says_nothing(self):
        (self.folder / "bare").mkdir()
        file = SafeTensors(self.folder / "run" / "model.safetensors")
        del file.header["__metadata__"]["settings"]
        file.save(self.folder / "bare" / "model.safetensors")
        self.weft("eval", "--model", "bare", code=USAGE, says=["bare/run.json", "--zoo"])
        self.weft("eval", "--model", "bare", "--zoo", "zoo", code=USAGE, says=["does not say", "--split"])
        judged = self.json("eval", "--model", "bare", "--zoo", "zoo", "--split", 1)
        self.assertEqual(judged["split"], 1)
        self.assertIn("does not say", judged["warning"])

    def test_damaged_settings(self):
        for settings in ("{", "3", "{}", '{"split": 5, "checkpoint": "all"}', '{"split": -1, "checkpoint": "all"}',
                         '{"split": 2.5, "checkpoint": "all"}', '{"split": 1e300, "checkpoint": "all"}',
                         '{"split": 1, "checkpoint": 3}', '{"split": "1", "checkpoint": "all"}'):
            (self.folder / "wrong").mkdir(exist_ok=True)
            file = SafeTensors(self.folder / "run" / "model.safetensors")
            file.header["__metadata__"]["settings"] = settings
            file.save(self.folder / "wrong" / "model.safetensors")
            self.weft("eval", "--model", "wrong", "--zoo", "zoo", code=INPUT, says="wrong/model.safetensors")

    def test_the_zoo_of_a_run(self):
        (self.folder / "away").mkdir()
        for file in ("model.safetensors", "run.json", "log.csv"):
            shutil.copy(self.folder / "run" / file, self.folder / "away" / file)
        path = self.folder / "away" / "run.json"
        path.write_text(path.read_text().replace('"zoo": "zoo"', '"zoo": "gone"'))
        for verb in (("eval", "--model", "away"), ("report", "--run", "away", "--out", "x.html")):
            self.weft(*verb, code=USAGE, says=["no zoo at 'gone'", "away/run.json", "--zoo"])


if __name__ == "__main__":
    main()
