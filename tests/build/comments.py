#!/usr/bin/env python3
"""Fails on a comment that has been broken: by a formatter that took its lines for one paragraph, or by an edit.

    comments.py ROOT

Comments are no longer reflowed by clang-format (.clang-format), so their width is checked here.
"""
import pathlib
import re
import sys

from format import complain, sources

WIDTH = 120
# What rows of the tables of public comments begin with: "vjp   gx = gy".
ROW = r"(?:vjp|type|cost|saves|returns)"


def comment_runs(text):
    """Runs of whole-line comments of one kind and indentation: [(line number, words behind the slashes)]."""
    runs, before = [], None
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"(\s*///?)(?![/<]) ?(.*)$", line)
        if found and before == found.group(1):
            runs[-1].append((number, found.group(2).rstrip()))
        elif found:
            runs.append([(number, found.group(2).rstrip())])
        before = found.group(1) if found else None
    return runs


def wrong_in_run(run):
    """(line number, what is wrong)"""
    for (_, above), (number, line), (_, below) in zip(run, run[1:], run[2:]):
        if len(line.split()) == 1 and len(above) > len(line) < len(below) and re.search(r"\w$|,$", line):
            yield number, f"'{line.strip()}' alone between two longer lines"
    for number, line in run:
        if re.search(rf"\S {ROW}  +\S", line):
            yield number, "a row of a table within another line"
        if re.search(r"[\w)\]}] Throws \w", line):
            yield number, "a sentence that runs into 'Throws'"
    for (_, above), (number, line) in zip(run, run[1:]):
        row = re.match(r"( {0,3})\S+ {2,}\S", above)  # further in stands code
        apart = re.match(r"( *)[a-z(]", line)
        if row and apart and not re.search(r"[.:;]$", above) and len(above) > 90 and not re.match(r" *\S+ {2,}\S", line):
            if len(apart.group(1)) <= len(row.group(1)):
                yield number, "the end of a row has lost its indentation"


def wrong_lines(text):
    for run in comment_runs(text):
        yield from wrong_in_run(run)
    lines = text.splitlines()
    for number, (above, line) in enumerate(zip(["", *lines], lines), 1):
        if len(line) > WIDTH and "//" in line:
            yield number, f"a comment beyond {WIDTH} columns"
        code = re.match(r"\s+(\S.*?;)\s+//", line)
        if code and above.endswith("=") and len(f"{above} {code.group(1)}") <= WIDTH:
            yield number, "a declaration in two lines because of its comment: write the comment above"


BROKEN = (
    "/// it moves the output by more\n/// than\n///   `tolerance` of its size.\n",
    "/// x: [B, C, axes…]  y: the same shape and type vjp   gx = g^T gy, the inverse of the dual\n",
    "/// action     saves nothing Throws ShapeError when x is no feature of that tensor.\n",
    "///   outputs     receives one per tensor of the output space, [B, e * taps, axes…] of its type; zeros for a tensor\n"
    "///   without a term\n",
    "/// type  along the axis: free, fixed, permutation or sign_monomial. Other axes: not GL; positive_monomial ones become\n"
    "/// permutation axes\n///       (over the channels: spec 4.3)\n",
    "// " + "x" * WIDTH + "\n",
    "  double error =\n      0;  ///< the largest entry's\n",
)
WHOLE = (
    "/// y = act(Σ a b)        x: [n]  y: [n]\n/// vjp   gx = gy     saves nothing\n/// Throws ShapeError otherwise.\n",
    "/// A paragraph that goes on over two lines and ends with one\n/// word.\n///     f(x)\n",
    "///   inputs   W_i [B, d, n_i, n_{i-1}], b_i [B, d, n_i], in the order of the space's tensors; activation and channel\n"
    "///            dropout are applied as they are read\n///   outputs  the same with e channels\n",
)


def main(root):
    return complain(root, sources(root), wrong_lines, BROKEN, WHOLE, "comments", "broken lines")


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
