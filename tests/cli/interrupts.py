#!/usr/bin/env python3
"""Runs that are stopped, with Ctrl-C or killed at any moment, end after --resume with the bytes of one that was not."""
import random
import signal

from weft_cli import *

ZOO = ("--networks", "24", "--images", "300", "--test-images", "100", "--epochs", "6", "--seed", "4")
FIT = ("--zoo", "zoo", "--epochs", "20", "--hidden", "64", "--model", "magep")


class Interrupts(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seconds = {}
        for name, words in (("whole-zoo", ("zoo", "make", *ZOO)), ("whole-run", ("train", *FIT))):
            start = time.monotonic()
            subprocess.run([PROGRAM, *words, "--out", name, "--quiet"], cwd=cls.folder, check=True)
            cls.seconds[name] = time.monotonic() - start

    def says_at_once(self, words, when):
        """Starts it and presses Ctrl-C once `when(what it has said)`: all that it said, and the process, which may still run."""
        process = subprocess.Popen(self.command(words), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        os.set_blocking(process.stderr.fileno(), False)
        said = ""

        def until(done):
            nonlocal said
            said += (process.stderr.read() or b"").decode()
            return done(said)

        self.wait_for(lambda: until(when) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        self.assertLess(self.wait_for(lambda: until(lambda text: "Ctrl-C again ends at once.\n" in text)), PATIENCE, said)
        return said, process

    @staticmethod
    def answer(said):
        return next(line for line in said.split("\n") if "Ctrl-C: " in line)

    def wait_for(self, done, limit=60 * PATIENCE):
        """Seconds until it is done."""
        start = time.monotonic()
        while not done():
            self.assertLess(time.monotonic() - start, limit)
            time.sleep(0.002)
        return time.monotonic() - start

    def test_ctrl_c_is_answered_at_once_and_a_second_one_ends(self):
        long_zoo = ("--kind", "vit", "--networks", 40, "--images", 4000, "--test-images", 100, "--epochs", 20)
        long_fit = ("train", "zoo", "--epochs", 100000, "--patience", 100000)
        for name, words, begun, plan in (
                ("at-once-zoo", ("zoo", "make", *long_zoo), "at-once-zoo.part", "the zoo stops after an epoch"),
                ("at-once-run", long_fit, "at-once-run/state.safetensors", "training stops after this step"),
                ("at-once-demo", ("demo", "--images", 3000, "--networks", 300), "at-once-demo/zoo.part",
                 "the zoo stops after an epoch")):
            said, process = self.says_at_once((*words, "--out", name, "--quiet"), lambda _: (self.folder / begun).exists())
            line = self.answer(said)
            self.assertIn(plan, line)
            self.assertIn("--resume", line)
            self.assertRegex(line, r"It takes about \d+ s\.|How long that takes is not known yet\.")
            if "run" in name:  # its safe point is near: it stops by itself
                self.assertLess(self.wait_for(lambda: process.poll() is not None), 2)
                self.assertEqual(process.returncode, INTERRUPTED)
            else:
                self.assertIsNone(process.poll())
                process.send_signal(signal.SIGINT)
                self.assertLess(self.wait_for(lambda: process.poll() is not None), 1)
                self.assertEqual(process.returncode, -signal.SIGINT)

    def test_ctrl_c_before_anything_is_saved(self):
        words = ("train", "zoo", "--out", "nothing", "--epochs", 1, "--batch", 1, "--channels", 150, "--equivariant-layers", 4)
        said, process = self.says_at_once(words, lambda text: "/s" in text)
        messages = said + process.communicate(timeout=60 * PATIENCE)[1].decode()
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertIn("nothing of it is saved before its first epoch ends", self.answer(messages))
        self.assertIn("weft: interrupted; nothing of this training was saved; it begins anew\n", messages)
        self.assertNotIn("--resume", messages)
        self.assertFalse((self.folder / "nothing").exists())

    def test_ctrl_c_foretells_the_end_of_an_epoch(self):
        words = ("zoo", "make", "--networks", 60, "--images", 2000, "--test-images", 100, "--epochs", 50, "--quiet")
        said, process = self.says_at_once((*words, "--out", "foretold"),
                                          lambda _: (self.folder / "foretold.part" / "state.safetensors").exists())
        foretold = int(self.answer(said).split("It takes about ")[1].split(" s.")[0])
        self.assertLess(self.wait_for(lambda: process.poll() is not None), 3 * foretold + 1)
        self.assertEqual(process.returncode, INTERRUPTED)
        state = (self.folder / "foretold.part" / "state.safetensors").stat()
        self.assertGreater(state.st_size, 0)

    def test_the_rate_after_resume_is_of_what_is_left(self):
        words = ("train", "zoo", "--epochs", 100, "--patience", 100, "--out", "late")

        def rate(said, line_with):
            return float(next(line for line in said.split("\n") if line_with in line).split("/s")[0].split()[-1])

        said, process = self.says_at_once(words, lambda text: "  90%  " in text)
        process.wait()
        self.assertEqual(process.returncode, INTERRUPTED)
        # Counting what was done before, the rate would be about ten times as high.
        self.assertLess(rate(self.weft(*words, "--resume").stderr, " in all"), 3 * rate(said, "  90%  "))

    def finish(self, words, out, whole):
        self.weft(*words, "--out", out, "--resume", "--quiet")
        self.assert_same(self.bytes_of(out, but=["run.json"]), self.bytes_of(whole, but=["run.json"]))

    def test_ctrl_c(self):
        for verb, whole, state in ((("zoo", "make", *ZOO), "whole-zoo", "c-zoo.part/state.safetensors"),
                                   (("train", *FIT), "whole-run", "c-run/state.safetensors")):
            out = state.split("/")[0].removesuffix(".part")
            code, messages = self.stop((*verb, "--out", out), signal.SIGINT, state)
            self.assertEqual(code, INTERRUPTED, messages)
            self.assertIn("--resume", messages)
            self.assertTrue((self.folder / state).exists())
            before = self.bytes_of(pathlib.Path(state).parent)
            self.weft(*verb, "--out", out, code=USAGE, says=["unfinished", "--resume", "--force"])
            self.assert_same(before, self.bytes_of(pathlib.Path(state).parent))
            self.finish(verb, out, whole)
            self.finish(verb, out, whole)  # nothing is left to do

    def kill_often(self, verb, out, whole, seed):
        draw = random.Random(seed)
        for _ in range(6):
            code, messages = self.stop((*verb, "--out", out, "--resume"), signal.SIGKILL,
                                       draw.uniform(0, 1.1 * self.seconds[whole]))
            self.assertIn(code, (OK, -signal.SIGKILL), messages)
            if code == OK:
                break
        self.finish(verb, out, whole)

    def test_killed_transformers(self):
        words = ("zoo", "make", "--kind", "text", "--networks", 4, "--images", 200, "--test-images", 50, "--epochs", 5,
                 "--held-out", 50)
        start = time.monotonic()
        self.weft(*words, "--out", "whole-texts", "--quiet")
        self.seconds["whole-texts"] = time.monotonic() - start
        self.kill_often(words, "killed-texts", "whole-texts", 20)

    def test_killed_zoos(self):
        for seed in range(2):
            self.kill_often(("zoo", "make", *ZOO), f"killed-zoo-{seed}", "whole-zoo", seed)

    def test_killed_runs(self):
        for seed in range(2):
            self.kill_often(("train", *FIT), f"killed-run-{seed}", "whole-run", 10 + seed)

    def test_a_finished_zoo_stays_while_it_is_replaced(self):
        before = self.bytes_of("zoo")
        code, _ = self.stop(("zoo", "make", *ZOO, "--out", "zoo", "--force"), signal.SIGKILL, "zoo.part/state.safetensors")
        self.assertEqual(code, -signal.SIGKILL)
        self.assert_same(before, self.bytes_of("zoo"))
        shutil.rmtree(self.folder / "zoo.part")

    def test_a_finished_run_stays_while_it_is_replaced(self):
        verb = ("train", *FIT, "--seed", "3")
        self.weft("train", *FIT, "--out", "replaced", "--quiet")
        before = self.bytes_of("replaced")
        code, _ = self.stop((*verb, "--out", "replaced", "--force"), signal.SIGKILL, "replaced/state.safetensors")
        self.assertEqual(code, -signal.SIGKILL)
        after = self.bytes_of("replaced")
        self.assert_same(before, {name: after[name] for name in before})
        self.weft(*verb, "--out", "uninterrupted", "--quiet")
        self.finish(verb, "replaced", "uninterrupted")  # with the new settings, not the old ones

    def test_other_settings_are_not_continued(self):
        self.stop(("train", *FIT, "--out", "other"), signal.SIGINT, "other/state.safetensors")
        before = self.bytes_of("other")
        for words in (("--batch", 4), ("--seed", 1), ("--learning-rate", 0.01), ("--split", 1), ("--epochs", 5),
                      ("--model", "mlp")):
            for out in ("other", "whole-run"):
                self.weft("train", *FIT, "--out", out, "--resume", *words, code=USAGE,
                          says=[words[0][2:].replace("-", "_"), out, "--force"])
        self.assert_same(before, self.bytes_of("other"))
        self.stop(("zoo", "make", *ZOO, "--out", "other-zoo"), signal.SIGINT, "other-zoo.part/state.safetensors")
        self.weft("zoo", "make", *ZOO, "--out", "other-zoo", "--resume", "--batch", 16, code=USAGE, says=["other-zoo", "batch"])

    def test_two_at_once(self):
        """A run's folder belongs to one process; the other says so and changes nothing."""
        long = ("train", *FIT, "--epochs", 100000, "--patience", 100000, "--out", "shared")
        first = subprocess.Popen(self.command((*long, "--quiet")), cwd=self.folder, stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 60 * PATIENCE
            while not (self.folder / "shared" / "state.safetensors").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            for words in (("--resume",), ("--force",), ()):
                self.weft(*long, *words, code=DISK, says=["'shared'", "another process"])
        finally:
            first.send_signal(signal.SIGINT)
            first.communicate(timeout=60 * PATIENCE)
        self.assertEqual(first.returncode, INTERRUPTED)
        code, messages = self.stop((*long, "--resume"), signal.SIGINT, 1.0 * PATIENCE)  # the lock went with the process
        self.assertEqual(code, INTERRUPTED, messages)

    def test_damaged_states(self):
        """Numbers of a state that no training leaves there are refused; nothing is lost."""
        self.stop(("train", *FIT, "--out", "damaged"), signal.SIGINT, "damaged/state.safetensors")
        path = self.folder / "damaged" / "state.safetensors"
        whole = path.read_bytes()
        for index, values in ((1, (1e6, -5, 0, 1.5, float("nan"), 1e300)), (0, (-1, 4, float("inf"), 2**63))):
            for value in values:
                file = SafeTensors(path)
                begin = file.header["fit.counts"]["data_offsets"][0] + 8 * index
                file.data[begin:begin + 8] = struct.pack("<d", value)
                file.save(path)
                before = self.bytes_of("damaged")
                self.weft("train", *FIT, "--out", "damaged", "--resume", code=INPUT, says="fit.counts")
                self.assert_same(before, self.bytes_of("damaged"))
                path.write_bytes(whole)
        self.finish(("train", *FIT), "damaged", "whole-run")

    def test_demo(self):
        words = ("demo", "--networks", 16, "--images", 200, "--zoo-epochs", 8, "--epochs", 12,
                 "--seed", 2)
        self.weft(*words, "--out", "demo-whole", "--quiet")
        but, resume = {"run.json", "report.html", "log.csv"}, ()
        for place in ("zoo.part/state.safetensors", "magep/state.safetensors", "mlp/state.safetensors"):
            code, messages = self.stop((*words, "--out", "stopped", *resume), signal.SIGINT, f"stopped/{place}")
            self.assertEqual(code, INTERRUPTED, messages)
            self.weft(*words, "--out", "stopped", code=USAGE, says="--resume")
            resume = ("--resume",)
        self.weft(*words, "--out", "stopped", "--resume")
        for part in ("zoo", *MODELS):
            self.assert_same(self.bytes_of(f"stopped/{part}", but), self.bytes_of(f"demo-whole/{part}", but))


if __name__ == "__main__":
    main()
