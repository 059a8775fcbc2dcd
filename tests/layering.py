#!/usr/bin/env python3
"""Reads the #include lines and fails on one that points against the architecture (docs/architecture.md), on a CUDA header outside
cuda/, on a file of more than 600 lines, on a source that no CMakeLists.txt names, or on one that asks which kind a factor is of:
what others need to know of a kind stands in its table (groups/kinds).

    layering.py ROOT
"""
import pathlib
import re
import sys

# Each may use what stands before it, but for the exceptions.
ORDER = ["core", "io", "groups", "autograd", "ops", "nn", "nfn", "data", "networks", "zoo", "symmetry", "tasks", "apps"]
LIBRARY = {folder: set(ORDER[:at]) for at, folder in enumerate(ORDER)}
for folder, without in {"groups": {"io"}, "autograd": {"io"}, "ops": {"io"}, "data": set(ORDER) - {"core", "io"}}.items():
    LIBRARY[folder] -= without
LIBRARY["mpi"] = {"core"}
LIBRARY["cuda"] = {"core", "autograd", "ops", "nn", "nfn", "networks"}
MAY_USE = LIBRARY | {
    "tests": set(LIBRARY),
    "bench": set(LIBRARY) | {"tests"},
    "examples": set(),  # the public header alone
    "python": set(LIBRARY) - {"apps", "cuda", "mpi"},
}
KIND = re.compile(r"(?:[=!]=\s*|\bcase\s+)FactorKind::([A-Za-z_]+)\b|\bFactorKind::([A-Za-z_]+)\s*[=!]=")
CUDA_HEADER = re.compile(r"<(cuda\w*|cublas\w*)\.h>|\.cuh")


def includes(folder, lines):
    """(line number, what is wrong with it)"""
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#\s*include\s+(["<])([^">]+)', line)
        if not include:
            continue
        quote, path = include.groups()
        used = re.match(r"weft/(\w+)/", path)
        if used and used[1] != folder and used[1] not in MAY_USE[folder]:
            yield number, f"{folder} may not use {used[1]}"
        if path in {"weft/weft.h", "weft/io.h", "weft/zoo.h"} and folder in LIBRARY:
            yield number, "the public header is for users; name the headers that are needed"
        # The binding is built on a weft that may be installed, beside which its own headers do not lie.
        if quote == '"' and not path.startswith("weft/") and folder != "python":
            yield number, 'includes are spelled "weft/folder/file.h"'
        if folder != "cuda" and CUDA_HEADER.search(line):
            yield number, "only cuda/ includes CUDA headers"


def compared_kinds(lines, kinds):
    for number, line in enumerate(lines, 1):
        if any(kinds & set(found) for found in KIND.findall(line)):
            yield number, "a kind is compared by name; ask its table in groups/kinds for what you need to know"


def check(root):
    wrong = []
    kinds = {path.stem for path in (root / "groups/kinds").glob("*.cpp")}
    for folder in MAY_USE:
        own_list = (root / folder / "CMakeLists.txt").exists()  # else the build finds all sources
        lists = "\n".join(p.read_text() for p in (root / folder).rglob("CMakeLists.txt"))
        named = {pathlib.PurePath(word).name for word in re.findall(r"[\w./]+", lists)}
        # Some folders' sources are found by their names.
        found = {path for pattern in re.findall(r"GLOB \w+ CONFIGURE_DEPENDS (?:RELATIVE \S+ )?(\S+)\)", lists)
                 for path in (root / folder).glob(pattern)}
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in {".h", ".cpp", ".cu", ".cuh"}:
                continue
            lines = path.read_text().splitlines()
            where = path.relative_to(root)
            if len(lines) > 600:
                wrong.append(f"{where}: {len(lines)} lines; allowed: 600")
            if own_list and path.suffix in {".cpp", ".cu"} and path.name not in named and path not in found:
                wrong.append(f"{where}: no CMakeLists.txt of {folder}/ names it")
            if folder in LIBRARY:
                wrong += [f"{where}:{number}: {reason}" for number, reason in compared_kinds(lines, kinds)]
            wrong += [f"{where}:{number}: {reason}" for number, reason in includes(folder, lines)]
    return wrong


def self_test():
    """Every rule catches what it should, and nothing else."""
    import tempfile
    files = {
        "core/a.h": ('#include "weft/ops/b.h"\n#include <cuda_runtime.h>\n#include "weft/core/c.h"\n', 2),
        "core/long.h": ("\n" * 601, 1),
        "core/b.cpp": ("", 1),
        "core/ab.cpp": ("", 0),
        "core/public.h": ('#include "weft/weft.h"\n', 1),
        "data/d.h": ('#include "weft/nn/a.h"\n#include "weft/io/a.h"\n', 1),
        "tests/t.cpp": ('#include "weft/zoo/a.h"\n#include <doctest/doctest.h>\n#include "a.h"\n', 1),
        "tests/sub/u.h": ('#include "weft/bench/harness.h"\n', 1),
        "python/bindings/p.cpp": ('#include "q.h"\n#include "weft/zoo/a.h"\n#include "weft/apps/a.h"\n', 1),
        "python/CMakeLists.txt": ("file(GLOB sources CONFIGURE_DEPENDS bindings/*.cpp)\n", 0),
        "examples/e.cpp": ('#include "weft/weft.h"\n#include <vector>\n#include "weft/core/tensor.h"\n', 1),
        "groups/kinds/GL.cpp": ("", 0),
        "groups/other.cpp": ("", 1),
        "symmetry/found.cpp": ("", 0),
        "groups/CMakeLists.txt": ("file(GLOB kinds CONFIGURE_DEPENDS RELATIVE ${HERE} kinds/*.cpp)\n", 0),
        "nn/kind.cpp": ("if (f.kind == FactorKind::GL) {}\nif (rule.kind == FactorKind::adam) {}\ncase FactorKind::GL:\nFactorKind::GL != k\nf(FactorKind::GL)\n", 3),
        "nn/CMakeLists.txt": ("kind.cpp", 0),
        "core/CMakeLists.txt": ("target_sources(weft PRIVATE ab.cpp)\n", 0),
        "tests/CMakeLists.txt": ("add_executable(t t.cpp)\n", 0),
        "examples/CMakeLists.txt": ("add_executable(e e.cpp)\n", 0),
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, _) in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = check(root)
        for name, (_, expected) in files.items():
            assert sum(problem.startswith(name + ":") for problem in found) == expected, (name, found)


if __name__ == "__main__":
    self_test()
    problems = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "layering: every include points to the left")
    sys.exit(bool(problems))
