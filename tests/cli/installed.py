#!/usr/bin/env python3
"""Shell completion and man pages say what the parser takes."""
from weft_cli import *

ALL_MODELS = (*MODELS, "transformer-nfn", "inr-magep", "inr-magep-flips", "inr-sine", "inr-monomial", "inr-np", "inr-hnp", "graph",
              "probes", "image-probes", "token-probes", "edit-magep", "edit-sine", "edit-monomial", "edit-np", "edit-hnp", "unedited")
VERBS = ["demo", "zoo make", "zoo merge", "zoo show", "zoo check", "zoo export", "train", "eval", "predict", "edit", "inspect", "act", "fold", "same", "verify", "report", "bench step"]


class Installed(Test):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run([PROGRAM, "generate", "share"], cwd=cls.folder, check=True)
        share = cls.folder / "share"
        cls.bash, cls.zsh, cls.fish = (share / name for name in ("bash-completion/completions/weft", "zsh/site-functions/_weft",
                                                                 "fish/vendor_completions.d/weft.fish"))
        cls.options = {verb: cls.options_of(verb) for verb in VERBS}

    @classmethod
    def options_of(cls, verb):
        """As --help lists them."""
        text = subprocess.run([PROGRAM, *verb.split(), "--help"], cwd=cls.folder, check=True, capture_output=True, text=True).stdout
        return {word.rstrip(",") for line in text.split("\n") if line.startswith("  -") for word in line.split()[:1]
                } | {"--help"} - {"-h,--help"}

    def completed(self, *words):
        """What bash offers for the last word."""
        script = f'source "{self.bash}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weft; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-uc", script, "bash", "weft", *words], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(done.stdout.split())

    def test_bash(self):
        self.assertEqual(self.completed(""), {verb.split()[0] for verb in VERBS} | {"--help", "--version"})
        self.assertEqual(self.completed("tr"), {"train"})
        self.assertEqual(self.completed("zoo", ""), {"make", "merge", "show", "check", "export", "--help"})
        for verb, options in self.options.items():
            self.assertEqual(self.completed(*verb.split(), "--") - {"--help"}, {o for o in options if o.startswith("--")} - {"--help"}, verb)
        self.assertEqual(self.completed("train", "--zoo", "zoo", "--model", ""), set(ALL_MODELS))
        self.assertEqual(self.completed("zoo", "make", "--kind", "v"), {"vit"})
        self.assertEqual(self.completed("bench", "step", "transformer"), {"transformer1", "transformer2"})
        self.assertEqual(self.completed("train", "zoo", "--ep"), {"--epochs"})  # a folder called as a verb is
        for words in (("train", "--zoo", ""), ("train", "--epochs", ""), ("zoo", "show", "z")):
            self.assertEqual(self.completed(*words), set())  # files, or nothing, are the shell's

    def test_other_shells(self):
        zsh, fish = self.zsh.read_text(), self.fish.read_text()
        for verb, options in self.options.items():
            function = zsh.split(f"\n_weft_{verb.replace(' ', '_')}() {{")[1].split("\n}\n")[0]
            lines = [line for line in fish.split("\n") if f"'__weft_in {verb}'" in line]
            for option in options:
                if option.startswith("--"):
                    self.assertIn(f"{option}", function)
                    self.assertEqual(sum(f" -l {option[2:]} " in line for line in lines), 1, (verb, option))
        self.assertIn(":(cnn resnet siren vit text)'", zsh)
        self.assertIn("-l kind -x -a 'cnn resnet siren vit text'", fish)
        for shell, file in (("zsh", self.zsh), ("fish", self.fish)):
            if shutil.which(shell):
                subprocess.run([shell, "-n", file], check=True)

    def test_man_pages(self):
        pages = {path.name: path.read_text() for path in (self.folder / "share/man/man1").iterdir()}
        self.assertEqual(sorted(pages), sorted(["weft.1"] + [f"weft-{verb.replace(' ', '-')}.1" for verb in VERBS]))
        for verb, options in self.options.items():
            page = pages[f"weft-{verb.replace(' ', '-')}.1"]
            for option in options:
                if option.startswith("--"):
                    self.assertIn("\\fB" + option.replace("-", "\\-") + "\\fR", page)
            self.assertIn(f"weft\\-{verb.replace(' ', chr(92) + '-')}(1)".replace("(1)", "\\fR(1)"), pages["weft.1"])
        train = pages["weft-train.1"]
        self.assertIn("\n.br\nof dense and convolutional networks: magep, graph\n.br\n", train)
        self.assertNotIn("one of magep", train)
        self.assertIn("; one of accuracy, ", train)
        if shutil.which("groff"):
            for name in pages:
                said = subprocess.run(["groff", "-man", "-Tutf8", "-Kutf8", "-ww", self.folder / "share/man/man1" / name],
                                      capture_output=True, text=True)
                self.assertEqual((said.returncode, said.stderr), (0, ""), name)
                self.assertGreater(len(said.stdout), 500)

    def test_hidden(self):
        self.assertNotIn("generate", self.weft("--help").stdout)
        self.weft("nonsense", code=USAGE, says="allowed: demo, zoo, train, eval, predict, edit, inspect, act, fold, same, verify, report, bench;")


if __name__ == "__main__":
    main()
