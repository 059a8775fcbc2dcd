"""The package itself: version, names, documentation, types, the command line, and what C++ finds of it."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

import weft
import weft._core

SOURCE = pathlib.Path(os.environ["WEFT_SOURCE_DIR"]) if "WEFT_SOURCE_DIR" in os.environ else None


def run(*arguments, **options):
    return subprocess.run(arguments, capture_output=True, text=True, check=True, **options).stdout


def test_one_version():
    said = run(sys.executable, "-m", "weft", "--version").split()
    assert said[:2] == ["weft", weft.__version__]
    if SOURCE:
        assert f"project(weft VERSION {weft.__version__} " in (SOURCE / "CMakeLists.txt").read_text()
        from importlib.metadata import version
        assert version("weft") == weft.__version__


def test_the_package_has_all_names_of_the_binding():
    public = {name for name in dir(weft._core) if not name.startswith("_")} - {"TypeError_"}
    assert set(weft.__all__) == public | {"TypeError", "__version__", "cmake_dir"}
    assert all(getattr(weft, name) is not None for name in weft.__all__)


def test_everything_is_documented():
    silent = [name for name in weft.__all__ if name != "__version__" and not (getattr(weft, name).__doc__ or "").strip()]
    assert silent == []
    assert "weft.act" in weft.__doc__ and "Raises" in weft.act.__doc__


def test_exceptions_are_a_hierarchy():
    classes = [value for value in vars(weft).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) == 12 and all(issubclass(c, weft.Error) for c in classes)
    bases = {weft.ShapeError: ValueError, weft.TypeError: TypeError, weft.DiskError: OSError, weft.ReadError: weft.DiskError,
             weft.NumericError: ArithmeticError, weft.UsageError: ValueError, weft.DeviceError: RuntimeError}
    assert all(issubclass(c, base) for c, base in bases.items())
    assert weft.TypeError.__name__ == "TypeError" and weft.TypeError.__module__ == "weft"


def test_the_command_line():
    program = pathlib.Path(sys.executable).with_name("weft")
    if not program.exists():
        pytest.skip("weft is not installed in this environment")
    assert run(program, "--version") == run(sys.executable, "-m", "weft", "--version")
    assert run(program, "--cmake-dir").strip() == weft.cmake_dir()
    failed = subprocess.run([program, "inspect", "/nowhere"], capture_output=True, text=True, check=False)
    assert failed.returncode == 3 and "/nowhere" in failed.stderr


def test_cmake_finds_the_package(tmp_path):
    assert (pathlib.Path(weft.cmake_dir()) / "weftConfig.cmake").is_file()
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user CXX)\nfind_package(weft REQUIRED)\n"
        "add_executable(user user.cpp)\ntarget_link_libraries(user PRIVATE weft::weft)\n")
    (tmp_path / "user.cpp").write_text(
        '#include <cstdio>\n#include "weft/groups/space.h"\n'
        'int main() { std::puts(weft::Space::parse("h: permutation(3) W[h]").str().c_str()); }\n')
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-Dweft_DIR={weft.cmake_dir()}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "user").strip() == str(weft.Space("h: permutation(3) W[h]"))


PROGRAM = """
import numpy as np

import weft


def moved(text: str, seed: int) -> dict[str, np.ndarray]:
    space = weft.Space(text)
    g: weft.Element = weft.Element.random(space, seed=seed)
    out: dict[str, np.ndarray] = weft.act(g, {name: np.zeros(shape) for name, shape in space.shapes.items()})
    return out


class Predictor(weft.Module):
    def __init__(self, space: weft.Space) -> None:
        super().__init__("predictor")
        self.lift = weft.LinearLayer(self, "lift", space, space, weft.derive_linear(space, space), 1, 4)

    def __call__(self, x: weft.Features) -> weft.Var:
        return weft.mean_all(self.lift(x, activation="relu")["b2"] * 2 + 1)


def train(model: weft.Module, n: int) -> list[float]:
    def loss(tape: weft.Tape, items: np.ndarray) -> weft.Var:
        return weft.mean_all(tape.constant(np.zeros(len(items))))

    trainer = weft.Trainer(model, loss, items=n, learning_rate=lambda step: 0.1 / (step + 1))
    try:
        return [trainer.run_epoch().train_loss]
    except (weft.NumericError, weft.TypeError) as error:
        message: str = str(error)
        raise ValueError(message) from error


found: str = weft.same("a", weft.load("b", space="h: permutation(2) W[h]")).decision
"""
WRONG = ["weft.Space(1)", "weft.load('a').weights['W'].none", "weft.fit(1, 2, 3)", "x: int = weft.derive_linear(a, b)",
         "weft.nothing", "weft.Trainer(weft.Module(), lambda: 1, items=2)", "weft.TypeError().none", "y: int = weft.__version__"]


def mypy(tmp_path, *what):
    pytest.importorskip("mypy", reason="no mypy in this environment")
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path.parent / "mypy", *what], cwd=tmp_path,
                          capture_output=True, text=True, check=False).stdout


def types_of(program, tmp_path):
    (tmp_path / "program.py").write_text(program)
    return mypy(tmp_path, "program.py")


def test_types_of_a_program(tmp_path):
    assert "Success" in (said := types_of(PROGRAM, tmp_path)), said


def test_wrong_programs_are_found(tmp_path):
    head = "import weft\na = b = weft.Space('')\n"
    said = types_of(head + "\n".join(WRONG), tmp_path)
    found = {int(line) for line in re.findall(r"program.py:(\d+): error", said)}
    assert found >= set(range(3, 3 + len(WRONG))) - {4}, said


def test_types_of_the_package(tmp_path):
    needs = {"weft": "numpy", "weft.plot": "matplotlib", "weft.strategies": "hypothesis", "weft.torch": "torch"}
    here = [word for module, needed in needs.items() if importlib.util.find_spec(needed) for word in ("-m", module)]
    assert "Success" in (said := mypy(tmp_path, *here)), said


def openmp_of(*order):
    """The run times of OpenMP in a process that imports these and computes."""
    maps = run(sys.executable, "-c", "; ".join(f"import {name}" for name in order) + """
import numpy as np, sys
np.linalg.inv(np.eye(64)); torch.mm(torch.ones(64, 64), torch.ones(64, 64))
if "weft" in sys.modules: weft.act(weft.Element.random(weft.Space("h: permutation(3) W[h]")), {"W": np.ones(3)})
print(open("/proc/self/maps").read())""")
    return {word for word in maps.split() if re.search(r"/lib(gomp|i?omp5?)[-.]", word)}


def test_imports_in_any_order():
    """weft brings no OpenMP: PyTorch's stays alone."""
    pytest.importorskip("torch", reason="no PyTorch in this environment")
    alone = openmp_of("torch", "numpy")
    for order in (["numpy", "torch", "weft"], ["weft", "torch", "numpy"], ["torch", "weft", "numpy"]):
        assert openmp_of(*order) == alone
