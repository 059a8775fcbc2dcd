#!/usr/bin/env python3
"""Options that make no sense: the exit code, a message that names them, and nothing written or changed."""
from weft_cli import *


class BadOptions(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run([PROGRAM, "train", "--zoo", "zoo", "--out", "run", "--epochs", "2", "--quiet"], cwd=cls.folder,
                       check=True)

    def refused(self, *words, code=USAGE, says=(), **options):
        before = self.bytes_of(".")
        self.weft(*words, code=code, says=says, **options)
        self.assert_same(before, self.bytes_of("."))

    def test_verbs(self):
        self.refused(says=["no verb given", "zoo", "weft --help"])
        self.refused("tarin", says=["'tarin'", "train"])
        self.refused("zoo", says=["make, show, export"])
        self.refused("zoo", "mkae", says=["'mkae'", "make"])
        self.refused("bench", "cnn", says=["'cnn'", "step"])
        self.refused("--bla", says="--bla")

    def test_options(self):
        self.refused("train", "--zoo", "zoo", "--out", "x", "--bla", says=["--bla", "weft train --help"])
        self.refused("train", "--zoo", "zoo", says=["--out", "required"])
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
        self.refused("zoo", "make", "--out", "x", "--residual", says=["--residual", "--kind vit"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--pad", "batch", says=["--pad batch", "--kind text"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--activation", "tanh", says=["tanh", "relu"])
        self.refused("zoo", "make", "--out", "x", "--kind", "vit", "--images", 50, says=["1000 of 50", "held out"])
        self.refused("zoo", "export", "--zoo", "zoo", "--id", 36, "--out", "x", says=["36", "35"])
        self.refused("zoo", "export", "--zoo", "zoo", "--id", -1, "--out", "x", says=["-1", "35"])

    def test_numbers(self):
        make, train = ("zoo", "make", "--out", "x", *SMALL_ZOO), ("train", "--zoo", "zoo", "--out", "x")
        for option in ("--networks", "--images", "--test-images", "--epochs", "--batch"):
            for value in ("0", "-3", "many", "1.5"):
                self.refused(*make[:4], option, value, says=[option, value])
        self.refused(*make[:4], "--networks", 10**11, says=["100000000000", "1000000"])
        for option in ("--epochs", "--batch", "--patience", "--hidden", "--channels", "--learning-rate"):
            for value in ("0", "-1", "x"):
                self.refused(*train, option, value, says=[option, value])
        for value in ("nan", "inf"):
            self.refused(*train, "--learning-rate", value, says=["--learning-rate", value])
        for value in ("9", "-1"):
            self.refused(*train, "--split", value, says=["--split", value])
        for verb in (make, train):
            self.refused(*verb, "--threads", -1, says=["--threads", "-1"])
            self.refused(*verb, "--threads", 100000, says=["100000", "1024"])
            self.refused(*verb, "--seed", -1, says=["--seed", "-1"])
        self.refused("bench", "step", "cnn", "--seconds", 0, says=["--seconds", "0"])

    def test_devices(self):
        for device in ("cuda:0", "tpu"):
            self.refused("train", "--zoo", "zoo", "--out", "x", "--device", device, code=DEVICE, says=[device, "cpu"])
        self.refused("train", "--zoo", "zoo", "--out", "x", env={**os.environ, "WEFT_DEVICE": "cuda:7"}, code=DEVICE,
                     says=["cuda:7", "cpu"])
        self.weft("zoo", "show", "--zoo", "zoo", "--device", "cpu", env={**os.environ, "WEFT_DEVICE": "cuda:7"})

    def test_too_much(self):
        self.refused("zoo", "make", "--out", "x", "--images", 10**14, code=INPUT, says="memory")
        self.refused("bench", "step", says="model")

    def test_existing_output(self):
        self.weft("zoo", "export", "--zoo", "zoo", "--id", 0, "--out", "net")
        for words in (("zoo", "make", *SMALL_ZOO, "--out", "zoo"), ("train", "--zoo", "zoo", "--out", "run"),
                      ("zoo", "export", "--zoo", "zoo", "--id", 1, "--out", "net"),
                      ("act", "--network", "net", "--out", "net"),
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


if __name__ == "__main__":
    main()
