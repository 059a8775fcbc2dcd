#!/usr/bin/env python3
"""Fails on a comparison in tests, benchmarks, examples or documentation that a NaN would pass: the largest of several differences is
found by core/difference.h, whose NaN stays; std::max, fmax, std::min and Eigen's coefficients may drop it.

    comparisons.py ROOT
"""
import pathlib
import re
import sys

from format import SUFFIXES, complain, sources

DROPS = re.compile(r"((std::|f)(max|min)\b\s*[({].*(abs|error|differ|distance)|[a-z]*(max|min)Coeff\b)")


def wrong(text):
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if DROPS.search(line)]


BAD = ("worst = std::max(worst, std::abs(a - b));", "error = fmax(error, x);", "worst = std::max({worst, difference(a, b)});",
       "CHECK((a - b).cwiseAbs().maxCoeff() < 1e-9);")
GOOD = ("worst = worse(worst, relative_error(a, b));", "for (double& z : x) z = std::max(z, 0.0);", "most = std::max(most, count);")


def main(root):
    files = [f for f in sources(root) if f.relative_to(root).parts[0] in {"tests", "bench", "examples"} and f.suffix in SUFFIXES]
    files += [*root.glob("docs/*.md"), root / "README.md"]
    return complain(root, files, wrong, BAD, GOOD, "comparisons", "lines that a NaN passes; see core/difference.h")


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
