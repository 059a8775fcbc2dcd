#!/usr/bin/env python3
"""Paths are bytes: every verb works on, and writes to, ones that are no UTF-8, and says them in JSON without loss."""
from weft_cli import *

ZOO, RUN, NET = b"z\xff", b"r\\x41\xc3\x28", b"n\xe2\x82"  # the run's name has a backslash of its own


def escaped(path):
    """As JSON has it: a backslash twice, \\xNN for a byte that is no part of a UTF-8 character."""
    return path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


class Paths(Test):
    def run_bytes(self, *words, code=OK):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        done = subprocess.run([PROGRAM.encode(), *words], cwd=self.folder, capture_output=True, timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done.stdout

    def json_of(self, *words):
        return json.loads(self.run_bytes(*words, "--json"))

    def exists(self, *parts):
        return os.path.exists(os.path.join(os.fsencode(self.folder), *parts))

    def test_every_verb(self):
        self.assertEqual(self.json_of("zoo", "make", "--out", ZOO, *SMALL_ZOO)["zoo"], escaped(ZOO))
        self.assertEqual(self.json_of("zoo", "show", "--zoo", ZOO)["zoo"], escaped(ZOO))
        train = ("train", "--zoo", ZOO, "--model", "statnn", "--epochs", 2, "--out", RUN)
        self.assertEqual(self.json_of(*train)["zoo"], escaped(ZOO))
        self.assertTrue(self.exists(RUN, b"model.safetensors"))
        self.run_bytes(*train, "--resume")
        self.json_of("eval", "--model", RUN)  # its run.json names the zoo
        self.run_bytes("predict", "--model", RUN, "--zoo", ZOO)
        self.assertEqual(self.json_of("zoo", "export", "--zoo", ZOO, "--id", 3, "--out", NET)["out"], escaped(NET))
        self.assertEqual(self.json_of("predict", "--model", RUN, "--network", NET)["network"], escaped(NET))
        self.assertEqual(self.json_of("act", "--network", NET, "--out", NET + b"2")["out"], escaped(NET + b"2"))
        self.run_bytes("same", NET, NET + b"2", "--out", b"w\xff")
        self.run_bytes("verify", "--model", RUN, "--out", b"v\xff", code=FAIL)
        said = self.json_of("report", "--run", RUN, "--out", b"p\xff.html", "--title", b"t\xff")
        self.assertEqual((said["report"], said["runs"]), (escaped(b"p\xff.html"), [escaped(RUN)]))
        said = self.json_of("demo", "--out", b"d\xff", "--networks", 12, "--images", 100, "--zoo-epochs", 2, "--epochs", 1)
        self.assertEqual(said["report"], escaped(b"d\xff/report.html"))

    def test_config(self):
        config = self.run_bytes("train", "--zoo", "zoo", "--model", "statnn", "--epochs", 2, "--out", RUN + b"c", "--print-config")
        self.assertEqual(json.loads(config)["out"], escaped(RUN + b"c"))
        (self.folder / "config.json").write_bytes(config)
        self.run_bytes("train", "--config", "config.json")
        self.assertTrue(self.exists(RUN + b"c", b"model.safetensors"))

    def test_messages(self):
        for words in (("zoo", "show", "--zoo", b"no\xff"), ("eval", "--model", b"no\xff"), ("same", b"no\xff", b"no\xff")):
            self.run_bytes(*words, code=INPUT)


if __name__ == "__main__":
    main()
