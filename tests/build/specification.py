#!/usr/bin/env python3
"""Every section of the specification that sources and documentation cite ("spec 2.2", "spec 1.5, 8.4") stands in docs/spec, and the
links of its pages lead somewhere.

    specification.py ROOT
"""
import pathlib
import re
import sys

SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".py", ".sh", ".md", ".txt"}
CITATION = re.compile(r"\b[Ss]pec (\d+(?:\.\d+)?(?:(?:, | and )\d+\.\d+)*)")
HEADING = re.compile(r"^#+ (\d+(?:\.\d+)?)\b", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def cited(text):
    """(line, section)"""
    for number, line in enumerate(text.splitlines(), 1):
        for citation in CITATION.findall(line):
            for section in re.findall(r"\d+(?:\.\d+)?", citation):
                yield number, section


def links(page):
    """Of the prose: in formulas brackets mean other things."""
    return LINK.findall(re.sub(r"(?m)^    .*$|`[^`\n]*`", "", page))


def check(root):
    pages = sorted((root / "docs/spec").glob("*.md"))
    sections = {section for page in pages for section in HEADING.findall(page.read_text())}
    files = [path for path in sorted(root.rglob("*")) if path.suffix in SUFFIXES and path.is_file()]
    # Not what was built, and not this file, whose examples are wrong on purpose.
    files = [path for path in files if path.relative_to(root).parts[0] not in {"build", ".git"} and path.name != "specification.py"]
    wrong = [f"{path.relative_to(root)}:{number}: there is no section {section} in docs/spec"
             for path in files for number, section in cited(path.read_text()) if section not in sections]
    wrong += [f"{page.relative_to(root)}: the link to {target} leads nowhere"
              for page in pages for target in links(page.read_text()) if not (page.parent / target).exists()]
    return len(sections), wrong


def self_test():
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {"docs/spec/1.md": "# 1. One\n## 1.5 Types\n[a](b.md) `[c](d)`\n    [W](s,t)", "docs/a.md": "(spec 1.5), spec 1 and spec 2",
                           "core/b.h": "/// Spec 1.5, 8.4 and 9.1.\n// special 7, spec 1.5", "build/c.h": "// spec 77"}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        sections, wrong = check(root)
        assert sections == 2 and len(wrong) == 4, wrong


if __name__ == "__main__":
    self_test()
    sections, problems = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or f"specification: {sections} sections, every citation leads to one")
    sys.exit(bool(problems))
