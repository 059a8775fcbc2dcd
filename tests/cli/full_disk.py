#!/usr/bin/env python3
"""Disks that take nothing more: exit code 5, and what was there stays. Needs root, for a small file system in memory."""
from weft_cli import *


class FullDisk(Test):
    def disk(self, kib):
        """A folder on a file system of this size, as a path under self.folder."""
        name = f"disk-{kib}-{self.id().split('.')[-1]}"
        (self.folder / name).mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", self.folder / name],
                              capture_output=True, text=True)
        if made.returncode != 0:
            print("skipped: no file system in memory:", made.stderr.strip())
            sys.exit(77)
        self.addCleanup(subprocess.run, ["umount", self.folder / name], check=True)
        return name

    def test_zoo(self):
        disk = self.disk(1024)
        (self.folder / disk / "mine.txt").write_text("mine")
        words = ("zoo", "make", "--out", f"{disk}/zoo", *SMALL_ZOO)
        self.weft(*words, code=DISK, says=["[write]", f"{disk}/zoo", "No space left"])
        self.assertFalse((self.folder / disk / "zoo").exists())
        self.assertEqual((self.folder / disk / "mine.txt").read_text(), "mine")
        # Once there is room it goes on.
        subprocess.run(["mount", "-o", "remount,size=20m", self.folder / disk], check=True)
        self.weft(*words, "--resume", "--quiet")
        self.assert_same(self.bytes_of(f"{disk}/zoo"), self.bytes_of("zoo"))

    def test_train(self):
        words = ("--zoo", "zoo", "--model", "statnn", "--epochs", "3", "--quiet")
        disk = self.disk(6000)  # a model, but not the state of its training
        self.weft("train", *words, "--out", f"{disk}/run", code=DISK, says=["[write]", f"{disk}/run", "No space left"])
        self.assertEqual(self.bytes_of(f"{disk}/run"), {})
        self.weft("train", *words, "--out", "there")
        shutil.copytree(self.folder / "there", self.folder / disk / "there")
        before = self.bytes_of(f"{disk}/there")
        self.weft("train", *words, "--seed", 1, "--force", "--out", f"{disk}/there", code=DISK, says="No space left")
        self.assert_same(before, self.bytes_of(f"{disk}/there"))

    def test_small_files(self):
        disk = self.disk(64)
        (self.folder / disk / "fill").write_bytes(bytes(64 * 1024))
        self.weft("train", "--zoo", "zoo", "--model", "mlp", "--epochs", 2, "--out", "run", "--quiet")
        for words in (("zoo", "export", "--zoo", "zoo", "--id", 1), ("report", "--zoo", "zoo", "--run", "run"),
                      ("eval", "--zoo", "zoo", "--model", "run")):
            self.weft(*words, "--out", f"{disk}/file", code=DISK, says=[f"{disk}/file", "No space left"])
            self.assertEqual(sorted(os.listdir(self.folder / disk)), ["fill"])


if __name__ == "__main__":
    main()
