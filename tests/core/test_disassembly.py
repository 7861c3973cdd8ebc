"""The hot loops of the products keep everything in registers: they never touch the stack."""

import re
import shutil
import subprocess

import pytest

from nnc import _core
from nnc._core import binding

LINE = re.compile(r"^\s*([0-9a-f]+):\s+(.*)$")
JUMP = re.compile(r"^j(?!mp)\w+\s+([0-9a-f]+)")  # conditional jumps, which close loops


def functions():
    """Name -> [(address, instruction)] of the gemm tiles in the built core."""
    command = ["objdump", "-d", "--no-show-raw-insn", binding.__file__]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for block in text.split("\n\n"):
        head = re.match(r"^[0-9a-f]+ <(gem[mv]_(?:[a-z]+_)?\d+x\d+)[.\w]*>:", block)
        if head:
            matches = (LINE.match(line) for line in block.splitlines()[1:])
            found.setdefault(head[1], []).append([(int(m[1], 16), m[2]) for m in matches if m])
    return found


def hot_loops(instructions):
    """Bodies of the innermost loops that contain a fused multiply-add of complete vectors."""
    jumps = ((JUMP.match(text), address) for address, text in instructions)
    loops = [(int(jump[1], 16), address) for jump, address in jumps if jump and int(jump[1], 16) < address]
    for start, stop in loops:
        body = [line for at, line in instructions if start <= at <= stop]
        returns = any(line.startswith("ret") for line in body)  # then it is not a loop, but out-of-line code
        outer = any(start <= s and e <= stop and (s, e) != (start, stop) for s, e in loops)
        if any(line.startswith("vfmadd") for line in body) and not returns and not outer:
            yield body


@pytest.mark.skipif(shutil.which("objdump") is None, reason="no objdump")
@pytest.mark.skipif("avx512" not in _core.cpu_info()["isa_available"], reason="no AVX-512 kernels to count")
def test_no_spills_in_the_hot_loops():
    tiles = functions()
    # AVX-512: 14 rows x (2 vectors x 2 orders of a, and the update by SGD); listed; 8 vectors x 2 orders.
    assert len(tiles) >= 14 * (4 + 1) + 2 + 16
    loops = 0
    for name, copies in tiles.items():
        for instructions in copies:
            for body in hot_loops(instructions):
                loops += 1
                spills = [line for line in body if "(%rsp" in line or "(%rbp" in line]
                # With 32 multiply-adds per iteration, the loop's end may be on the stack.
                if name.startswith("gemv"):
                    spills = [line for line in spills if line.startswith("v")]
                assert not spills, f"{name}: {spills}"
    assert loops >= 56 + 24 + 2 * 18  # AVX-512's and AVX2's
