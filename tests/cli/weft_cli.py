"""What the tests of the command line share: the program, a folder that goes away, small zoos and files that are wrong.

Each script takes the path of the program:  verbs.py build/release/apps/weft
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

OK, FAIL, USAGE, INPUT, NUMERIC, DISK, DEVICE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "weft"
SMALL_ZOO = ("--networks", "12", "--images", "200", "--test-images", "100", "--epochs", "4")
SMALL_TRANSFORMERS = (*SMALL_ZOO, "--held-out", "40")
PATIENCE = float(os.environ.get("WEFT_TEST_PATIENCE", 1))  # how much slower than a normal build this one may be: a sanitizer's
MODELS = ("magep", "statnn", "balanced-statnn", "ridge", "mlp")


def epochs(model, n):
    """The option, where a model takes steps."""
    return () if model == "ridge" else ("--epochs", str(n))


class Test(unittest.TestCase):
    """Works in a folder of its own, where `zoo` is a copy of a small zoo that is made once."""
    maxDiff = 2000
    made = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-cli-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        subprocess.run([PROGRAM, "zoo", "make", "--out", "zoo", "--quiet", *SMALL_ZOO], cwd=cls.folder, check=True)

    def command(self, words):
        return [PROGRAM, *(str(word) for word in words)]

    def weft(self, *words, code=OK, says=(), **options):
        """Runs it; the exit code must be `code` and every text of `says` must stand in what it says."""
        options = {"cwd": self.folder, "capture_output": True, "text": True, "timeout": 60 * PATIENCE, **options}
        result = subprocess.run(self.command(words), **options)
        self.assertEqual(result.returncode, code, f"weft {' '.join(map(str, words))}\n{result.stdout}{result.stderr}")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.stderr if code not in (OK, FAIL) else result.stdout + result.stderr)
        if code not in (OK, FAIL):
            self.assertTrue(result.stderr.split("\n")[0].startswith("weft: ") or "weft: " in result.stderr)
        return result

    def stop(self, words, signal_, when):
        """Starts it, sends the signal after `when` seconds or once that file is there; its exit code and messages."""
        process = subprocess.Popen(self.command(words), cwd=self.folder, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        start = time.monotonic()
        while process.poll() is None and time.monotonic() - start < 60 * PATIENCE:
            if (self.folder / when).exists() if isinstance(when, str) else time.monotonic() - start >= when:
                process.send_signal(signal_)
                break
            time.sleep(0.001)
        _, messages = process.communicate(timeout=60 * PATIENCE)
        return process.returncode, messages

    def json(self, *words, code=OK):
        return json.loads(self.weft(*words, "--json", code=code).stdout)

    def bytes_of(self, name, but=()):
        """Contents of a file, or of the files of a folder by name."""
        path = self.folder / name
        if path.is_file():
            return path.read_bytes()
        return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*"))
                if p.is_file() and p.name not in but}

    def assert_same(self, a, b):
        """Equal bytes; unittest's own comparison would print them."""
        if isinstance(a, dict):
            self.assertEqual(sorted(a), sorted(b))
            for name in a:
                self.assertTrue(a[name] == b[name], f"{name} differs")
        else:
            self.assertTrue(a == b, "the bytes differ")


def renumber(zoo, renamed):
    """Gives the checkpoints of a zoo other ids, in its table and its shards."""
    header, *rows = (zoo / "table.csv").read_text().splitlines()
    rows = [f"{renamed(int(row.split(',')[0]))},{row.split(',', 1)[1]}" for row in rows]
    (zoo / "table.csv").write_text("\n".join([header, *rows]) + "\n")
    for path in zoo.glob("weights-*.safetensors"):
        file = SafeTensors(path)
        begin, end = file.header["table.id"]["data_offsets"]
        ids = struct.unpack(f"<{(end - begin) // 4}i", file.data[begin:end])
        file.data[begin:end] = struct.pack(f"<{len(ids)}i", *map(renamed, ids))
        file.save(path)


class SafeTensors:
    """A safetensors file as its header and its bytes, to be changed."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        size, = struct.unpack("<Q", data[:8])
        self.header, self.data = json.loads(data[8:8 + size]), bytearray(data[8 + size:])

    def numbers(self, name):
        """All of a tensor's, float32 or bytes."""
        begin, end = self.header[name]["data_offsets"]
        if self.header[name]["dtype"] == "U8":
            return list(self.data[begin:end])
        return list(struct.unpack(f"<{(end - begin) // 4}f", self.data[begin:end]))

    def set_float(self, name, value, index=0):
        begin = self.header[name]["data_offsets"][0] + 4 * index
        self.data[begin:begin + 4] = struct.pack("<f", value)

    def sign_weights(self):
        """What a zoo's shard says of its weights is made to fit them, as if they had been written so."""
        names = [name for name in self.header if name != "__metadata__" and not name.startswith("table.")]
        rows, = self.header["table.id"]["shape"]
        hashes, largest = bytearray(), [0.0] * rows
        for name in names:
            begin, end = self.header[name]["data_offsets"]
            size = (end - begin) // rows
            for row in range(rows):
                numbers, value = self.data[begin + row * size:begin + (row + 1) * size], 0xCBF29CE484222325
                for byte in numbers:
                    value = (value ^ byte) * 0x100000001B3 % 2**64
                hashes += struct.pack("<Q", value)
                largest[row] = max(largest[row], *(abs(x) for x in struct.unpack(f"<{size // 4}f", numbers)))
        for name, content in (("table.hash", hashes), ("table.largest", struct.pack(f"<{rows}f", *largest))):
            begin, end = self.header[name]["data_offsets"]
            assert end - begin == len(content)
            self.data[begin:end] = content

    def fill(self, name, value):
        begin, end = self.header[name]["data_offsets"]
        self.data[begin:end] = struct.pack("<f", value) * ((end - begin) // 4)

    def save(self, path):
        header = json.dumps(self.header).encode()
        header += b" " * (-len(header) % 8)
        pathlib.Path(path).write_bytes(struct.pack("<Q", len(header)) + header + bytes(self.data))


def main():
    unittest.main(verbosity=1)
