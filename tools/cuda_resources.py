#!/usr/bin/env python3
"""What ptxas says of the CUDA kernels of a Ninja build: one line for each family and dtype, with registers, shared memory, spills
and the occupancy that follows on one SM of compute capability 9.0 (65536 registers, 64 warps, blocks of 256 threads).

    tools/cuda_resources.py build/release [90]
"""
import collections
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

REPORT = re.compile(r"Compiling entry function '(\S+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
                    r".*?Used (\d+) registers([^\n]*)", re.S)


def commands(build):
    listed = subprocess.run(["ninja", "-C", build, "-t", "commands"], capture_output=True, text=True, check=True).stdout
    # The emulated device of the tests compiles the same sources as C++.
    return [line for line in listed.splitlines() if re.search(r"nvcc .* -c \S+\.cu\b", line)]


def ptxas(build, command, capability):
    """The compile command again, for one capability, with ptxas's report."""
    nvcc = re.search(r"\S*nvcc .*", command)[0]
    nvcc = re.sub(r'"?--generate-code=\S+', "", nvcc)
    nvcc = re.sub(r" -MD .*?\.d ", " ", nvcc)
    with tempfile.TemporaryDirectory() as folder:
        nvcc = re.sub(r" -o \S+", f" -o {folder}/out.o -arch=sm_{capability} -Xptxas=-v", nvcc)
        run = subprocess.run(nvcc, shell=True, cwd=build, capture_output=True, text=True, check=True)
    return run.stdout + run.stderr


def family(name):
    """("UnaryVjp", "f32") of a kernel's mangled name."""
    words = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout
    kind = re.search(r"(rows_by_\w+)_kernel|(?:range|team_loop)_kernel<(?:[\w:]*::LoopBody<)?[\w:]*::(\w+)", words)
    dtypes = {short for long, short in (("float", "f32"), ("double", "f64")) if re.search(rf"\b{long}\b", words)}
    return kind[1] or kind[2], dtypes.pop() if len(dtypes) == 1 else "any"


def occupancy(registers):
    blocks = min(8, 65536 // (256 * (-(-registers // 8) * 8)))
    return 100 * blocks * 8 // 64


def span(a, b):
    return str(a) if a == b else f"{a}-{b}"


def main(build, capability="90"):
    found = collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for text in pool.map(lambda command: ptxas(build, command, capability), commands(build)):
            for name, stack, stores, loads, registers, rest in REPORT.findall(text):
                shared = re.search(r"(\d+) bytes smem", rest)
                found[family(name)].append((int(registers), int(shared[1]) if shared else 0, int(stack), int(stores) + int(loads)))
    print("| kernels | dtype | number | registers | occupancy | shared memory | stack | spills |\n|---|---|---|---|---|---|---|---|")
    for (kind, dtype), rows in sorted(found.items()):
        low, high = min(r[0] for r in rows), max(r[0] for r in rows)
        print(f"| {kind} | {dtype} | {len(rows)} | {span(low, high)} | {span(occupancy(low), occupancy(high))} % | "
              f"{max(r[1] for r in rows)} | {max(r[2] for r in rows)} | {max(r[3] for r in rows)} |")
    return 0 if found and not any(r[3] for rows in found.values() for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
