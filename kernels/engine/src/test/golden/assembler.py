"""Writes what GNU as makes of the instructions that kernels are written with.

    python3 kernels/engine/src/test/golden/assembler.py > kernels/engine/src/test/resources/golden/assembler.txt

Each line has the bytes of an instruction, a tab and the instruction in Intel's notation. Made with GNU assembler 2.40.
"""

import random
import subprocess
import tempfile
from pathlib import Path

BASES = ["rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"]
# Around the borders of displacements of one byte, counted by 1, 4, 16, 32 or 64.
DISPLACEMENTS = [0, 1, 4, 16, 32, 64, 100, 127, 128, -128, -129, 508, 512, 2032, 2048, 4064, 4096, 8128, 8192, -8192, -8256, 123456, -4, -64]
VECTORS = [0, 1, 7, 8, 15, 16, 23, 24, 31]

random.seed(11)


def vector():
    return f"zmm{random.choice(VECTORS)}"


def memory(size):
    displacement = random.choice(DISPLACEMENTS)
    sign = "-" if displacement < 0 else "+"
    return f"{size} PTR [{random.choice(BASES)}{sign}{abs(displacement)}]"


def forms():
    """Each form often enough that every register and displacement meets it."""
    for _ in range(60):
        yield f"vmovups {vector()}, {memory('ZMMWORD')}"
        yield f"vmovups {memory('ZMMWORD')}, {vector()}"
        yield f"vbroadcastss {vector()}, {memory('DWORD')}"
        yield f"vcvtph2ps {vector()}, {memory('YMMWORD')}"
        yield f"vpmovsxbd {vector()}, {memory('XMMWORD')}"
        yield f"vpmovzxwd {vector()}, {memory('YMMWORD')}"
        yield f"vfmadd231ps {vector()}, {vector()}, {memory('DWORD')}{{1to16}}"
        yield f"vprord {vector()}, {memory('ZMMWORD')}, {random.randrange(32)}"
        yield f"prefetcht0 {memory('BYTE')}"
        yield f"vpbroadcastd {vector()}, {memory('DWORD')}"
        yield f"{{evex}} vmovss {memory('DWORD')}, {vector().replace('z', 'x')}"
        yield f"vpmovdb {memory('XMMWORD')}, {vector()}"
        yield f"vpdpbusd {vector()}, {vector()}, {memory('DWORD')}{{1to16}}"
        yield f"vmulps {vector()}, {vector()}, {memory('DWORD')}{{1to16}}"
    for _ in range(30):
        for two in ["vcvtdq2ps", "vcvtps2dq", "vmovaps"]:
            yield f"{two} {vector()}, {vector()}"
        for three in ["vpxord", "vaddps", "vsubps", "vmulps", "vfmadd231ps", "vfmadd213ps", "vpermps",
                      "vdivps", "vpaddd", "vpsubd", "vpmaxsd", "vpandd", "vmaxps", "vminps"]:
            yield f"{three} {vector()}, {vector()}, {vector()}"
        yield f"vprord {vector()}, {vector()}, {random.randrange(32)}"
        yield f"vpslld {vector()}, {vector()}, {random.randrange(32)}"
        yield f"vpsrad {vector()}, {vector()}, {random.randrange(32)}"
        turned = vector()
        yield f"valignd {vector()}, {turned}, {turned}, {random.randrange(16)}"
        yield f"vpternlogd {vector()}, {vector()}, {vector()}, 0xea"
    for base in BASES:
        short = {"rax": "eax", "rcx": "ecx", "rdx": "edx", "rsi": "esi", "rdi": "edi"}.get(base, base + "d")
        yield f"vpbroadcastd {vector()}, {short}"
        yield f"mov {short}, {random.randrange(2**31)}"
        yield f"movabs {base}, {random.randrange(2**40, 2**62)}"
        yield f"sub {base}, 1"
        for other in BASES:
            yield f"add {base}, {other}"
            yield f"mov {base}, {other}"
            yield f"mov {base}, {memory('QWORD')}"
        for value in [1, 127, 128, -128, -129, 4096, 2**31 - 1]:
            yield f"add {base}, {value}"
            yield f"imul {base}, {random.choice(BASES)}, {value}"
    for _ in range(60):
        yield f"vpternlogd {vector()}, {vector()}, {memory('ZMMWORD')}, 0x96"
    yield "vzeroupper"
    yield "ret"


def assemble(instructions):
    """The bytes of each instruction, by the assembler's own listing."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "forms.s")
        source.write_text(".intel_syntax noprefix\n" + "\n".join(instructions) + "\n")
        listing = subprocess.run(
            ["as", "-mevexlig=512", "-aln", "--listing-lhs-width=4", "-o", Path(directory, "forms.o"), source],
            check=True, capture_output=True, text=True).stdout
    found = []
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[0].isdigit() and int(fields[0]) > 1 and len(fields[1]) == 4:
            code = ""
            for field in fields[2:]:
                if not all(c in "0123456789ABCDEF" for c in field) or len(field) % 2:
                    break
                code += field
            found.append(code.lower())
    assert len(found) == len(instructions), (len(found), len(instructions))
    return found


lines = list(dict.fromkeys(forms()))
for code, line in zip(assemble(lines), lines):
    print(f"{code}\t{line}")
