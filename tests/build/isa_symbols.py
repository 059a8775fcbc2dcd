#!/usr/bin/env python3
"""Reads the objects that are compiled once per instruction set and fails on a global or weak symbol that they define outside
their level's own namespace: the linker could take it for code that must run on any CPU. Skipped (77) without nm.

    isa_symbols.py CXX OBJECT...          the level is the end of the object's target: weft_gemm_kernels_avx2.dir
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def strays(nm, level, obj):
    """(symbols of `obj` that the linker sees, mangled, outside weft::<level>; the number of all). Static locals and their guards
    count as inside; clang's helpers for exceptions that end the program hold two calls and nothing else."""
    inside = re.compile(rf"_Z(TV|TI|TS|GV|GR|TAXtl)?Z?NK?4weft{len(level)}{level}|DW\.ref\.|__clang_call_terminate$")
    out = subprocess.run([nm, "--extern-only", "--defined-only", "-P", obj], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in out.stdout.splitlines() if line.strip()]
    return [name for name in names if not inside.match(name)], len(names)


def level_of(obj):
    return re.search(r"_([a-z0-9]+)\.dir/", str(obj))[1]


def self_test(nm, compiler):
    source = """
        template <class T> T twice(T x) { return x + x; }
        inline int shared = 0;
        namespace weft::avx2 {
        template <class T> struct Loop { T run(T x) const { static T sum = x; return sum += x; } virtual ~Loop() {} };
        static int local() { return 3; }
        extern int (*const table)();
        int (*const table)() = [] { return local() + int(Loop<float>().run(2)) + twice(2) + ++shared; };
        }  // namespace weft::avx2
        namespace weft::avx512 { extern const int other; const int other = 1; }
        """
    with tempfile.TemporaryDirectory() as folder:
        obj = pathlib.Path(folder) / "weft_a_avx2.dir" / "a.o"
        obj.parent.mkdir()
        subprocess.run([compiler, "-std=c++20", "-x", "c++", "-c", "-", "-o", obj], input=source, text=True, check=True)
        found, _ = strays(nm, level_of(obj), obj)
        assert sorted(found) == ["_Z5twiceIiET_S0_", "_ZN4weft6avx5125otherE", "shared"], found


def main(compiler, objects):
    nm = shutil.which("nm")
    if not nm:
        print("isa_symbols: skipped, no nm")
        return 77
    self_test(nm, compiler)
    wrong = seen = 0
    for obj in objects:
        found, count = strays(nm, level_of(obj), obj)
        for name in found:
            print(f"{obj}: {name} lies outside weft::{level_of(obj)}")
        wrong += len(found)
        seen += count
    print(f"isa_symbols: {len(objects)} objects, {seen} symbols, {wrong} outside their namespace")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
