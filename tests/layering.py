#!/usr/bin/env python3
"""Reads the #include lines and fails on one that points against the architecture (docs/architecture.md), on a CUDA header outside
cuda/, on a file of more than 600 lines, or on a source that no CMakeLists.txt names.

    python3 layering.py ROOT
"""
import pathlib
import re
import sys

MAY_USE = {
    "core": set(),
    "groups": {"core"},
    "autograd": {"core", "groups"},
    "ops": {"core", "groups", "autograd"},
    "nn": {"core", "groups", "autograd", "ops"},
    "nfn": {"core", "groups", "autograd", "ops", "nn"},
    "zoo": {"core", "groups", "autograd", "ops", "nn", "nfn", "io"},
    "io": {"core"},
    "cuda": {"core", "ops", "nn", "nfn"},
    "apps": {"core", "groups", "autograd", "ops", "nn", "nfn", "zoo", "io"},
}
CUDA_HEADER = re.compile(r"<(cuda\w*|cublas\w*)\.h>|\.cuh")


def check(root):
    wrong = []
    for folder, allowed in MAY_USE.items():
        named = "".join(p.read_text() for p in (root / folder).rglob("CMakeLists.txt"))
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in {".h", ".cpp", ".cu", ".cuh"}:
                continue
            lines = path.read_text().splitlines()
            where = path.relative_to(root)
            if len(lines) > 600:
                wrong.append(f"{where}: {len(lines)} lines; allowed: 600")
            if path.suffix in {".cpp", ".cu"} and path.name not in named:
                wrong.append(f"{where}: no CMakeLists.txt of {folder}/ names it")
            for number, line in enumerate(lines, 1):
                used = re.match(r'\s*#\s*include\s+"weft/(\w+)/', line)
                if used and used[1] != folder and used[1] not in allowed:
                    wrong.append(f"{where}:{number}: {folder} may not use {used[1]}")
                if re.match(r'\s*#\s*include\s+"(?!weft/)', line):
                    wrong.append(f'{where}:{number}: includes are spelled "weft/folder/file.h"')
                if folder != "cuda" and "#include" in line and CUDA_HEADER.search(line):
                    wrong.append(f"{where}:{number}: only cuda/ includes CUDA headers")
    return wrong


def self_test():
    """The rules catch what they should."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "core").mkdir()
        (root / "core" / "a.h").write_text('#include "weft/ops/b.h"\n#include <cuda_runtime.h>\n')
        assert len(check(root)) == 2, check(root)


if __name__ == "__main__":
    self_test()
    problems = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "layering: every include points to the left")
    sys.exit(bool(problems))
