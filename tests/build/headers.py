#!/usr/bin/env python3
"""Fails on a public header that does not compile on its own, or not twice. One that stands first in a source of the library is compiled
on its own by the build, and needs no more than `#pragma once`.

    headers.py ROOT COMPILER FLAG...
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDERS = ("core", "io", "groups", "autograd", "ops", "nn", "nfn", "data", "networks", "zoo", "symmetry", "tasks")


def public_headers(root):
    return ["weft.h", "io.h", "zoo.h"] + sorted(str(p.relative_to(root)) for f in FOLDERS for p in (root / f).rglob("*.h")
                                 if p.parent.name != "internal")


def first_in_sources(root):
    """Headers that some source of the library includes before anything else."""
    texts = (p.read_text() for f in FOLDERS for p in (root / f).rglob("*.cpp") if not p.name.endswith("_cases.cpp"))
    firsts = (re.search(r"^#include (.*)$", text, re.MULTILINE) for text in texts)
    return {first[1][len('"weft/'):-1] for first in firsts if first and first[1].startswith('"weft/')}


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
        (pathlib.Path(folder) / "core").mkdir()
        (pathlib.Path(folder) / "core" / "part.cpp").write_text('// Why.\n\n#include "weft/core/part.h"\n\n#include "weft/core/whole.h"\n')
        assert first_in_sources(pathlib.Path(folder)) == {"core/part.h"}


def main(root, command):
    self_test(command)
    built = first_in_sources(root)
    headers = [h for h in public_headers(root) if h not in built or "#pragma once" not in (root / h).read_text()]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [(h, said) for h, said in zip(headers, pool.map(lambda h: complaint(command, h), headers)) if said]
    for header, said in wrong:
        print(f"{header} does not compile on its own:\n{said}")
    print(f"headers: {len(headers)} compiled, {len(wrong)} failed, {len(built)} compiled by the build")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
