#!/usr/bin/env python3
"""Options that make no sense: the exit code, a message that names them, and nothing written or changed."""
from weft_cli import *


class BadOptions(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for words in (("train", "--zoo", "zoo", "--out", "run", "--epochs", "2"),
                      ("zoo", "export", "zoo", "--id", "0", "--out", "net-of-seeds")):
            subprocess.run([PROGRAM, *words, "--quiet"], cwd=cls.folder, check=True)

    def refused(self, *words, code=USAGE, says=(), **options):
        before = self.bytes_of(".")
        self.weft(*words, code=code, says=says, **options)
        self.assert_same(before, self.bytes_of("."))

    def test_verbs(self):
        self.refused(says=["no verb given", "zoo", "weft --help"])
        self.refused("tarin", says=["'tarin'", "train"])
        self.refused("zoo", says=["make, merge, show, check, export"])
        self.refused("zoo", "mkae", says=["'mkae'", "make"])
        self.refused("bench", "cnn", says=["'cnn'", "step"])
        self.refused("--bla", says="unknown option --bla")
        self.refused("tarin", says="did you mean train?")

    def test_options(self):
        self.refused("train", "--zoo", "zoo", "--out", "x", "--bla", says=["--bla", "weft train --help"])
        self.refused("train", "--zoo", "zoo", says=["--out", "required"])
        # What is spelled wrong is named before what is missing for it.
        self.refused("train", "--zo", "zoo", says=["unknown option --zo; did you mean --zoo?"])
        self.refused("train", "--ot=x", says=["unknown option --ot; did you mean --out?"])
        self.refused("act", "--net", "n", says=["unknown option --net; did you mean --network?"])
        self.refused("zoo", "show", "-z", "zoo", says="unknown option -z")
        self.refused("zoo", "show", says="required")
        self.refused("zoo", "show", "zoo", "more", says=["'more'", "one argument too many"])
        self.refused("zoo", "show", "zoo", "--zoo", "zoo", says=["'zoo'", "one argument too many"])
        self.refused("train", "--zoo", "zoo", "--out", "", says="--out")
        self.refused("train", "--zoo", "zoo", "--out", "x", "--model", "cnn", says=["cnn", "balanced-statnn"])
        self.refused("predict", "--model", "run", says=["--network", "--zoo"])
        self.refused("predict", "--model", "run", "--zoo", "zoo", "--network", "n", says=["--network", "--zoo"])
        self.refused("bench", "step", "rnn", says=["rnn", "cnn"])
        self.refused("zoo", "make", "--out", "x", "--data", "imagenet", says=["imagenet", "mnist"])
        self.refused("zoo", "make", "--out", "x", "--data", "mnist", says="--data-dir")
        self.refused("zoo", "make", "--out", "x", "--kind", "rnn", says=["rnn", "cnn", "vit", "text"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--data", "agnews", says=["vit", "agnews", "mnist"])
        self.refused("zoo", "make", "--out", "x", "--kind", "text", "--data", "glyphs", says=["glyphs", "topics, agnews"])
        self.refused("zoo", "make", "--out", "x", "--kind", "text", "--data", "agnews", says="--data-dir")
        self.refused("zoo", "make", "--out", "x", "--residual", says=["--residual", "kind cnn", "vit, text"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--pad", "batch", says=["--pad", "kind vit", "with text"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--activation", "tanh", says=["--activation", "kind vit", "with cnn"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--images", 50, says=["1000 of 50", "held out"])
        self.refused("zoo", "export", "--zoo", "zoo", "--id", 36, "--out", "x", says=["36", "35"])
        self.refused("zoo", "export", "--zoo", "zoo", "--id", -1, "--out", "x", says=["-1", "35"])

    def test_numbers(self):
        make, train = ("zoo", "make", "--out", "x", *SMALL_ZOO), ("train", "--zoo", "zoo", "--out", "x")
        for option in ("--networks", "--images", "--test-images", "--epochs", "--batch"):
            for value in ("0", "-3", "many", "1.5", "1e3", "0x10", "+5", "12 ", 2**63 - 1, 2**63, 2**64 + 5, 10**40):
                self.refused(*make[:4], option, value, says=[option, str(value), "from 1 to 1000000: "])
        self.refused(*make[:4], "--networks", 10**6 + 1, says=["1000001", "1000000", "trained at once"])
        # 10^6 epochs and 10^6 items are allowed, but not that many steps.
        self.refused(*make, "--epochs", 10**6, "--images", 10**4, "--batch", 1, says=["steps", "32-bit"])
        for option in ("--epochs", "--batch", "--patience", "--hidden", "--channels"):
            for value in (2**63 - 1, 2**63, 2**64, 10**7):
                self.refused(*train, option, value, says=[option, str(value), "from 1 to", ": "])
        for option in ("--epochs", "--batch", "--patience", "--hidden", "--channels", "--learning-rate"):
            for value in ("0", "-1", "x", "1x"):
                self.refused(*train, option, value, says=[option, value])
        for value in ("nan", "inf"):
            self.refused(*train, "--learning-rate", value, says=["--learning-rate", value])
        for value in ("9", "-1"):
            self.refused(*train, "--split", value, says=["--split", value])
        for verb in (make, train):
            self.refused(*verb, "--threads", -1, says=["--threads", "-1"])
            self.refused(*verb, "--threads", 100000, says=["100000", "1024"])
            for seed in (-1, 2**64, "1.5", "0x1", "nine"):
                self.refused(*verb, "--seed", seed, says=["--seed", str(seed), str(2**64 - 1)])
        for verb in (("zoo", "export", "zoo", "--out", "x", "--id"), ("eval", "run", "--zoo", "zoo", "--strongest"),
                     ("act", "net", "--out", "x", "--strength")):
            for value in (2**63, "1.5", "one"):
                self.refused(*verb, value, says=[verb[-1], str(value)])
        for words in (("demo", "--out", "x", "--zoo-epochs"), ("demo", "--out", "x", "--epochs"),
                      ("train", "--zoo", "zoo", "--out", "x", "--warmup"), ("bench", "step", "cnn", "--seconds"),
                      ("train", "--zoo", "zoo", "--out", "x", "--equivariant-layers"),
                      ("zoo", "make", "--out", "x", "--held-out")):
            self.refused(*words, 2**70, says=[words[-1], str(2**70)])
        self.refused("bench", "step", "cnn", "--seconds", 0, says=["--seconds", "0"])

    def test_devices(self):
        for device in ("cuda:0", "tpu"):
            self.refused("train", "--zoo", "zoo", "--out", "x", "--device", device, code=DEVICE, says=[device, "cpu"])
        self.refused("train", "--zoo", "zoo", "--out", "x", env={**os.environ, "WEFT_DEVICE": "cuda:7"}, code=DEVICE,
                     says=["cuda:7", "cpu"])
        self.weft("zoo", "show", "--zoo", "zoo", "--device", "cpu", env={**os.environ, "WEFT_DEVICE": "cuda:7"})

    def test_numbers_are_decimal(self):
        # 010 is ten, the largest seed is taken, and it is another one than the seed before.
        said = [self.json("act", "net-of-seeds", "--out", "moved", "--force", "--seed", seed)["seed"]
                for seed in ("010", 2**64 - 1, 2**64 - 2)]
        self.assertEqual(said, [10, 2**64 - 1, 2**64 - 2])
        (self.folder / "moved").unlink()

    def test_too_much(self):
        self.refused("zoo", "make", "--out", "x", "--images", 10**14, says=["--images", "1000000", "memory"])
        self.refused("bench", "step", says="model")

    def test_what_is_missing_is_told_before_what_exists(self):
        self.weft("eval", "run", "--zoo", "zoo", "--force")
        self.refused("eval", "run", "--zoo", "nowhere", code=INPUT, says="no zoo at 'nowhere'")
        (self.folder / "run" / "eval.json").unlink()
        self.weft("zoo", "export", "zoo", "--id", 0, "--out", "there")
        self.refused("zoo", "export", "nowhere", "--id", 0, "--out", "there", code=INPUT, says="nowhere")
        self.refused("act", "nowhere", "--out", "there", code=INPUT, says="nowhere")
        self.refused("verify", "nowhere", "--out", "there", code=INPUT, says="nowhere")
        self.refused("report", "--zoo", "nowhere", "--run", "run", "--out", "there", code=INPUT, says="nowhere")
        self.refused("train", "nowhere", "--out", "run", code=INPUT, says="nowhere")

    def test_outputs_that_are_no_files(self):
        os.mkfifo(self.folder / "pipe")
        self.addCleanup((self.folder / "pipe").unlink)
        self.weft("zoo", "export", "zoo", "--id", 0, "--out", "to-move", "--force")
        for out, what in (("/dev/null", "a device"), ("pipe", "a pipe"), ("zoo", "a folder")):
            for force in ((), ("--force",)):
                for verb in (("zoo", "export", "zoo", "--id", 1), ("act", "to-move"), ("eval", "run", "--zoo", "zoo"),
                             ("verify", "run"), ("report", "--zoo", "zoo", "--run", "run")):
                    self.refused(*verb, "--out", out, *force, says=[f"'{out}'", what])
        self.assertTrue((self.folder / "pipe").is_fifo())
        self.assertTrue(pathlib.Path("/dev/null").is_char_device())

    def test_impossible_outputs_are_refused_before_the_work(self):
        for out in ("nowhere/x", "/proc/x"):
            for verb in (("eval", "run", "--zoo", "zoo"), ("verify", "run"), ("zoo", "export", "zoo", "--id", 1),
                         ("report", "--zoo", "zoo", "--run", "run")):
                self.assertEqual(self.weft(*verb, "--out", out, code=DISK, says=out).stdout, "")
        # Neither the cost, which the trial step finds, nor data that nobody could hold.
        self.assertEqual(self.weft("train", "zoo", "--out", "/proc/x", code=DISK, says="/proc/x").stdout, "")
        self.assertEqual(self.weft("zoo", "make", "--out", "/proc/x", "--data", "mnist", "--data-dir", "none", code=DISK,
                                   says="/proc/x").stdout, "")

    def test_permissions_stay(self):
        self.weft("zoo", "export", "zoo", "--id", 0, "--out", "private")
        (self.folder / "private").chmod(0o600)
        self.weft("zoo", "export", "zoo", "--id", 1, "--out", "private", "--force")
        self.assertEqual((self.folder / "private").stat().st_mode & 0o777, 0o600)

    def test_existing_output(self):
        for name in ("net", "zoo-net"):
            self.weft("zoo", "export", "--zoo", "zoo", "--id", 0, "--out", name)
        for words in (("zoo", "make", *SMALL_ZOO, "--out", "zoo"), ("train", "--zoo", "zoo", "--out", "run"),
                      ("zoo", "export", "--zoo", "zoo", "--id", 1, "--out", "net"),
                      ("act", "--network", "zoo-net", "--out", "net"),
                      ("eval", "--model", "run", "--zoo", "zoo", "--out", "net"),
                      ("verify", "--model", "run", "--out", "net"),
                      ("report", "--zoo", "zoo", "--run", "run", "--out", "net")):
            self.refused(*words, says=[words[-1], "--force"])
        for verb in (("zoo", "make", "--out", "zoo"), ("train", "--zoo", "zoo", "--out", "run")):
            self.refused(*verb, "--force", "--resume", says=["--force", "--resume"])

    def test_output_that_is_something_else(self):
        (self.folder / "mine").mkdir()
        (self.folder / "mine" / "log.csv").write_text("mine")
        (self.folder / "file").write_text("mine")
        for words in ((), ("--force",), ("--resume",)):
            self.refused("zoo", "make", *SMALL_ZOO, "--out", "mine", *words, says=["mine", "log.csv"])
            self.refused("zoo", "make", *SMALL_ZOO, "--out", "file", *words, says=["file", "not a folder"])
            self.refused("train", "--zoo", "zoo", "--out", "file", *words, says=["file", "not a folder"])
        self.refused("train", "--zoo", "zoo", "--out", "mine", says=["mine/log.csv", "--force"])
        self.refused("zoo", "export", "--zoo", "zoo", "--id", 1, "--out", "nowhere/net", code=DISK, says="nowhere/net")
        for place in ("/proc/weft", "file/run"):
            self.refused("train", "--zoo", "zoo", "--out", place, code=DISK, says=place)
            self.refused("zoo", "make", *SMALL_ZOO, "--out", place, code=DISK, says=place)

    def test_read_only_folder(self):
        (self.folder / "locked").mkdir(mode=0o555)
        user = {}
        if os.geteuid() == 0:  # root may write everywhere
            user = {"user": 65534}
            self.folder.chmod(0o755)
            try:
                subprocess.run([PROGRAM, "--version"], cwd=self.folder, capture_output=True, **user)
            except PermissionError:
                self.skipTest("another user may not run the program")
        for verb, out in ((("train", "--zoo", "zoo"), "locked/run"), (("zoo", "make", *SMALL_ZOO), "locked/zoo"),
                          (("zoo", "export", "--zoo", "zoo", "--id", 1), "locked/net")):
            self.weft(*verb, "--out", out, code=DISK, says=[out, "Permission denied"], **user)
        self.assertEqual(os.listdir(self.folder / "locked"), [])

    def test_streams_that_take_nothing(self):
        with open("/dev/full", "w") as full:
            for verb in (("zoo", "show", "--zoo", "zoo"), ("predict", "--model", "run", "--zoo", "zoo")):
                done = subprocess.run(self.command(verb), cwd=self.folder, stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, DISK, done.stderr)
            # What is not the result may be lost.
            done = subprocess.run(self.command(("zoo", "make", "--out", "unseen", *SMALL_ZOO)), cwd=self.folder,
                                  stdout=subprocess.PIPE, stderr=full)
            self.assertEqual(done.returncode, OK)
            self.assert_same(self.bytes_of("unseen"), self.bytes_of("zoo"))


    def test_a_value_that_is_missing(self):
        for words in (("train", "zoo", "--epochs", 1, "--out"), ("zoo", "make", "--networks", 4, "--out", "--force"),
                      ("act", "network", "--out", "--json"), ("train", "--zoo", "--out", "x")):
            before = set(p.name for p in self.folder.iterdir())
            self.weft(*words, code=USAGE, says="without a value")
            self.assertEqual(set(p.name for p in self.folder.iterdir()), before)

    def test_what_is_read_is_not_replaced(self):
        self.weft("train", "zoo", "--model", "statnn", "--epochs", 1, "--out", "kept", "--quiet")
        self.weft("eval", "kept", "--quiet")
        before = self.bytes_of("kept") | self.bytes_of("zoo")
        for words in (("eval", "kept", "--out", "kept/model.safetensors"), ("report", "kept", "--out", "kept/log.csv"),
                      ("report", "kept", "--out", "zoo/table.csv"), ("verify", "kept", "--out", "kept/model.safetensors"),
                      ("train", "zoo", "--model", "statnn", "--epochs", 1, "--out", "zoo"),
                      ("train", "zoo", "--model", "statnn", "--epochs", 1, "--out", "zoo/run"),
                      ("demo", "--out", "kept"), ("demo", "--out", "zoo"), ("demo", "--networks", 3, "--out", "few")):
            self.weft(*words, "--force", code=USAGE)
        self.assertEqual(before, self.bytes_of("kept") | self.bytes_of("zoo"))
        self.weft("report", "kept", "kept", "--out", "twice.html", code=USAGE, says="given twice")

    def test_what_no_disk_takes(self):
        for words in (("train", "--zoo", "zoo", "--out", "x", "--print-config"), ("--help",), ("--version",)):
            with open("/dev/full", "w") as full:
                done = subprocess.run([PROGRAM, *words], cwd=self.folder, stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, DISK, words)

    def test_models_for_other_networks(self):
        self.weft("train", "zoo", "--model", "transformer-nfn", "--out", "never", code=USAGE, says=["reads transformers", "--model magep"])


if __name__ == "__main__":
    main()
