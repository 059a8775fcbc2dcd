#!/usr/bin/env python3
"""Ids name checkpoints, they are not places: a zoo with other ids gives the same results, to the bit."""
from weft_cli import *

OTHERS = {"shifted": lambda i: i + 1000, "reversed": lambda i: 35 - i, "gaps": lambda i: 7 * i + 3}


class Ids(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, renamed in OTHERS.items():
            shutil.copytree(cls.folder / "zoo", cls.folder / name)
            renumber(cls.folder / name, renamed)

    def test_training_and_judging(self):
        def run(zoo, model):
            out = f"{zoo}-{model}"
            self.weft("train", "--zoo", zoo, "--model", model, "--epochs", 3, "--out", out, "--quiet")
            return out, self.json("eval", "--model", out, "--zoo", zoo)

        for model in ("magep", "statnn"):
            first, judged = run("zoo", model)
            for name, renamed in OTHERS.items():
                out, other = run(name, model)
                self.assert_same(self.bytes_of(first, but=["run.json", "eval.json"]),
                                 self.bytes_of(out, but=["run.json", "eval.json"]))
                self.assertEqual([renamed(i) for i in judged.pop("ids")], other.pop("ids"))
                self.assertEqual(judged, other)
                judged = self.json("eval", "--model", first, "--zoo", "zoo", "--force")

    def test_predictions(self):
        self.weft("train", "--zoo", "zoo", "--epochs", 2, "--out", "run", "--quiet")
        first = self.json("predict", "--model", "run", "--zoo", "zoo")
        for name, renamed in OTHERS.items():
            for a, b in zip(first, self.json("predict", "--model", "run", "--zoo", name), strict=True):
                self.assertEqual({**a, "id": renamed(a["id"])}, b)

    def test_export(self):
        for name, renamed in OTHERS.items():
            for i in (0, 14, 35):
                self.weft("zoo", "export", "--zoo", "zoo", "--id", i, "--out", "net", "--force")
                self.weft("zoo", "export", "--zoo", name, "--id", renamed(i), "--out", "other", "--force")
                self.assert_same(self.bytes_of("net"), self.bytes_of("other"))
        self.weft("zoo", "export", "--zoo", "shifted", "--id", 3, "--out", "x", code=USAGE, says=["no id 3", "1000 to 1035"])

    def test_example(self):
        said = {name: subprocess.run([os.environ["WEFT_EXAMPLE"], name], cwd=self.folder, capture_output=True, text=True,
                                     check=True).stdout for name in ("zoo", *OTHERS)}
        self.assertIn("tau-b of 6 test networks", said["zoo"])
        for name in OTHERS:
            self.assertEqual(said["zoo"], said[name])


if __name__ == "__main__":
    main()
