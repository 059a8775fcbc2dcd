#!/usr/bin/env python3
"""Models that tell classes: of a zoo whose networks have one, from training to the report."""
import csv
import html
import math

from weft_cli import *

CLASSES = 3


def with_classes(zoo, class_of, column="class"):
    """Gives a zoo's networks a class, in a column, and in the last tensor of their weights, where it shows."""
    with open(zoo / "table.csv") as file:
        header, *rows = csv.reader(file)
    network, seed = header.index("network"), header.index("seed")
    for row in rows:
        row.append(str(class_of(int(row[network]))))
    header.append(column)
    with open(zoo / "table.csv", "w") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    description = json.loads((zoo / "zoo.json").read_text())
    description["columns"].append({"name": column, "meaning": "of the image"})
    first = {int(row[network]): row for row in reversed(rows)}
    texts = "".join(f"{len(first[n][c].encode())}:{first[n][c]},"
                    for c in range(seed + 1, len(header)) for n in sorted(first))
    value = 0xCBF29CE484222325
    for byte in texts.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    description["hyper_parameters_hash"] = f"{value:016x}"
    (zoo / "zoo.json").write_text(json.dumps(description))
    networks = {int(row[0]): int(row[network]) for row in rows}
    for path in zoo.glob("weights-*.safetensors"):
        file = SafeTensors(path)
        begin, end = file.header["table.id"]["data_offsets"]
        ids = struct.unpack(f"<{(end - begin) // 4}i", file.data[begin:end])
        last = max(name for name in file.header if name.startswith("b"))
        size = math.prod(file.header[last]["shape"][1:])
        for row, i in enumerate(ids):
            for j in range(size):
                file.set_float(last, (class_of(networks[i]) - 1) * (1 if j % 2 else 2), row * size + j)
        file.save(path)


class Classes(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run([PROGRAM, "zoo", "make", "--out", "classes", "--quiet", "--networks", "40", "--images", "40",
                        "--test-images", "20", "--epochs", "1"], cwd=cls.folder, check=True)
        shutil.copytree(cls.folder / "classes", cls.folder / "plain")
        with_classes(cls.folder / "classes", lambda network: network % CLASSES)
        for model in ("magep", "ridge"):
            subprocess.run([PROGRAM, "train", "classes", "--model", model, "--out", model, "--quiet", *epochs(model, 30)],
                           cwd=cls.folder, check=True)

    def test_training(self):
        """The class is the usual task of such a zoo, and has its own metric."""
        said = self.weft("train", "classes", "--out", "short", "--epochs", 2, says="best validation accuracy").stdout
        self.assertNotIn("tau", said)
        run = json.loads((self.folder / "magep" / "run.json").read_text())
        self.assertEqual((run["task"], run["settings"]["task"], run["options"]["task"]), ("class",) * 3)
        self.assertNotIn("validation_tau", run)
        log = list(csv.DictReader((self.folder / "magep" / "log.csv").read_text().splitlines()))
        self.assertEqual(list(log[0]), ["epoch", "train_loss", "validation_loss", "validation_accuracy"])
        self.assertEqual(run["validation_accuracy"], max(float(row["validation_accuracy"]) for row in log))
        self.assertEqual(run["validation_accuracy"], 1)
        self.weft("train", "classes", "--model", "ridge", "--out", "solved", says=["solved at once", "validation accuracy"])
        # The number is still there to be learnt, and a run made again learns what it learnt.
        number = self.json("train", "classes", "--task", "accuracy", "--out", "number", "--epochs", 1)
        self.assertEqual((number["task"], "validation_tau" in number), ("accuracy", True))
        self.weft("train", "--config", "short/run.json", "--out", "short-again")
        self.assert_same(self.bytes_of("short", but=["run.json"]), self.bytes_of("short-again", but=["run.json"]))
        self.weft("train", "classes", "--out", "short", "--epochs", 2, "--task", "accuracy", "--resume", code=USAGE,
                  says='another task ("class"; here "accuracy")')
        self.assertEqual(self.json("train", "plain", "--out", "usual", "--epochs", 1)["task"], "accuracy")

    def test_a_zoo_without_classes(self):
        lacks = "the zoo has no column 'class'; zoos of implicit networks have one"
        self.weft("train", "plain", "--task", "class", "--out", "never", code=USAGE, says=lacks)
        self.assertFalse((self.folder / "never").exists())
        self.weft("eval", "magep", "--zoo", "plain", "--allow-trained-on", "--out", "never", code=USAGE, says=lacks)
        rows = self.json("predict", "magep", "--zoo", "plain")
        self.assertEqual({row["class"] for row in rows}, {None})
        self.assertLessEqual({row["predicted_class"] for row in rows}, set(range(CLASSES)))

    def test_more_classes_than_a_model_tells_apart(self):
        shutil.copytree(self.folder / "plain", self.folder / "four")
        with_classes(self.folder / "four", lambda network: network % (CLASSES + 1))
        self.weft("eval", "magep", "--zoo", "four", "--allow-trained-on", "--out", "never", code=INPUT,
                  says="the zoo has 4 classes, the model tells 3 apart")
        shutil.copytree(self.folder / "plain", self.folder / "cats")
        with_classes(self.folder / "cats", lambda network: network % CLASSES, "breed")
        self.weft("train", "cats", "--task", "class", "--out", "never", code=USAGE, says="no column 'class'")

    def test_judging(self):
        for model in ("magep", "ridge"):
            judged = self.json("eval", model, "--force")
            self.assertEqual(judged["task"], "class")
            self.assertEqual(judged["columns"], ["as they are", *(f"k = {k}" for k in range(5))])
            self.assertEqual({"tau", "ceiling", "above"} & set(judged), set())
            with open(self.folder / "classes" / "table.csv") as file:
                table = {int(row["id"]): int(row["class"]) for row in csv.DictReader(file)}
            self.assertEqual(judged["truth"], [table[i] for i in judged["ids"]])
            for accuracy, predicted in zip(judged["accuracy"], judged["predicted"], strict=True):
                right = sum(a == b for a, b in zip(predicted, judged["truth"], strict=True))
                self.assertAlmostEqual(accuracy, right / len(predicted))
            self.assertEqual(judged["accuracy"], [1] * 6)  # neither sees the moves
        said = self.weft("eval", "magep", "--force").stdout
        self.assertRegex(said, r"\naccuracy +as they are +k = 0 +k = 1 +k = 2 +k = 3 +k = 4\nmagep, class +1\.000")
        self.assertNotIn("above", said)
        self.assertNotIn("ceiling", said)

    def test_predictions(self):
        rows = list(csv.DictReader(self.weft("predict", "magep", "--zoo", "classes").stdout.splitlines()))
        self.assertEqual(list(rows[0]), ["id", "network", "epoch", "class", "predicted_class", "part"])
        for row in rows:
            self.assertEqual(row["class"], str(int(row["network"]) % CLASSES))
            self.assertIn(row["predicted_class"], [str(c) for c in range(CLASSES)])
        self.weft("zoo", "export", "classes", "--id", 4, "--out", "net.safetensors")
        self.weft("predict", "magep", "--network", "net.safetensors", says="net.safetensors: predicted class 1\n")
        self.assertEqual(self.json("predict", "magep", "--network", "net.safetensors")["predicted_class"], 1)

    def test_report(self):
        for model in ("magep", "ridge"):
            self.weft("eval", model, "--quiet", "--force")
        self.weft("train", "classes", "--model", "statnn", "--task", "accuracy", "--epochs", 2, "--out", "statnn", "--quiet")
        self.weft("eval", "statnn", "--quiet")
        said = self.weft("report", "magep", "ridge", "statnn", "--out", "page.html").stdout
        for header in ("accuracy     ", "Kendall's tau-b", "among networks above"):
            self.assertIn(header, said)
        page = html.unescape((self.folder / "page.html").read_text())
        for text in ("<p>magep, class: accuracy 1.000</p>", "<p>ridge, class: accuracy 1.000</p>", "validation accuracy",
                     "validation tau", "statnn: tau", "accuracy on moved networks", "Kendall's tau-b on moved networks"):
            self.assertIn(text, page)
        truth = json.loads((self.folder / "magep" / "eval.json").read_text())["truth"]
        begin = page.index("<th>true, predicted</th>")
        table = page[begin:page.index("</table>", begin)]
        seen = sorted(set(truth))
        self.assertEqual(table.count("<td>"), len(seen) * (len(seen) + 1))
        for c in seen:
            cells = "".join(f"<td>{truth.count(c) if c == other else 0}</td>" for other in seen)
            self.assertIn(f"<tr><td>{c}</td>{cells}</tr>", table)
        # A task of a later version.
        path = self.folder / "ridge" / "eval.json"
        path.write_text(path.read_text().replace('"task": "class"', '"task": "beauty"'))
        self.weft("report", "ridge", "--out", "never.html", code=INPUT, says=["ridge/eval.json", "'beauty'", "later weft"])

    def test_verify(self):
        self.weft("verify", "magep", says="PASS")


if __name__ == "__main__":
    main()
