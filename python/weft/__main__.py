"""The command line: `weft VERB …`, or `python -m weft VERB …`."""

import os
import sys
from typing import NoReturn

from . import cmake_dir

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "weft")


def main() -> NoReturn:
    """Becomes the program `weft`; `weft --cmake-dir` says where CMake's find_package(weft) looks."""
    if sys.argv[1:] == ["--cmake-dir"]:
        print(cmake_dir())
        sys.exit(0)
    os.execv(PROGRAM, ["weft", *sys.argv[1:]])


if __name__ == "__main__":
    main()
