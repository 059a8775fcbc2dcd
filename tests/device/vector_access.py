#!/usr/bin/env python3
"""Reads the PTX of the pointwise kernels and fails on one that does not load and store 16 bytes at once, or 8 where it divides two
tensors: a float's division calls a subroutine, around which four at once leave the registers.

    vector_access.py SOURCE COMPILER FLAG...
"""
import re
import subprocess
import sys
import tempfile

VECTOR = r"\.global(?:\.\w+)*\.(?:v4\.[a-z]32|v2\.[a-z]64)"
HALF = r"\.global(?:\.\w+)*\.v2\.[a-z](?:32|64)"


def kernels(ptx):
    """(name, body) of every kernel."""
    return re.findall(r"\.entry (\w+)\((.*?)^\}", ptx, re.S | re.M)


def complaints(ptx):
    for name, body in kernels(ptx):
        wanted = HALF if "Binary" in name and re.search(r"(div|rcp)\.rn\.f32", body) else VECTOR
        for access in ("ld", "st"):
            if not re.search(rf"\b{access}{wanted}", body):
                yield f"{name}: no vector {access}"


def self_test():
    good = ".entry a(\n ld.global.v4.f32\n st.global.wb.v4.u32\n}\n.entry b(\n ld.global.nc.v2.f64\n st.global.v2.f64\n}\n"
    assert not list(complaints(good))
    assert list(complaints(good.replace("wb.v4.u32", "u32"))) == ["a: no vector st"]
    half = ".entry {}(\n ld.global.v2.f32\n div.rn.f32\n st.global.v2.f32\n}}\n"
    assert not list(complaints(half.format("BinaryDiv"))) and len(list(complaints(half.format("a")))) == 2
    assert list(complaints(good.replace("nc.v2.f64", "f64"))) == ["b: no vector ld"]


def main(source, command):
    self_test()
    with tempfile.NamedTemporaryFile(suffix=".ptx") as out:
        subprocess.run([*command, "-ptx", "-arch=compute_90", "-o", out.name, source], check=True)
        ptx = open(out.name).read()
    wrong = list(complaints(ptx))
    print("\n".join(wrong), f"\n{len(kernels(ptx))} kernels, {len(wrong)} complaints")
    return 1 if wrong or not kernels(ptx) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
