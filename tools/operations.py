#!/usr/bin/env python3
"""The index of operations on variables, docs/operations.md, from the comments in the headers.

    operations.py write ROOT      writes it
    operations.py check ROOT      fails where it is not what the headers say
"""
import pathlib
import re
import sys

LISTS = {"Pointwise": ("ops/pointwise_ops.h", "ops/pointwise"), "Along one axis": ("ops/rows_ops.h", "ops/rows")}
HEADERS = {"Products": ["ops/contract.h"], "Bounds, choices, copies": ["ops/operators.h", "ops/view.h"],
           "Group elements": ["ops/act.h"], "Losses": ["nn/losses.h"], "In training": ["nn/layers.h"]}
COMMENT = r"((?:^///.*\n)+)"


def sentences(comment):
    """The comment's first row, or its formula, and its row `type`; rows go on where the next line is indented."""
    rows = []
    for line in comment.strip().splitlines():
        text = line.removeprefix("///")[1:]
        if rows and text.startswith(" "):
            rows[-1] += " " + text.strip()
        elif rows and not re.match(r"(vjp|type|cost|y|x)\b ", text) and not text.startswith("Throws") and not rows[-1].startswith("vjp"):
            rows[-1] += " " + text
        else:
            rows.append(text)
    kind = next((re.sub(r"^type +", "", row) for row in rows if row.startswith("type ")), "")
    what = re.split(r"\s+vjp\s|\s+type\s|\s+Throws\s", rows[0].replace("  ->  ", " -> "))[0]
    return re.sub(r"  +", ", ", what).removesuffix("."), kind.removesuffix(".")


def entries(root):
    """(section, [(function, formula, types)])"""
    for section, (listed, folder) in LISTS.items():
        functions = dict(re.findall(r"^  X\((\w+), (\w+)\)", (root / listed).read_text(), re.MULTILINE))
        comments = {}
        for header in sorted((root / folder).glob("*.h")):
            for comment, struct in re.findall(COMMENT + r"struct (\w+) ", header.read_text(), re.MULTILINE):
                comments[struct] = comment
        yield section, [(function, *sentences(comments[struct])) for struct, function in functions.items()]
    for section, headers in HEADERS.items():
        found = []
        for header in headers:
            for comment, function in re.findall(COMMENT + r"Var (\w+)\(", (root / header).read_text(), re.MULTILINE):
                found.append((function, *sentences(comment)))
        yield section, found


def cell(text):
    return text.replace("|", "\\|")


def page(root):
    text = "# Operations on variables\n\nWritten by `tools/operations.py` from the headers, which say more: vjps, errors, costs. `+ - * /` work on variables and\nnumbers (`ops/operators.h`); what an operation may do to an axis is told in [groups and terms](groups-and-terms.md).\n"
    for section, rows in entries(root):
        text += f"\n## {section}\n\n| | | types |\n|---|---|---|\n"
        text += "".join(f"| `{function}` | {cell(formula)} | {cell(types)} |\n" for function, formula, types in rows)
    return text


def self_test():
    assert sentences("/// y = |x|        x: any\n/// vjp   gx = gy\n/// type  signs are\n///       forgotten\n") == ("y = |x|, x: any", "signs are forgotten")
    assert sentences("/// One thing\n/// and another.\n/// Throws nothing.\n") == ("One thing and another", "")


def main(mode, root):
    self_test()
    path, text = root / "docs/operations.md", page(root)
    if mode == "write":
        path.write_text(text)
    elif path.read_text() != text:
        print("docs/operations.md is not what the headers say: tools/operations.py write .")
        return 1
    print(f"operations: {text.count('| `')} listed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
