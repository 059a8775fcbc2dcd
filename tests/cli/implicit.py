#!/usr/bin/env python3
"""Implicit networks: zoos of them, readers and editors, what is shown, and what makes no sense."""
import signal

from implicit_networks import *


class Implicit(ImplicitTest):
    def test_zoo(self):
        made = self.json(*SMALL, "--out", "again", "--threads", 1)
        self.assert_same(self.bytes_of("inr"), self.bytes_of("again"))
        self.assertEqual(made, self.json("zoo", "show", "again"))
        self.assertEqual([made[key] for key in ("architecture", "activation", "networks", "checkpoints", "views", "diverged")],
                         ["siren", "sin", NETWORKS, NETWORKS, 2, 0])
        self.assertNotIn("accuracies", made)
        self.assertEqual(made["psnr"], sorted(float(row["psnr"]) for row in self.table()))
        said = self.weft("zoo", "show", "again").stdout
        self.assertIn(f"mean {sum(made['psnr']) / NETWORKS:.2f}", said)
        self.assertIn("24 images, 2 networks each, 0 diverged", said)
        self.assertNotIn("accuracy", said)
        other = self.json(*SMALL, "--out", "other", "--seed", 1)
        self.assertNotEqual(other["psnr"], made["psnr"])

    def test_table(self):
        """What it says of a network is what the network shows; views of an image go together."""
        images, splits = self.images(), [f"split_{i}" for i in range(5)]
        rows = self.table()
        self.assertEqual([(row["image"], row["view"]) for row in rows], [(n // 2, n % 2) for n in range(NETWORKS)])
        for a, b in zip(rows[::2], rows[1::2], strict=True):
            self.assertEqual([a[name] for name in ("class", *splits)], [b[name] for name in ("class", *splits)])
        for row in (rows[0], rows[1], rows[37]):
            network, original = self.network(row["id"]), images[row["image"]]
            self.assertEqual(network.header["__metadata__"]["psnr"], row["psnr"])
            error = sum((y - (2 * byte / 255 - 1)) ** 2 for y, byte in zip(shown(network, SIDE, SIDE)[0], original[0]))
            self.assertAlmostEqual(error / SIDE**2, float(row["loss"]), 6)
            self.assertAlmostEqual(10 * math.log10(4 / (error / SIDE**2)), float(row["psnr"]), 4)
        said = self.weft("zoo", "export", "inr", "--id", 3, "--out", "third").stdout
        self.assertEqual(said, f"third: network 3 after epoch 4, psnr {float(rows[3]['psnr']):.3f}\n")

    def test_start(self):
        """Shared starts are the same of all networks: after one step there is little between them."""
        firsts = {}
        for start in ("random", "shared"):
            self.weft("zoo", "make", "--kind", "siren", "--images", 2, "--epochs", 1, "--batch", 784, "--start", start,
                      "--out", start, "--quiet")
            a, b = (self.network(i, start).numbers("W1") for i in range(2))
            firsts[start] = max(abs(x - y) for x, y in zip(a, b))
        self.assertLess(firsts["shared"], 0.01)
        self.assertGreater(firsts["random"], 0.1)

    def test_zoos_that_are_stopped(self):
        words = (*ZOO, "--images", 40, "--epochs", 40)
        self.weft(*words, "--out", "whole", "--quiet")
        for name, how, code in (("broken", signal.SIGINT, INTERRUPTED), ("killed", signal.SIGKILL, -signal.SIGKILL)):
            stopped, messages = self.stop((*words, "--out", name), how, f"{name}.part/state.safetensors")
            self.assertEqual(stopped, code, messages)
            self.weft(*words, "--out", name, code=USAGE, says=["unfinished", "--resume"])
            self.weft(*words, "--out", name, "--resume", "--start", "shared", "--views", 1, code=USAGE, says=name)
            self.weft(*words, "--out", name, "--resume", "--quiet")
            self.assert_same(self.bytes_of("whole"), self.bytes_of(name))

    def test_options_as_a_file(self):
        """What --print-config says is read by --config, also of what follows from the kind."""
        for verb, words in ((("zoo", "make"), SMALL[2:]), (("demo",), ("--task", "inr", "--images", 24, "--views", 2))):
            printed = self.weft(*verb, *words, "--out", "printed", "--print-config").stdout
            (self.folder / "options.json").write_text(printed)
            again = self.weft(*verb, "--config", "options.json", "--print-config").stdout
            self.assertEqual(json.loads(printed), json.loads(again))
            self.assertLessEqual({"views", "start", "neurons", "images"}, set(json.loads(printed)))
            self.assertFalse({"networks", "test-images"} & set(json.loads(printed)))
        self.weft("zoo", "make", "--config", "options.json", code=USAGE, says="holds options of weft demo")
        printed = self.weft(*SMALL, "--out", "printed", "--print-config").stdout
        (self.folder / "options.json").write_text(printed)
        self.weft("zoo", "make", "--config", "options.json", "--quiet")
        self.assert_same(self.bytes_of("inr"), self.bytes_of("printed"))

    def test_options_of_zoos(self):
        make = ("zoo", "make", "--kind", "siren", "--out", "never")
        for words in (("--networks", 5), ("--test-images", 5), ("--networks", 5, "--test-images", 5)):
            self.refused(*make, *words, says="[zoo] --kind siren fits --views networks to each of --images; leave "
                                             "--networks, --test-images out")
        self.refused(*make, "--held-out", 5, says="[zoo] --held-out is for kinds whose best epochs are kept; 'siren' has none")
        self.refused(*make, "--views", 2, "--start", "shared",
                     says="[zoo] --views 2 with --start shared: the views of an image would be one network")
        for data in ("topics", "agnews"):
            self.refused(*make, "--data", data, says=f"[zoo] --kind siren does not read --data {data}; allowed: glyphs, "
                                                     "shapes, mnist, cifar10, cifar10-grey")
        self.refused(*make, "--data", "mnist", says="[zoo] --data mnist needs --data-dir, the folder of its files")
        for value in (0, 1001):
            self.refused(*make, "--views", value,
                         says=f"[zoo make] --views: {value}; allowed: whole numbers from 1 to 1000: each is trained")
        self.refused(*make, "--batch", 785, "--images", 4,
                     says="[siren] a step of 785 pixels of images of 28x28; allowed: 1 to 784, all that an image has")
        self.refused(*make, "--views", 1000, "--images", 10000,
                     says="[zoo] 10000000 networks; allowed: at most 1000000, all are trained at once")
        self.refused(*make, "--start", "zero", says="[zoo make] --start: zero not in {random,shared}")
        self.refused(*make, "--neurons", 1025, says="[zoo make] --neurons: 1025; allowed: whole numbers from 1 to 1024: a "
                                                    "layer has neurons x neurons numbers")
        for option in ("--width", "--blocks"):
            self.refused(*make, option, 3, says=f"[zoo] {option} is no setting of kind siren; allowed: with resnet")
        for option, value in (("--views", 2), ("--start", "shared"), ("--neurons", 8)):
            self.refused("zoo", "make", "--out", "never", option, value,
                         says=f"[zoo] {option} is no setting of kind cnn; allowed: with siren")

    def test_usual_models(self):
        """What is trained where --model is not given follows from the zoo and from the task."""
        edit = ("--task", "edit", "--edit", "dilate")
        for zoo, words, usual, channels in (("inr", (), "inr-sine", 64), ("inr", edit, "edit-sine", 64),
                                            ("zoo", (), "magep", 20)):
            options = self.json("train", zoo, "--out", "never", *words, "--print-config")
            self.assertEqual((options["model"], options["channels"]), (usual, channels))
            self.assertIn(usual, self.weft("train", "--help").stdout.split("when not given: ")[1].split("\n")[0])
        self.assertEqual(self.json("train", "inr", "--out", "usual", *TINY)["model"], "inr-sine")
        self.assertEqual(self.json("train", "inr", "--out", "usual-editor", *edit, *EDIT)["model"], "edit-sine")
        self.refused("train", "inr", "--out", "never", "--train-psi",
                     says="[train] --train-psi is no setting of model inr-sine; allowed: with magep")
        self.weft("train", "nowhere", "--out", "never", "--print-config", code=INPUT, says="no zoo at 'nowhere'")

    def test_tasks_and_models(self):
        """Which of them go together."""
        train = ("train", "inr", "--out", "never")
        self.refused(*train, "--model", "edit-np", says="[train] --model edit-np edits networks, --task class is to say "
                     "something; give --task edit, or --model magep, statnn, mlp, " + ", ".join(READERS))
        for model in ("inr-np", "magep", "mlp", "probes"):
            self.refused(*train, "--model", model, "--task", "edit", "--edit", "dilate",
                         says=f"[train] --model {model} says something of networks, --task edit-dilate is to edit them; give "
                              "--model edit-magep, edit-sine, edit-monomial, edit-np, edit-hnp, unedited")
        self.refused(*train, "--model", "edit-np", "--task", "edit",
                     says="[train] --task edit needs --edit, what images should become; allowed: dilate, contrast")
        self.refused(*train, "--model", "edit-np", "--edit", "dilate",
                     says="[train] --edit dilate goes with --task edit alone; give both")
        for task in ("class", "accuracy", "edit-dilate"):
            self.refused(*train, "--model", "edit-np", "--task", task, "--edit", "contrast",
                         says=f"[train] --edit contrast goes with --task edit alone; here is --task {task}")
        self.refused(*train, "--model", "edit-np", "--task", "edit", "--edit", "sharpen",
                     says="[train] --edit: sharpen not in {dilate,contrast}")
        for task in ("accuracy", "generalisation-gap"):
            self.refused(*train, "--model", "inr-np", "--task", task, code=INPUT,
                         says=f"[weft] the {task} was not measured in this zoo; choose another --task")
        for model, reads in (("ridge", "networks of ReLU units"), ("transformer-nfn", "transformers"),
                             ("image-probes", "convolutional networks")):
            said = self.weft(*train, "--model", model, code=USAGE).stderr
            self.assertIn(f"[train] --model {model} reads ", said)
            self.assertIn("'inr' holds networks of kind siren; give --model magep, statnn, mlp, inr-magep,", said)
        # Networks that store no images.
        self.refused("train", "zoo", "--model", "edit-np", "--task", "edit", "--edit", "dilate", "--out", "never",
                     says="[task] edit: the zoo's networks store no images; give one of implicit networks")
        self.refused("train", "zoo", "--task", "class", "--out", "never",
                     says="[task] class: the zoo has no column 'class'; zoos of implicit networks have one, the class of the "
                          "image that each stores; give such a zoo, or another task")
        for model in ("inr-np", "edit-np", "probes"):
            said = self.weft("train", "zoo", "--model", model, "--out", "never", code=USAGE).stderr
            self.assertIn(f"[train] --model {model} reads implicit networks, 'zoo' holds networks of kind cnn", said)
        self.refused(*train, "--model", "inr-np", "--output-channels", 2,
                     says="[train] --output-channels is no setting of model inr-np; allowed: with edit-magep, edit-sine, "
                          "edit-monomial, edit-np, edit-hnp")
        self.refused(*train, "--model", "edit-np", "--task", "edit", "--edit", "dilate", "--output-channels", 65,
                     says="[train] --output-channels: 65; allowed: whole numbers from 1 to 64: each is rendered")
        self.assertFalse((self.folder / "never").exists())

    def test_every_model(self):
        """Is trained, and proved to respect what it does, and no more."""
        for model, respects in (READERS | EDITORS).items():
            run = self.json(*trained(model, model))
            metric = "mse" if model in EDITORS else "accuracy"
            self.assertEqual(run["task"], "edit-dilate" if model in EDITORS else "class")
            log = [float(row[f"validation_{metric}"])
                   for row in csv.DictReader((self.folder / model / "log.csv").read_text().splitlines())]
            self.assertEqual(run[f"validation_{metric}"], min(log) if metric == "mse" else max(log))
            verified = self.json("verify", model)
            self.assertTrue(verified["passed"], model)
            self.assertEqual([row["check"] for row in verified["checks"]],
                             [*MOVES, "shifts by half a step", "flips of incoming weights alone"])
            self.assertEqual([row["check"] for row in verified["checks"] if not row["control"]], respects)
            self.assertEqual([row["group"] for row in verified["checks"]],
                             [*("of sine networks" if move in respects else "not respected" for move in MOVES),
                              *("negative control",) * 2])
            self.json("verify", model, "--dtype", "float32", "--out", "float32.json", "--force")
            judged = self.json("eval", model)
            self.assertEqual((judged["task"], judged["columns"]), (run["task"], ["as they are", *MOVES]))
            first, *others = judged[metric]
            for move, score in zip(MOVES, others, strict=True):
                if move in respects:
                    self.assertAlmostEqual(first, score, 5)
                elif model in EDITORS:  # a handful of classes may stay the same ones
                    self.assertNotAlmostEqual(first, score, 5)

    def test_verify_notices(self):
        """Readers that say the same of everything, and editors that do nothing, do not pass."""
        def damaged(of, out, change):
            shutil.copytree(self.folder / of, self.folder / out)
            file = SafeTensors(self.folder / out / "model.safetensors")
            change(file)
            file.save(self.folder / out / "model.safetensors")
            verified = self.json("verify", out, "--force", code=FAIL)
            self.assertFalse(verified["passed"])
            return [row["check"] for row in verified["checks"] if not row["passed"]]

        def mute(file):
            file.fill("head.2.weight", 0)
        failed = damaged("reader", "mute", mute)
        self.assertEqual(failed[-2:], ["shifts by half a step", "flips of incoming weights alone"])

        def idle(file):
            for name in file.header:
                if name.startswith("scale."):
                    file.fill(name, 0)
        self.assertEqual(damaged("two", "idle", idle), ["flips", "shifts", "all three"])

    def test_training_that_is_stopped(self):
        for name, words in (("class", ("--model", "inr-magep", *TINY)),
                            ("edit", ("--model", "edit-np", "--task", "edit", "--edit", "dilate", *EDIT))):
            words = ("train", "inr", *words, "--epochs", 30, "--patience", 30)
            self.weft(*words, "--out", f"{name}-whole", "--quiet")
            for how, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, INTERRUPTED)):
                out = f"{name}-{how.name}"
                stopped, messages = self.stop((*words, "--out", out), how, f"{out}/state.safetensors")
                self.assertEqual(stopped, code, messages)
                self.weft(*words, "--out", out, "--resume", "--quiet")
                self.assert_same(self.bytes_of(f"{name}-whole", but=["run.json"]), self.bytes_of(out, but=["run.json"]))

    def test_runs_made_again(self):
        for run in ("reader", "two"):
            self.weft("train", "--config", f"{run}/run.json", "--out", f"{run}-again", "--quiet")
            self.assert_same(self.bytes_of(run, but=["run.json", "eval.json", "verify.json"]),
                             self.bytes_of(f"{run}-again", but=["run.json"]))
        options = self.json("train", "inr", "--model", "edit-sine", "--task", "edit", "--edit", "contrast", "--out", "p",
                            "--print-config")
        self.assertEqual((options["task"], options["edit"], options["output-channels"]), ("edit", "contrast", 1))
        self.weft("train", "inr", "--out", "two", *EDIT, "--model", "edit-magep", "--task", "edit", "--edit", "dilate",
                  "--output-channels", 2, "--resume", code=USAGE, says='another task ("edit-contrast"; here "edit-dilate")')

    def test_classes_are_predicted(self):
        table = {row["id"]: row["class"] for row in self.table()}
        rows = self.json("predict", "reader", "--zoo", "inr")
        self.assertEqual({row["id"]: row["class"] for row in rows}, table)
        self.assertLessEqual({row["predicted_class"] for row in rows}, set(range(max(table.values()) + 1)))
        by_id = {row["id"]: row["predicted_class"] for row in rows}
        for i in (0, 20, 47):
            self.weft("zoo", "export", "inr", "--id", i, "--out", f"network-{i}", "--quiet")
            self.weft("predict", "reader", "--network", f"network-{i}", says=f"network-{i}: predicted class {by_id[i]}\n")
        judged = self.json("eval", "reader", "--out", "judged.json")
        self.assertEqual(judged["predicted"][0], [by_id[i] for i in judged["ids"]])
        self.assertEqual(judged["truth"], [table[i] for i in judged["ids"]])
        for words in (("--zoo", "inr"), ("--network", "network-0")):
            self.refused("predict", "one", *words,
                         says="[predict] 'one' edits networks; weft edit --model one --network FILE does it")

    def test_editing(self):
        """The edited network, rendered in plain Python, is what the model was judged by: of two channels the mean."""
        images, table = self.images(), {row["id"]: row for row in self.table()}
        for run, edit, neurons in (("one", dilated, 12), ("two", contrasted, 24)):
            judged = self.json("eval", run, "--out", f"{run}-judged.json")
            self.assertEqual(judged["columns"], ["as they are", *MOVES])
            self.assertAlmostEqual(judged["mse"][0], sum(judged["predicted"][0]) / len(judged["ids"]), 9)
            i = judged["ids"][1]
            self.weft("zoo", "export", "inr", "--id", i, "--out", "before", "--force", "--quiet")
            said = self.json("edit", "before", "--model", run, "--out", f"{run}-edited")
            self.assertIn(f"h1: sign_monomial({neurons}); h2: sign_monomial({neurons})", said["space"])
            edited = SafeTensors(self.folder / f"{run}-edited")
            self.assertEqual(edited.header["W2"]["shape"], [neurons] * 2)
            self.assertEqual({key: value for key, value in edited.header["__metadata__"].items() if key != "weft.space"},
                             {"activation": "sin", "network": table[i]["network"], "epoch": "4", "edit": judged["task"]})
            wanted = edit([byte / 255 for byte in images[table[i]["image"]][0]], SIDE)
            error = sum((0.5 * (y + 1) - x) ** 2 for y, x in zip(shown(edited, SIDE, SIDE)[0], wanted)) / SIDE**2
            self.assertAlmostEqual(error / judged["predicted"][0][1], 1, 4)
            # It is a network like any other.
            self.weft("act", f"{run}-edited", "--out", f"{run}-moved")
            for y, x in zip(shown(SafeTensors(self.folder / f"{run}-moved"), SIDE, SIDE)[0], shown(edited, SIDE, SIDE)[0]):
                self.assertAlmostEqual(y, x, 4)
        self.weft("predict", "reader", "--network", "one-edited", says="predicted class")
        self.weft("predict", "reader", "--network", "two-edited", code=INPUT,
                  says=["'two-edited'", "sign_monomial(24)", "sign_monomial(12)"])
        # What is as wide as before may be edited again, what is wider may not.
        for run, neurons in (("one", 12), ("two", 24)):
            again = self.json("edit", "one-edited", "--model", run, "--out", f"{run}-edited-again")
            self.assertIn(f"h1: sign_monomial({neurons}); h2: sign_monomial({neurons})", again["space"])
            narrow, wide = (self.json("edit", "before", "--model", of, "--out", "space", "--force")["space"]
                            for of in ("one", "two"))
            self.refused("edit", "two-edited", "--model", run, "--out", "never", code=INPUT,
                         says=f"[edit] 'two-edited' holds a network of the space '{wide}'; allowed: '{narrow}', which '{run}' "
                              "edits; it is 2 times as wide, as an editor of 2 output channels makes networks: edit the one that "
                              "it was made of, or take an editor of one output channel")

    def test_edits_that_are_refused(self):
        self.weft("zoo", "export", "inr", "--id", 0, "--out", "net", "--quiet")
        # Shifts are no element of the space's group: same would call a shifted network another one.
        self.weft("same", "net", "net", code=USAGE, says="'net' is a network of sines, whose neurons can be shifted, too")
        self.weft("zoo", "export", "zoo", "--id", 0, "--out", "cnn-net", "--quiet")
        file = SafeTensors(self.folder / "net")
        file.fill("W2", 3e38)
        file.save(self.folder / "huge")
        self.refused("edit", "net", "--model", "reader", "--out", "never",
                     says="[edit] 'reader/model.safetensors' is of kind inr-sine, which says something of networks; weft train "
                          "--task edit makes one that edits")
        self.refused("edit", "huge", "--model", "one", "--out", "never", code=NUMERIC,
                     says="[edit] the edited network is not finite; are its weights of the size that the model was trained on?")
        self.weft("edit", "cnn-net", "--model", "one", "--out", "never", code=INPUT,
                  says=["'cnn-net'", "allowed: 'in: fixed(2)", "give a network like those of the zoo"])
        for out in ("net", "one/model.safetensors"):
            self.refused("edit", "net", "--model", "one", "--out", out, "--force",
                         says=f"[weft] '{out}' is read here and never replaced; choose another --out")
        self.weft("edit", "net", "--model", "one", "--out", "there")
        self.refused("edit", "net", "--model", "one", "--out", "there",
                     says="[weft] 'there' exists; give --force to replace it, or another --out")
        self.assertEqual(self.weft("edit", "net", "--model", "one", "--out", "there", "--force", "--quiet").stdout, "")

    def test_images_of_another_size(self):
        self.with_images("small", 1, 20, 20)
        self.refused("eval", "one", "--zoo", "small", "--allow-trained-on", "--out", "never", code=INPUT,
                     says="[task] images of the zoo have 400 numbers, the model was trained on images of 784")
        self.with_images("large", 1, 30, 30)
        self.refused("eval", "one", "--zoo", "large", "--allow-trained-on", "--out", "never", code=INPUT,
                     says="[task] images of the zoo have 900 numbers, the model was trained on images of 784")
        self.with_images("oblong", 1, 5, 7)
        self.refused("train", "oblong", "--model", "edit-np", "--task", "edit", "--edit", "dilate", "--out", "never",
                     says="[edit-np] images of 35 numbers by networks of 1 channels; allowed: square ones")

    def test_zoos_of_few_images(self):
        """Too few for all parts of a split: said, and nothing broken."""
        self.weft("zoo", "make", "--kind", "siren", "--images", 2, "--epochs", 1, "--out", "pair", "--quiet")
        self.weft("train", "pair", "--model", "inr-np", *TINY, "--out", "never", code=INPUT, says="make one of more networks")
        self.assertFalse((self.folder / "never").exists())


if __name__ == "__main__":
    main()
