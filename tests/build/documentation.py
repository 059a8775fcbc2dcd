#!/usr/bin/env python3
"""Holds the code in a page of the documentation to what it claims.

A fenced block whose first line is `// FILE` or `# FILE` is an excerpt: its lines stand in that file of the sources, one after
another. Links and the paths of files in `…` lead somewhere. The other ```cpp blocks of a page are its program: pieces of one main(), or one block with a main() of its own. A ```text
block behind a piece is what it prints; a piece without one prints nothing.

    documentation.py write PAGE SOURCE             the program of a page, for the compiler
    documentation.py check PAGE ROOT [PROGRAM]     the excerpts, and the compiled program's output
"""
import pathlib
import re
import subprocess
import sys
import textwrap

SEPARATOR = "\x1e"  # printed between the pieces of a program


class Block:
    def __init__(self, language, line, text):
        self.language, self.line, self.text = language, line, text
        first, _, rest = text.partition("\n")
        named = re.fullmatch(r"(?://|#) ([\w./-]+\.\w+)", first)
        self.file, self.excerpt = (named[1], rest) if named else (None, None)


def blocks(page):
    found, language, start, lines = [], None, 0, []
    for number, line in enumerate(page.splitlines(), 1):
        fence = re.fullmatch(r"```(\w*)\s*", line)
        if fence and language is None:
            language, start, lines = fence[1], number + 1, []
        elif fence:
            found.append(Block(language, start, "\n".join(lines)))
            language = None
        elif language is not None:
            lines.append(line)
    if language is not None:
        raise ValueError(f"line {start}: the block does not end")
    return found


def pieces(page):
    """(block, expected output) of every piece of the page's program."""
    found = []
    for block in blocks(page):
        if block.language == "cpp" and not block.file:
            found.append([block, ""])
        elif block.language == "text" and found and not found[-1][1]:
            found[-1][1] = block.text
    return found


def program(page, path):
    found = pieces(page)
    if any("int main(" in block.text for block, _ in found):
        (block, _), = found
        return f'#line {block.line} "{path}"\n{block.text}\n'
    text = '#include <cstdio>\n\n#include <fmt/format.h>\n\n#include "weft/io.h"\n#include "weft/weft.h"\n#include "weft/zoo.h"\n\nusing namespace weft;\n\nint main() {\n'
    for block, _ in found:
        text += f'#line {block.line} "{path}"\n{block.text}\nstd::putchar({ord(SEPARATOR)});\n'
    return text + "}\n"


def trimmed(text):
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def wrong_excerpts(page, root):
    for block in blocks(page):
        if not block.file:
            continue
        file = root / block.file
        if not file.is_file():
            yield f"line {block.line}: there is no {block.file}"
            continue
        wanted = trimmed(textwrap.dedent(block.excerpt))
        lines = file.read_text().splitlines()
        windows = ("\n".join(lines[i:i + len(wanted)]) for i in range(len(lines) - len(wanted) + 1))
        if not any(trimmed(textwrap.dedent(window)) == wanted for window in windows):
            yield f"line {block.line}: these lines do not stand in {block.file}"


def dead_links(page, path, root):
    prose = re.sub(r"(?ms)^```.*?^```$", "", page)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
        if not (path.parent / target).exists():
            yield f"the link to {target} leads nowhere"
    for name in re.findall(r"`(?:\w+ )?((?:[\w.-]+/)+[\w-]+\.(?:h|cpp|cu|cuh|py|sh|md|txt))\b[^`]*`", prose):
        if not (root / name).exists() and not (root / name.removeprefix("weft/")).exists():
            yield f"there is no {name}"


def wrong_output(page, output):
    found = pieces(page)
    printed = output.split(SEPARATOR)
    for (block, expected), got in zip(found, printed):
        if trimmed(got) != trimmed(expected):
            yield f"line {block.line}: the page says\n{expected}\nthe program\n{got}"
    if len(printed) < len(found):
        yield f"the program ended early, behind\n{output}"


def self_test():
    page = '''
```cpp
int x = 1;
```
```cpp
fmt::print("{}\\n", x);
```
```text
1
```
```cmake
# a/b.txt
  two
  three
```
'''
    assert "int x = 1;\nstd::putchar(30);" in program(page, "p.md") and "three" not in program(page, "p.md")
    assert not list(wrong_output(page, "\x1e1\n\x1e"))
    assert len(list(wrong_output(page, "1\n\x1e\x1e"))) == 2 and len(list(wrong_output(page, "1"))) == 2
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "a").mkdir()
        assert len(list(wrong_excerpts(page, root))) == 1
        (root / "a" / "b.txt").write_text("one\ntwo\nthree\n")
        assert not list(wrong_excerpts(page, root))
        (root / "a" / "b.txt").write_text("one\ntwo\n\nthree\n")
        assert len(list(wrong_excerpts(page, root))) == 1
    prose = "[a](b.md) [c](https://c.d) `a/b.txt` `weft/e/f.h` `g/*.h` `python3 h/i.py x`\n```cpp\n[j](k)\n```\n"
    assert len(list(dead_links(prose, pathlib.Path("/nowhere/a.md"), pathlib.Path("/nowhere")))) == 4
    own = "```cpp\nint main() {}\n```\n```sh\n./test.sh\n```\n"
    assert program(own, "p.md") == '#line 2 "p.md"\nint main() {}\n' and not list(wrong_output(own, ""))


def main(mode, page, other, *executable):
    self_test()
    text = pathlib.Path(page).read_text()
    if mode == "write":
        pathlib.Path(other).write_text(program(text, page))
        return 0
    root = pathlib.Path(other)
    wrong = [*wrong_excerpts(text, root), *dead_links(text, pathlib.Path(page), root)]
    if executable:
        run = subprocess.run(executable, capture_output=True, text=True)
        wrong += wrong_output(text, run.stdout)
        if run.returncode:
            wrong.append(f"the program ended with {run.returncode}: {run.stderr}")
    elif pieces(text):
        wrong.append("the page has a program, which tests/build/CMakeLists.txt does not build")
    print("\n".join(f"{page}: {problem}" for problem in wrong) or f"{page}: as it says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
