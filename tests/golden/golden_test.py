#!/usr/bin/env python3
"""The golden files and the script that makes them, each held against the other and against the runner.

    golden_test.py weft_golden
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import make_golden
import numpy as np

FILES = pathlib.Path(__file__).parent / "files"
RUNNER = sys.argv.pop()


class Golden(unittest.TestCase):
    def run_on(self, folder):
        """(files, passed, failed, unknown) as the runner says."""
        ran = subprocess.run([RUNNER, str(folder)], capture_output=True, text=True)
        counts = tuple(map(int, re.search(r"golden: (\d+) files, (\d+) passed, (\d+) failed, (\d+) unknown", ran.stdout).groups()))
        self.assertEqual(ran.returncode == 0, counts[0] == counts[1] > 0, ran.stdout)
        return counts

    def test_the_files_say_what_the_formulas_say(self):
        self.assertEqual(make_golden.check(FILES), 0)

    def test_the_runner_passes_files_of_another_seed_and_other_shapes(self):
        with tempfile.TemporaryDirectory() as folder:
            make_golden.write(pathlib.Path(folder), seed=11, more=1, terms=200)
            files = len(list(pathlib.Path(folder).iterdir()))
            self.assertGreater(files, 100)
            self.assertEqual(self.run_on(folder), (files, files, 0, 0))

    def test_a_spoiled_file_fails_in_the_runner_and_in_the_script(self):
        def set_to(number):
            def spoil(metadata, tensors, name):
                tensors[name].reshape(-1)[-1] = number
            return spoil

        def off_in_the_smallest_channel(metadata, tensors, name):
            blocks = np.moveaxis(tensors[name], 0 if "param." in name else 1, 0)
            smallest = blocks[np.abs(blocks.reshape(len(blocks), -1)).max(1).argmin()]
            smallest[...] *= 1.001

        def another_shape(metadata, tensors, name):
            tensors[name] = tensors[name].reshape(-1)[:-1]

        def without(metadata, tensors, name):
            del tensors[name]

        def with_another(metadata, tensors, name):
            tensors[name + "x"] = tensors[name]
        spoils = (set_to(np.nan), set_to(np.inf), off_in_the_smallest_channel, another_shape, without, with_another)
        with tempfile.TemporaryDirectory() as folder:
            folder, spoiled = pathlib.Path(folder), 0

            def write(source, spoil, name=None, prefix=None):
                nonlocal spoiled
                metadata, tensors = make_golden.read_safetensors(FILES / f"{source}.safetensors")
                tensors = {name: x.copy() for name, x in tensors.items()}
                name = name or max((n for n in tensors if n.startswith(prefix)), key=lambda n: tensors[n].size)
                spoil(metadata, tensors, name)
                path = folder / f"{spoiled}.safetensors"
                make_golden.write_safetensors(path, metadata, tensors)
                self.assertNotEqual(make_golden.wrong(path), "", (source, name, spoil))
                spoiled += 1
            for source in ("magep-equivariant-3-5-2", "transformer-invariant-D4-A6-h2-k2-v2", "transformer-forward-plain-D4-A6-h2-k2-v2",
                           "siren-forward-2-6-5-3", "siren-population-W5-1x1x8", "graph-network-scales-3-4-2"):
                for prefix in ("out.", "grad."):
                    for spoil in spoils:
                        write(source, spoil, prefix=prefix)
            for source in ("siren-element-2-6-5-3", "sine-features-2-6-5-3", "edit-targets-3x9x11"):
                for spoil in spoils:
                    write(source, spoil, prefix="out.")
            # What is given as whole numbers: another element, other pixels, other images.
            for source, name, change in (("siren-element-2-6-5-3", "element.order.1", np.flip),
                                         ("siren-element-2-6-5-3", "element.flip.2", np.negative),
                                         ("siren-element-2-6-5-3", "element.shift.1", lambda x: x + 1),
                                         ("siren-population-W18-3x9x11", "in.pixels", lambda x: (x + 1) % 99),
                                         ("edit-targets-3x9x11", "in.images", lambda x: x ^ 1)):
                def changed(metadata, tensors, name):
                    tensors[name] = change(tensors[name])
                write(source, changed, name=name)
            metadata, tensors = make_golden.read_safetensors(FILES / "attention-equivalence-h2-D6-00.safetensors")
            config = json.loads(metadata["config"])
            make_golden.write_safetensors(folder / "decision.safetensors",
                                          metadata | {"config": json.dumps(config | {"same": not config["same"]})}, tensors)
            line = json.loads((FILES / "terms.jsonl").read_text().splitlines()[0])
            (folder / "terms.jsonl").write_text(json.dumps(line | {"equivariant": not line["equivariant"]}))
            for path in ("decision.safetensors", "terms.jsonl"):
                self.assertNotEqual(make_golden.wrong(folder / path), "")
            make_golden.write_safetensors(folder / "kind.safetensors", metadata | {"kind": "another"}, tensors)
            self.assertEqual(self.run_on(folder), (spoiled + 3, 0, spoiled + 2, 1))


if __name__ == "__main__":
    unittest.main()
