#!/usr/bin/env python3
"""Jobs of several processes: the bytes of one process, whatever is killed, stopped or full. WEFT_TEST_ROUNDS: how often ranks are
killed (5)."""
import random
import signal

from weft_cli import *

RANKS = 7  # exit code
ROUNDS = int(os.environ.get("WEFT_TEST_ROUNDS", 5))
ZOO = ("--networks", 13, "--images", 300, "--test-images", 100, "--epochs", 6, "--seed", 4)
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MPIRUN = ("mpirun", "--oversubscribe", "--bind-to", "none")


def module():
    program = pathlib.Path(PROGRAM).resolve().parent
    return next((path for path in (program / "../mpi/weft_mpi.so", program / "../lib/weft/weft_mpi.so") if path.exists()), None)


class Job(Test):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("mpirun") or not module():
            print("skipped: no mpirun, or weft was built without MPI")
            sys.exit(77)
        probe = subprocess.run([*MPIRUN, "-n", "2", "true"], env=ENVIRONMENT, capture_output=True, text=True)
        if probe.returncode != 0:
            print("skipped: mpirun starts nothing here:", probe.stderr.strip())
            sys.exit(77)
        super().setUpClass()
        cls.random = random.Random(1)

    @classmethod
    def made(cls, *words):
        """By one process; the seconds that it took."""
        start = time.monotonic()
        subprocess.run([PROGRAM, *map(str, words), "--quiet"], cwd=cls.folder, check=True)
        return time.monotonic() - start

    def start(self, ranks, *words, rank_0="", rank_1=""):
        """Under mpirun; a rank runs the shell's command first."""
        first = "; ".join(f'[ "$OMPI_COMM_WORLD_RANK" != {rank} ] || {command}'
                          for rank, command in enumerate((rank_0, rank_1)) if command)
        program = ("sh", "-c", f'{first}; exec "$0" "$@"', PROGRAM) if first else (PROGRAM,)
        return subprocess.Popen([*MPIRUN, "-n", str(ranks), *program, *map(str, words)], cwd=self.folder, env=ENVIRONMENT,
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def job(self, ranks, *words, code=OK, says=(), **options):
        process = self.start(ranks, *words, **options)
        out, messages = process.communicate(timeout=120 * PATIENCE)
        self.assertEqual(process.returncode, code, out + messages)
        for text in says:
            self.assertIn(text, messages)
        return out

    def ranks_of(self, process, ranks):
        """The processes that mpirun started, once all are there."""
        def parent(stat):
            try:
                return int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                return None  # it has ended meanwhile

        while process.poll() is None:
            found = [int(stat.parent.name) for stat in pathlib.Path("/proc").glob("[0-9]*/stat") if parent(stat) == process.pid]
            if len(found) == ranks:
                return found
        return []

    def killed(self, ranks, begun, seconds, *words):
        """One of the ranks is killed at any moment of so many seconds, from when that is there."""
        process = self.start(ranks, *words)
        pids = self.ranks_of(process, ranks)
        while process.poll() is None and not (self.folder / begun).exists():
            time.sleep(0.001)
        time.sleep(self.random.random() * seconds)
        for pid in pids and [self.random.choice(pids)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it was done
        process.communicate(timeout=120 * PATIENCE)
        return process.returncode != 0


class Zoos(Job):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seconds = cls.made("zoo", "make", *ZOO, "--out", "one")

    def test_the_bytes_of_one_process(self):
        for ranks in (2, 3):
            out = self.job(ranks, "zoo", "make", *ZOO, "--out", f"by-{ranks}")
            self.assertEqual(out.count("zoo made in"), 1)
            self.assert_same(self.bytes_of("one"), self.bytes_of(f"by-{ranks}"))
            self.assertEqual(list(self.folder.glob(f"by-{ranks}.*")), [])
        self.assertIn('"networks": 13', self.job(2, "zoo", "make", *ZOO, "--out", "in-json", "--json"))

    def test_parts(self):
        for part in (1, 2, 3):
            self.weft("zoo", "make", *ZOO, "--out", f"part-{part}", "--part", f"{part}/3")
        self.job(2, "zoo", "make", *ZOO, "--out", "part-2-by-2", "--part", "2/3")
        self.assert_same(self.bytes_of("part-2"), self.bytes_of("part-2-by-2"))
        self.weft("zoo", "show", "part-2", code=USAGE, says="a part of a zoo, networks 4 to 7 of 13")
        self.weft("zoo", "merge", "part-1", "part-3", "--out", "joined", code=USAGE, says="networks 4 to 7 of 13 are in no part")
        self.weft("zoo", "merge", "part-3", "part-1", "part-2", "--out", "joined")
        self.assert_same(self.bytes_of("one"), self.bytes_of("joined"))
        self.weft("zoo", "make", *ZOO, "--out", "odd", "--part", "4/3", code=USAGE, says="--part 4/3; allowed: 1/N to N/N")
        self.weft("zoo", "make", *ZOO, "--out", "odd", "--part", "1", code=USAGE, says="as in 2/4")

    def test_kill_any_rank(self):
        saved = 0
        for round_ in range(ROUNDS):
            out, ranks = f"killed-{round_}", self.random.choice((2, 3))
            self.killed(ranks, f"{out}.parts", self.seconds, "zoo", "make", *ZOO, "--out", out)
            saved += bool(list(self.folder.glob(f"{out}.parts/*.part/state.safetensors")))
            if (self.folder / out).exists():
                self.assert_same(self.bytes_of("one"), self.bytes_of(out))
            self.job(self.random.choice((1, 2, 3)), "zoo", "make", *ZOO, "--out", out, "--resume", "--quiet")
            self.assert_same(self.bytes_of("one"), self.bytes_of(out))
        print(f"{saved} of {ROUNDS} jobs were killed with something saved", file=sys.stderr)
        self.assertTrue(saved or ROUNDS < 5)

    def test_ctrl_c(self):
        zoo = (*ZOO, "--epochs", 60)
        process = self.start(2, "zoo", "make", *zoo, "--out", "stopped")
        while not list(self.folder.glob("stopped.parts/*.part/state.safetensors")):
            self.assertIsNone(process.poll())
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=60 * PATIENCE)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("weft: stopped; what was saved is kept, --resume goes on from there", messages)
        self.weft("zoo", "make", *zoo, "--out", "stopped", code=USAGE, says="'stopped.parts' is unfinished; give --resume")
        self.job(2, "zoo", "make", *zoo, "--out", "stopped", "--resume", "--quiet")
        self.weft("zoo", "make", *zoo, "--out", "not-stopped", "--quiet")
        self.assert_same(self.bytes_of("not-stopped"), self.bytes_of("stopped"))

    def test_a_rank_that_hangs(self):
        process = self.start(2, "zoo", "make", *ZOO, "--epochs", 40, "--out", "hung", "--timeout", 1)
        pids = self.ranks_of(process, 2)
        while not list(self.folder.glob("hung.parts/*.part/state.safetensors")):
            self.assertIsNone(process.poll())
            time.sleep(0.002)
        os.kill(pids[1], signal.SIGSTOP)
        _, messages = process.communicate(timeout=60 * PATIENCE)
        self.assertEqual(process.returncode, RANKS, messages)
        self.assertRegex(messages, r"weft: rank 0: \[ranks\] rank 1 has been silent for \d+ s; look at its machine")
        self.job(2, "zoo", "make", *ZOO, "--epochs", 40, "--out", "hung", "--resume", "--quiet")

    def test_a_full_disk_on_one_rank(self):
        # A file beyond the limit of a process is like one that a disk does not take.
        self.job(2, "zoo", "make", *ZOO, "--out", "full", code=DISK, says=("weft: rank 1: [write]", "full.parts"),
                 rank_1="ulimit -f 8")
        self.job(2, "zoo", "make", *ZOO, "--out", "full", "--resume", "--quiet")
        self.assert_same(self.bytes_of("one"), self.bytes_of("full"))

    def test_processors_are_divided(self):
        words = ("zoo", "make", "--networks", 4, "--images", 64, "--dry-run", "--json")
        alone = json.loads(self.weft(*words).stdout)["threads"]
        self.assertEqual(json.loads(self.job(2, *words))["threads"], max(1, alone // 2))
        if alone > 1:
            self.job(2, *words, "--threads", alone, says=(f"{alone} threads asked for; {alone // 2} a rank",))

    def test_options_that_make_no_sense(self):
        self.job(2, "zoo", "show", "zoo", code=USAGE, says=("[ranks] weft zoo show runs as one process; start it without mpirun",))
        self.job(2, "zoo", "make", "--out", "one", *ZOO, code=USAGE, says=("weft: rank 0:", "'one/zoo.json' exists"))
        self.weft("zoo", "make", *ZOO, "--out", "none", "--timeout", -1, code=USAGE)

    def test_without_mpi(self):
        """The module is not there, or MPI is not: one process runs, several say what is missing."""
        alone = self.folder / "alone"
        alone.mkdir()
        shutil.copy(PROGRAM, alone / "weft")
        subprocess.run([alone / "weft", "zoo", "show", "zoo"], cwd=self.folder, check=True, capture_output=True)
        for text, says in ((None, "[ranks] started as 2 processes, but this weft was built without MPI"), ("", "[ranks] ")):
            if text is not None:
                (alone / "weft_mpi.so").write_text(text)
            result = subprocess.run([alone / "weft", "zoo", "make", "--out", "none"], cwd=self.folder, capture_output=True, text=True,
                                    env={**os.environ, "OMPI_COMM_WORLD_SIZE": "2"})
            self.assertEqual(result.returncode, RANKS, result.stderr)
            self.assertIn(says, result.stderr)


class Trainings(Job):
    FIT = ("--zoo", "zoo", "--model", "magep", "--epochs", 8, "--batch", 5, "--hidden", 32, "--seed", 2)

    def weights(self, run):
        return SafeTensors(self.folder / run / "model.safetensors").data

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made("train", *cls.FIT, "--out", "one")

    def test_the_same_bits_for_the_same_ranks(self):
        self.job(1, "train", *self.FIT, "--out", "by-1")
        self.assert_same(self.weights("one"), self.weights("by-1"))
        losses = {1: self.log_of("one")}
        for ranks in (2, 3):
            for again in ("", "-again"):
                out = self.job(ranks, "train", *self.FIT, "--out", f"by-{ranks}{again}")
                self.assertEqual(out.count(" checkpoints to train on"), 1)
            self.assert_same(self.weights(f"by-{ranks}"), self.weights(f"by-{ranks}-again"))
            losses[ranks] = self.log_of(f"by-{ranks}")
            for here, there in zip(losses[ranks], losses[1], strict=True):
                self.assertAlmostEqual(here, there, delta=1e-3)

    def log_of(self, run):
        return [float(line.split(",")[1]) for line in (self.folder / run / "log.csv").read_text().splitlines()[1:]]

    def test_kill_any_rank(self):
        start = time.monotonic()
        for ranks in (2, 3):
            self.job(ranks, "train", *self.FIT, "--out", f"whole-{ranks}", "--quiet")
        seconds, broken = (time.monotonic() - start) / 2, 0
        for round_ in range(ROUNDS):
            out, ranks = f"killed-{round_}", self.random.choice((2, 3))
            broken += self.killed(ranks, out, seconds, "train", *self.FIT, "--out", out)
            self.job(ranks, "train", *self.FIT, "--out", out, "--resume", "--quiet")
            self.assert_same(self.weights(f"whole-{ranks}"), self.weights(out))
        self.assertTrue(broken or ROUNDS < 5)

    def test_a_rank_that_cannot_open_the_zoo(self):
        self.job(2, "train", *self.FIT, "--out", "none", code=INPUT, says=("weft: rank 1:", "no zoo at"), rank_1="cd /")
        self.assertFalse((self.folder / "none").exists())

    def test_what_all_ranks_find_is_said_once(self):
        for words in ((*self.FIT[2:], "--zoo", "nowhere"), ("--zoo", "nowhere"), ("--zoo", "zoo", "--epoch", 2)):
            _, messages = self.start(3, "train", *words, "--out", "none").communicate(timeout=120 * PATIENCE)
            self.assertEqual(messages.count("weft: "), 1, messages)

    def test_a_full_disk_and_another_number_of_ranks(self):
        self.job(2, "train", *self.FIT, "--out", "full", code=DISK, says=("weft: rank 0: [write]",), rank_0="ulimit -f 8")
        self.job(2, "train", *self.FIT, "--out", "full", "--resume")
        self.job(3, "train", *self.FIT, "--out", "full", "--resume", code=USAGE,
                 says=("was written with another ranks (2; here 3)",))


if __name__ == "__main__":
    main()
