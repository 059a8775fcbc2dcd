#!/usr/bin/env python3
"""Fails on a source that is not as .clang-format has it. Skipped (77) without clang-format 14, since others differ.

    format.py ROOT
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys

SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}


def formatter():
    for name in ("clang-format-14", "clang-format"):
        if path := shutil.which(name):
            if " version 14." in subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout:
                return path
    return None


def sources(root):
    tops = (p for p in root.iterdir() if p.name not in {"build", "out"} and not p.name.startswith("."))
    files = (f for top in tops for f in ([top] if top.is_file() else top.rglob("*")))
    return sorted(f for f in files if f.suffix in SUFFIXES)


def complain(root, files, wrong, bad, good, name, summary):
    """The exit code of a test by lines: wrong(text) gives the (number, complaint) of each. `bad` and `good` are its self-test."""
    assert all(list(wrong(text)) for text in bad) and not any(list(wrong(text)) for text in good)
    found = [(path, number, what) for path in files for number, what in wrong(path.read_text())]
    for path, number, what in found:
        print(f"{path.relative_to(root)}:{number}: {what}")
    print(f"{name}: {len(files)} files, {len(found)} {summary}")
    return 1 if found else 0


def formatted(tool, path, text):
    """The output is compared: --dry-run also reports replacements that replace nothing."""
    command = [tool, f"--assume-filename={path}"]
    return text == subprocess.run(command, input=text, capture_output=True, check=True).stdout


def main(root):
    tool = formatter()
    if not tool:
        print("format: skipped, no clang-format 14")
        return 77
    assert formatted(tool, root / "a.cpp", b"int f();\n") and not formatted(tool, root / "a.cpp", b"int f ();\n")
    files = sources(root)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [f for f, good in zip(files, pool.map(lambda f: formatted(tool, f, f.read_bytes()), files)) if not good]
    for path in wrong:
        print(f"{path.relative_to(root)}: clang-format -i changes it")
    print(f"format: {len(files)} sources, {len(wrong)} not as .clang-format has them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
