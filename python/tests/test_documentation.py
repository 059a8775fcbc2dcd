"""The examples, and the programs of the documentation: they run, and print what the pages say."""

import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys

import pytest

if "WEFT_SOURCE_DIR" not in os.environ:
    pytest.skip("WEFT_SOURCE_DIR is not set", allow_module_level=True)
SOURCE = pathlib.Path(os.environ["WEFT_SOURCE_DIR"])


def programs(page):
    """(code, what it prints) of each block of Python."""
    return re.findall(r"```python\n(.*?)```(?:\n```text\n(.*?)```)?", page, re.DOTALL)


def test_programs_are_found():
    assert programs("```python\na\n```\n```text\nb\n```\n```python\nc\n```\n") == [("a\n", "b\n"), ("c\n", "")]


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_pages(page):
    found, names = programs((SOURCE / page).read_text()), {}
    assert found
    for code, expected in found:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, page, "exec"), names)
        assert printed.getvalue() == expected


EXAMPLES = sorted((SOURCE / "examples/python").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples(example, tmp_path):
    if "import torch" in example.read_text():
        pytest.importorskip("torch", reason="no PyTorch in this environment")
    ended = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and ended.stdout, ended.stderr


def test_there_are_examples():
    assert {path.stem for path in EXAMPLES} >= {"state_dict", "own_layer", "check_a_layer", "predict_accuracy"}
