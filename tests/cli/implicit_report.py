#!/usr/bin/env python3
"""Reports on implicit networks: their pictures, pixel by pixel."""
from implicit_networks import *


class Report(ImplicitTest):
    def test_demo(self):
        words = ("demo", "--task", "inr", "--images", 24, "--zoo-epochs", 2, "--epochs", 1, "--neurons", 12)
        said = self.json(*words, "--out", "demo")
        self.assertEqual(said["runs"], [f"demo/{model}" for model in ("inr-magep", "inr-sine", "probes", "edit-sine")])
        for run in said["runs"]:
            self.assertTrue(json.loads((self.folder / run / "verify.json").read_text())["passed"])
        page = Pictures(self.bytes_of("demo/report.html").decode())
        self.assertEqual([list(rows) for rows in page.tables], [["stored", "shown"], ["before", "after", "wanted"]])
        self.refused(*words[:3], "--images", 3, "--views", 2, "--out", "never",
                     says="[demo] 3 images; allowed: 4 or more, so that there are some to train, to validate and to test on")
        self.refused("demo", "--views", 2, "--out", "never", says="[demo] --views is no setting of task accuracy; allowed: "
                                                                  "with inr")
        self.refused("demo", "--task", "inr", "--activation", "tanh", "--out", "never",
                     says="[demo] --activation is no setting of task inr; allowed: with accuracy")

    def test_report(self):
        for run in ("reader", "one", "two"):
            self.weft("eval", run, "--force", "--quiet")
        said = self.weft("report", "one", "two", "reader", "--out", "page.html").stdout
        for text in ("mean squared error", "edit-sine, edit-dilate", "edit-magep, edit-contrast", "inr-sine, class"):
            self.assertIn(text, said)
        page = Pictures(self.bytes_of("page.html").decode())
        self.assertEqual([title for title in page.titles if "etworks" in title],
                         ["Predicted against true, test networks as they are", "What networks store, and what they show",
                          "edit-dilate: networks edited by edit-sine", "edit-contrast: networks edited by edit-magep"])
        self.assertEqual([list(rows) for rows in page.tables], [["stored", "shown"], *[["before", "after", "wanted"]] * 2])
        images, test = self.images(), [row for row in self.table() if row["split_0"] == "test"][:10]
        grey = [images[row["image"]][0] for row in test]
        stored = page.tables[0]["stored"]
        self.assertEqual([(width, height) for width, height, _ in stored], [(SIDE, SIDE)] * len(test))
        self.assertEqual([pixels for _, _, pixels in stored], [[(x, x, x) for x in image] for image in grey])

        def assert_near(picture, numbers):
            for (red, green, blue), x in zip(picture[2], numbers, strict=True):
                self.assertEqual((red, green), (blue, blue))
                self.assertLess(abs(red - 255 * min(max(x, 0), 1)), 0.51 + 1e-3)
        before = [0.5 * (y + 1) for y in shown(self.network(test[1]["id"]), SIDE, SIDE)[0]]
        for table, name in ((0, "shown"), (1, "before"), (2, "before")):
            assert_near(page.tables[table][name][1], before)
        for table, run, edit in ((1, "one", dilated), (2, "two", contrasted)):
            assert_near(page.tables[table]["wanted"][1], edit([byte / 255 for byte in grey[1]], SIDE))
            self.weft("zoo", "export", "inr", "--id", test[1]["id"], "--out", "plain", "--force", "--quiet")
            self.weft("edit", "plain", "--model", run, "--out", "changed", "--force", "--quiet")
            after = shown(SafeTensors(self.folder / "changed"), SIDE, SIDE)[0]
            assert_near(page.tables[table]["after"][1], [0.5 * (y + 1) for y in after])
            self.assertNotEqual(page.tables[table]["after"][1], page.tables[table]["before"][1])

    def test_lead(self):
        """A page says what its models do."""
        for runs, says in ((("one", "two"), ["Editing what"]), (("reader",), ["Predicting numbers"]),
                           (("reader", "one"), ["Predicting numbers", "and editing what"])):
            self.weft("report", *runs, "--out", "lead.html", "--force", "--quiet")
            lead = self.bytes_of("lead.html").decode().split('<p class="lead">')[1].split("</p>")[0]
            for text in ("Editing what", "and editing what", "Predicting numbers"):
                self.assertEqual(text in lead, text in says, lead)

    def test_pictures(self):
        """Rows whose bytes are no multiple of four are padded; colours stay in their places; one image alone is one."""
        for name, shape in (("odd", (1, 5, 7)), ("colours", (3, 6, 5)), ("thin", (3, 9, 1))):
            self.with_images(name, *shape)
            self.weft("train", name, "--model", "inr-np", *TINY, "--out", f"{name}-run", "--quiet")
            self.weft("report", f"{name}-run", "--out", f"{name}.html", "--quiet")
            (rows,), images = Pictures(self.bytes_of(f"{name}.html").decode()).tables, self.images(name)
            test = [row for row in self.table(name) if row["split_0"] == "test"][:10]
            for (width, height, pixels), row in zip(rows["stored"], test, strict=True):
                self.assertEqual((height, width), shape[1:])
                channels = images[row["image"]]
                self.assertEqual(pixels, list(zip(*(channels if shape[0] == 3 else channels * 3))))
            self.assertEqual({(height, width) for width, height, _ in rows["shown"]}, {shape[1:]})

    def test_networks_that_diverged(self):
        """Are left out where models are judged, and of the pictures; so are those with a weight that is far too large."""
        shutil.copytree(self.folder / "inr", self.folder / "wild")
        first, second = [row["id"] for row in self.table() if row["split_0"] == "test"][:2]
        header, *rows = (self.folder / "wild" / "table.csv").read_text().splitlines()
        cells = rows[first].split(",")
        cells[header.split(",").index("diverged")] = "1"
        rows[first] = ",".join(cells)
        (self.folder / "wild" / "table.csv").write_text("\n".join([header, *rows]) + "\n")
        path = self.folder / "wild" / "weights-00000.safetensors"
        file = SafeTensors(path)
        file.data[file.header["table.diverged"]["data_offsets"][0] + first] = 1
        for i in range(144):
            file.set_float("W2", 3e38, 144 * first + i)
        file.set_float("W2", 51, 144 * second)
        file.sign_weights()
        file.save(path)
        self.weft("zoo", "show", "wild", says="24 images, 2 networks each, 1 diverged")
        self.weft(*(word if word != "inr" else "wild" for word in trained("edit-np", "wild-run")))
        self.assertFalse({first, second} & set(self.json("eval", "wild-run")["ids"]))
        self.weft("report", "wild-run", "--out", "wild.html")
        stored = Pictures(self.bytes_of("wild.html").decode()).tables[0]["stored"]
        test = [row for row in self.table() if row["split_0"] == "test" and row["id"] not in (first, second)][:10]
        self.assertEqual([pixels for _, _, pixels in stored],
                         [[(x, x, x) for x in self.images()[row["image"]][0]] for row in test])


if __name__ == "__main__":
    main()
