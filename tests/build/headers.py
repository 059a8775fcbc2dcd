#!/usr/bin/env python3
"""Fails on a public header that does not compile on its own, or not twice.

    headers.py ROOT COMPILER FLAG...
"""
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile

FOLDERS = ("core", "io", "groups", "autograd", "ops", "nn", "nfn", "data", "networks", "zoo", "symmetry", "tasks")


def public_headers(root):
    return ["weft.h", "io.h", "zoo.h"] + sorted(str(p.relative_to(root)) for f in FOLDERS for p in (root / f).rglob("*.h")
                                 if p.parent.name != "internal")


def complaint(command, header):
    """What the compiler says of a source that includes `header` alone, twice; empty when it compiles."""
    source = f'#include "weft/{header}"\n' * 2
    run = subprocess.run([*command, "-fsyntax-only", "-x", "c++", "-"], input=source, capture_output=True, text=True)
    return run.stderr if run.returncode else ""


def self_test(command):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "weft").mkdir()
        for name, text, good in (("whole.h", "#pragma once\n#include <vector>\ninline std::vector<int> x;\n", True),
                                 ("part.h", "#pragma once\ninline std::vector<int> x;\n", False),
                                 ("unguarded.h", "struct X {};\n", False)):
            (pathlib.Path(folder) / "weft" / name).write_text(text)
            assert bool(complaint([*command, f"-I{folder}"], name)) != good, name


def main(root, command):
    self_test(command)
    headers = public_headers(root)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [(h, said) for h, said in zip(headers, pool.map(lambda h: complaint(command, h), headers)) if said]
    for header, said in wrong:
        print(f"{header} does not compile on its own:\n{said}")
    print(f"headers: {len(headers)} compiled, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
