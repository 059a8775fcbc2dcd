#!/usr/bin/env python3
"""Files that are missing or wrong: the exit code, and a message that names the file and what is wrong with it."""
import gzip
import zipfile

from weft_cli import *


def idx(*shape):
    size = 1
    for n in shape:
        size *= n
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(i % 10 for i in range(size))


class BadFiles(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for words in (("train", "--zoo", "zoo", "--out", "run", "--epochs", "2", "--model", "statnn", "--quiet"),
                      ("zoo", "export", "--zoo", "zoo", "--id", "0", "--out", "net", "--quiet")):
            subprocess.run([PROGRAM, *words], cwd=cls.folder, check=True)

    def zoo_copy(self, name):
        shutil.copytree(self.folder / "zoo", self.folder / name)
        return self.folder / name

    def mnist(self, name, items=50):
        folder = self.folder / name
        folder.mkdir()
        for prefix in ("train", "t10k"):
            (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(items, 28, 28))
            (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(items))
        return folder

    def make(self, folder, data="mnist", images=50, code=OK, says=()):
        out = f"{folder}-zoo"
        self.weft("zoo", "make", "--out", out, "--data", data, "--data-dir", folder, "--networks", 2, "--epochs", 1,
                  "--images", images, "--test-images", 20, code=code, says=says)
        self.assertEqual([p for p in self.folder.glob(f"{folder}-zoo*")] != [], code == OK)

    def test_mnist(self):
        self.mnist("good")
        self.make("good")
        images = "train-images-idx3-ubyte"
        whole = (self.folder / "good" / images).read_bytes()
        zipped = gzip.compress(whole)
        for name, file, content in (("short", images, whole[:-1]), ("long", images, whole + b"x"),
                                    ("header", images, whole[:9]), ("empty", images, b""),
                                    ("magic", images, b"\1" + whole[1:]),
                                    ("labels", "t10k-labels-idx1-ubyte", idx(49)),
                                    ("label", "t10k-labels-idx1-ubyte", idx(50)[:-1] + b"\x0b"),
                                    ("gz", images + ".gz", zipped[:-20])):
            folder = self.mnist(f"mnist-{name}")
            if file.endswith(".gz"):
                (folder / images).unlink()
            (folder / file).write_bytes(content)
            self.make(f"mnist-{name}", code=INPUT, says=[f"mnist-{name}/{file}"])
        (self.mnist("lacking") / "t10k-images-idx3-ubyte").unlink()
        self.make("lacking", code=INPUT, says=["lacking/t10k-images-idx3-ubyte", "No such file"])
        self.make("good-nowhere", code=INPUT, says="good-nowhere/train-images")
        self.mnist("few")
        self.make("few", images=51, code=USAGE, says=["51 training items", "has 50"])

    def test_cifar(self):
        folder = self.folder / "cifar"
        folder.mkdir()
        self.make("cifar", "cifar10", code=INPUT, says=["cifar", "data_batch_1.bin"])
        for name in ("data_batch_1.bin", "test_batch.bin"):
            (folder / name).write_bytes(bytes(3073 * 50))
        self.make("cifar", "cifar10-grey")
        for size in (3073 * 50 - 1, 3072 * 50, 0):
            shutil.copytree(folder, self.folder / f"cifar-{size}")
            (self.folder / f"cifar-{size}" / "data_batch_1.bin").write_bytes(bytes(size))
            self.make(f"cifar-{size}", "cifar10", code=INPUT, says=f"cifar-{size}/data_batch_1.bin")

    def opened(self, zoo, code, says):
        for verb in (("zoo", "show"), ("train", "--out", "never"), ("predict", "--model", "run"),
                     ("report", "--run", "run", "--out", "never"), ("eval", "--model", "run", "--out", "never")):
            self.weft(*verb, "--zoo", zoo, code=code, says=says)
        self.assertFalse((self.folder / "never").exists())

    def test_zoos(self):
        self.opened("nowhere", INPUT, ["nowhere", "weft zoo make"])
        self.opened("net", INPUT, ["net", "weft zoo make"])
        self.opened(".", INPUT, ["not a zoo"])
        shard = "weights-00001.safetensors"
        whole = (self.folder / "zoo" / shard).read_bytes()
        (self.zoo_copy("lacks") / shard).unlink()
        self.opened("lacks", INPUT, [f"lacks/{shard}"])
        (self.zoo_copy("short") / shard).write_bytes(whole[:-7])
        self.opened("short", INPUT, [f"short/{shard}"])
        (self.zoo_copy("none") / shard).write_bytes(b"\0" * 100)
        self.opened("none", INPUT, [f"none/{shard}"])
        description = self.zoo_copy("schema") / "zoo.json"
        description.write_text(description.read_text().replace('"schema": 1', '"schema": 7'))
        self.opened("schema", INPUT, ["schema/zoo.json", "schema 7"])
        (self.zoo_copy("text") / "zoo.json").write_text("{")
        self.opened("text", INPUT, ["text/zoo.json", "JSON"])
        table = self.zoo_copy("table") / "table.csv"
        table.write_text(table.read_text().replace("train", "test", 3))
        self.opened("table", INPUT, ["table/table.csv"])
        for value in (float("nan"), float("inf")):
            path = self.zoo_copy(f"weights-{value}") / shard
            file = SafeTensors(path)
            file.set_float("b1", value)
            file.save(path)
            for verb in (("zoo", "check"), ("predict", "--model", "run")):
                self.weft(*verb, "--zoo", path.parent, code=NUMERIC, says=[f"weights-{value}/{shard}", "'b1'", "id 12"])

    def test_few_networks(self):
        self.weft("zoo", "make", "--out", "three", "--networks", 3, "--images", 50, "--test-images", 50, "--epochs", 1)
        self.weft("train", "--zoo", "three", "--out", "never", code=INPUT, says=["'val' of split 0", "more networks"])
        self.weft("eval", "--zoo", "three", "--model", "run", "--allow-trained-on", code=INPUT, says="'test' of split 0")

    def test_networks(self):
        predict = ("predict", "--model", "run", "--network")
        self.weft(*predict, "nowhere", code=INPUT, says=["nowhere", "No such file"])
        self.weft(*predict, ".", code=INPUT, says="a folder without model.safetensors")
        whole = (self.folder / "net").read_bytes()
        for name, content in (("short", whole[:-3]), ("tiny", whole[:5]), ("text", b"weights " * 20)):
            (self.folder / f"net-{name}").write_bytes(content)
            self.weft(*predict, f"net-{name}", code=INPUT, says=f"net-{name}")
            self.weft("act", "--network", f"net-{name}", "--out", "never", code=INPUT, says=f"net-{name}")
        file = SafeTensors(self.folder / "net")
        file.header["__metadata__"]["weft.space"] = file.header["__metadata__"]["weft.space"].replace("16", "8")
        file.save(self.folder / "net-space")
        self.weft(*predict, "net-space", code=INPUT, says=["net-space", "space", "allowed"])
        file = SafeTensors(self.folder / "net")
        file.set_float("W2", float("nan"), 5)
        file.save(self.folder / "net-nan")
        for verb in (predict, ("act", "--out", "never", "--network")):
            self.weft(*verb, "net-nan", code=INPUT, says=["net-nan", "'W2'"])
        file = SafeTensors(self.folder / "net")
        del file.header["__metadata__"]
        file.save(self.folder / "net-bare")
        self.weft(*predict, "net-bare")
        self.weft("act", "--network", "net-bare", "--out", "never", code=INPUT,
                  says=["net-bare", "fits no architecture", "weft.space", "--space"])

    def test_zoo_check(self):
        """Opening reads no weights; zoo check reads all, and what is read of them is checked."""
        self.weft("zoo", "check", "zoo", says="'zoo': ")
        shard = SafeTensors(self.folder / "zoo" / "weights-00000.safetensors")
        before = bytes(shard.data)
        shard.sign_weights()
        self.assertTrue(bytes(shard.data) == before)
        self.assertEqual(self.json("zoo", "check", "--zoo", "zoo")["checkpoints"], self.json("zoo", "show", "zoo")["checkpoints"])
        self.assertEqual(self.weft("zoo", "check", "zoo", "--quiet").stdout, "")
        for name, number, code, says in (("nan", float("nan"), NUMERIC, "is not finite"), ("changed", 0.25, INPUT, "the weights were changed")):
            copy = self.zoo_copy(f"zoo-{name}")
            shard = SafeTensors(copy / "weights-00000.safetensors")
            shard.set_float("W2", number, 5)
            shard.save(copy / "weights-00000.safetensors")
            self.weft("zoo", "show", copy)
            self.weft("zoo", "check", copy, code=code, says=["weights-00000.safetensors", "'W2' of id 0", says])
        self.weft("zoo", "export", "zoo-nan", "--id", 0, "--out", "never", code=NUMERIC, says="'W2' of id 0 is not finite")

    def test_one_for_another(self):
        """A model for a network, a network for a model, a zoo for either, and what other programs write."""
        model, run, shard = "run/model.safetensors", "run", "zoo/weights-00000.safetensors"
        (self.folder / "old.pth").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
        with zipfile.ZipFile(self.folder / "new.pth", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02}.")
        network_verbs = {"act": ("act", "--out", "never", "--network"), "same": ("same", "net"),
                         "predict": ("predict", "--model", "run", "--network")}
        model_verbs = {"verify": ("verify", "--model"), "eval": ("eval", "--zoo", "zoo", "--out", "never", "--model"),
                       "predict": ("predict", "--network", "net", "--model")}
        for verb in network_verbs.values():
            self.weft(*verb, model, code=INPUT, says=[model, "not a network but a model ('statnn')", "weft eval, predict, edit and verify"])
            self.weft(*verb, run, code=INPUT, says=["'run'", "the folder of a model", "--model"])
            self.weft(*verb, "zoo", code=INPUT, says=["'zoo'", "a zoo", "weft zoo export"])
            self.weft(*verb, shard, code=INPUT, says=[shard, "a part of a zoo", "weft zoo export"])
        for verb in model_verbs.values():
            self.weft(*verb, "net", code=INPUT, says=["'net'", "not a model but a network", "weft inspect, act, same and predict --network"])
            self.weft(*verb, "zoo", code=INPUT, says=["zoo/model.safetensors", "a zoo", "weft train"])
            self.weft(*verb, shard, code=INPUT, says=[shard, "not a model but a part of a zoo", "--zoo"])
        for verb in network_verbs.values():
            self.weft(*verb, "old.pth", code=INPUT, says=["old.pth", "the pickle, at byte 0"])
            self.weft(*verb, "new.pth", code=INPUT, says=["new.pth", "no tensor"])
        for verb in model_verbs.values():
            self.weft(*verb, "old.pth", code=INPUT, says=["old.pth", "a Python pickle", "safetensors.torch.save_file"])
            self.weft(*verb, "new.pth", code=INPUT, says=["new.pth", "a zip archive", "safetensors.torch.save_file"])
        self.weft("zoo", "show", "--zoo", "run", code=INPUT, says=["'run' is not a zoo but the folder of a model", "--model"])
        self.assertFalse((self.folder / "never").exists())

    def test_tensors_that_are_missing(self):
        file = SafeTensors(self.folder / "net")
        file.header = {name.replace("W1", "fc1.weight"): entry for name, entry in file.header.items()}
        file.save(self.folder / "net-names")
        for verb in (("act", "--out", "never", "--network"), ("same", "net"), ("predict", "--model", "run", "--network")):
            self.weft(*verb, "net-names", code=INPUT, says=["no tensor 'W1'", "8: 'fc1.weight', 'b1'"])
        file = SafeTensors(self.folder / "run" / "model.safetensors")
        first = next(name for name in file.header if name != "__metadata__")
        file.header = {name.replace(first, "other"): entry for name, entry in file.header.items()}
        file.save(self.folder / "model-names")
        self.weft("verify", "--model", "model-names", code=INPUT, says=[f"no tensor '{first}'", "the file has", "'other'"])

    def test_space(self):
        file = SafeTensors(self.folder / "net")
        space = file.header.pop("__metadata__")["weft.space"]
        file.save(self.folder / "bare")
        (self.folder / "space.txt").write_text(space + "\n")
        for given in (space, "space.txt"):
            self.weft("act", "--network", "bare", "--space", given, "--out", "bare-moved", "--force", "--seed", 3)
            self.weft("same", "bare", "bare-moved", "--space", given, says="\nsame\n")
        self.weft("act", "--network", "net", "--out", "net-moved", "--seed", 3)
        self.assert_same(*(bytes(SafeTensors(self.folder / file).data) for file in ("bare-moved", "net-moved")))
        act = ("act", "--network", "bare", "--out", "never", "--space")
        self.weft(*act, "nowhere.txt", code=USAGE, says=["--space 'nowhere.txt'", "no such file, and no space"])
        self.weft(*act, "h: permutation(", code=USAGE, says=["--space 'h: permutation('", "column"])
        (self.folder / "not-space.txt").write_text("weights: none")
        self.weft(*act, "not-space.txt", code=USAGE, says=["--space 'not-space.txt'", "line 1"])
        self.weft(*act, "h: fixed(2) b[h]", code=INPUT, says=["bare", "no tensor 'b'", "8: 'W1'"])
        self.weft("act", "--network", "net", "--out", "never", "--space", "h: fixed(2) b[h]", code=INPUT,
                  says=["net", "its space is", "allowed"])

    def test_predictions_that_are_no_numbers(self):
        file = SafeTensors(self.folder / "net")
        for name in ("W1", "W2", "W3", "W4"):
            file.fill(name, 3e38)
        file.save(self.folder / "huge")
        self.weft("predict", "--model", "run", "--network", "huge", code=NUMERIC, says="huge")
        path = self.zoo_copy("huge-zoo") / "weights-00002.safetensors"
        file = SafeTensors(path)
        for name in ("W1", "W2", "W3", "W4"):
            size = (lambda begin, end: (end - begin) // 4)(*file.header[name]["data_offsets"]) // 12
            for i in range(size):
                file.set_float(name, 3e38, 7 * size + i)  # of network 7: id 31
        file.save(path)
        self.weft("predict", "--model", "run", "--zoo", "huge-zoo", code=NUMERIC, says="network 31")

    def test_networks_about_to_diverge(self):
        """A weight beyond 50 keeps a checkpoint out of training and judgement."""
        path = self.zoo_copy("wild") / "weights-00000.safetensors"
        file = SafeTensors(path)
        size = (lambda begin, end: (end - begin) // 4)(*file.header["W1"]["data_offsets"]) // 12
        for network in range(12):
            file.set_float("W1", -51, network * size)
        file.sign_weights()
        file.save(path)
        train = ("train", "--model", "statnn", "--hidden", 8, "--epochs", 1)
        all_of_them = self.json(*train, "--zoo", "zoo", "--out", "tame-run")["checkpoints"]
        self.assertEqual(self.json(*train, "--zoo", "wild", "--out", "wild-run")["checkpoints"], all_of_them * 2 // 3)

    def test_exploding_loss(self):
        self.weft("train", "--zoo", "zoo", "--out", "explodes", "--learning-rate", 1e30, "--model", "mlp", code=NUMERIC,
                  says=["learning rate", "1e+30"])
        self.assertFalse((self.folder / "explodes" / "model.safetensors").exists())

    def test_models(self):
        self.weft("verify", "--model", "nowhere", code=INPUT, says=["nowhere", "weft train"])
        self.weft("verify", "--model", "zoo", code=INPUT, says=["zoo/model.safetensors", "weft train"])
        self.weft("verify", "--model", "net", code=INPUT, says=["'net'", "not a model"])
        path = self.folder / "run" / "model.safetensors"
        (self.folder / "model-short").write_bytes(path.read_bytes()[:-100])
        self.weft("verify", "--model", "model-short", code=INPUT, says="model-short")
        for key, value in (("weft.config", "{}"), ("weft.config", "{"), ("weft.model", "cnn"), ("weft.schema", "9")):
            file = SafeTensors(path)
            file.header["__metadata__"][key] = value
            file.save(self.folder / "model-wrong")
            self.weft("predict", "--zoo", "zoo", "--model", "model-wrong", code=INPUT,
                      says="model-wrong")
        self.weft("report", "--zoo", "zoo", "--run", "nowhere", "--out", "never", code=INPUT, says=["nowhere/run.json", "weft train"])
        shutil.copytree(self.folder / "run", self.folder / "run-json")
        (self.folder / "run-json" / "run.json").write_text('{"model": 3}')
        self.weft("report", "--zoo", "zoo", "--run", "run-json", "--out", "never", code=INPUT, says="run-json/run.json")


if __name__ == "__main__":
    main()
