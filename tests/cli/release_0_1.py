#!/usr/bin/env python3
"""Files of release 0.1 (tests/fixtures/release-0.1): what is finished opens, what is half-made is not continued."""
import csv

from weft_cli import *

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures" / "release-0.1"


class Release01(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shutil.rmtree(cls.folder / "zoo")
        shutil.copytree(FIXTURES, cls.folder, dirs_exist_ok=True)

    def test_zoo(self):
        shown = self.json("zoo", "show", "--zoo", "zoo")
        self.assertEqual((shown["networks"], shown["checkpoints"], shown["seed"]), (7, 14, 5))

    def test_predictions(self):
        for model in ("magep", "statnn"):
            with open(FIXTURES / f"{model}.csv") as file:
                recorded = list(csv.DictReader(file))
            found = self.json("predict", "--model", model, "--zoo", "zoo")
            for a, b in zip(recorded, found, strict=True):
                self.assertEqual((int(a["id"]), float(a["accuracy"])), (b["id"], b["accuracy"]))
                self.assertAlmostEqual(float(a["predicted_accuracy"]), b["predicted_accuracy"], delta=1e-6)
            self.assertNotEqual({row["part"] for row in found}, {"unknown"})

    def test_judgement(self):
        """Their settings name split and zoo, if not by its hash."""
        judged = self.json("eval", "--model", "statnn", "--out", "x.json")
        self.assertEqual((judged["split"], judged["warning"]), (3, None))
        self.weft("eval", "--model", "statnn", "--split", 0, "--out", "y.json", code=USAGE, says=["took part", "split 3"])
        self.weft("report", "--run", "magep", "--run", "statnn", "--out", "page.html")

    def test_finished_ones_are_finished(self):
        self.weft("train", "--zoo", "zoo", "--model", "statnn", "--hidden", 8, "--epochs", 30, "--split", 3,
                  "--out", "statnn", "--resume", says="finished already")
        self.weft("train", "--zoo", "zoo", "--model", "statnn", "--hidden", 8, "--epochs", 31, "--split", 3,
                  "--out", "statnn", "--resume", code=USAGE, says=["another epochs (30; here 31)"])

    def test_half_made_ones_are_not_continued(self):
        versions = ["version 1 of the numerics (weft 0.1)", "computes with version 5", "finish it with the weft that began it"]
        for folder, words in (("half-run", ("train", "--zoo", "zoo", "--model", "statnn", "--hidden", 8, "--epochs", 100000,
                                            "--patience", 100000, "--split", 3, "--out", "half-run")),
                              ("half-zoo.part", ("zoo", "make", "--out", "half-zoo", "--networks", 1, "--images", 3000,
                                                 "--test-images", 10, "--epochs", 8))):
            before = self.bytes_of(folder)
            self.weft(*words, "--resume", code=USAGE, says=[folder, *versions, "start anew"])
            self.assert_same(before, self.bytes_of(folder))
            self.weft(*words, code=USAGE, says=[folder, "unfinished"])


if __name__ == "__main__":
    main()
