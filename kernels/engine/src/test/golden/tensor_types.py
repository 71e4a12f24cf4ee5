#!/usr/bin/env python3
"""Writes ../resources/golden/tensor-types.gz: what gguf-py makes of random blocks of every tensor type, and how it quantizes.

Needs gguf and numpy. Little-endian, gzip of a sequence of records, each
  name (1 byte of length, ASCII), elements (int32), encoded bytes (int32 length + bytes), floats (float32 [elements]).
A record named after a type holds blocks and the floats that gguf.quants.dequantize gives for them. A record named
"quantize TYPE" holds floats and the blocks that gguf.quants.quantize makes of them.
"""
import gzip
import os
import struct

import gguf
import numpy as np

T = gguf.GGMLQuantizationType
rng = np.random.default_rng(20240111)
out = []


def record(name, blocks, floats):
    blocks, floats = np.ascontiguousarray(blocks).view(np.uint8).ravel(), floats.astype("<f4").ravel()
    out.append(struct.pack("<B", len(name)) + name.encode() + struct.pack("<ii", floats.size, blocks.size))
    out.append(blocks.tobytes() + floats.tobytes())


def scales(count):
    """Halves: ordinary ones, both zeros, the smallest subnormal, the smallest normal and the largest, of either sign."""
    extreme = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00], np.uint16)
    ordinary = rng.normal(0, 0.05, count).astype(np.float16).view(np.uint16)
    ordinary[: min(count, extreme.size)] = extreme[:count]
    return ordinary.view(np.uint8).reshape(count, 2)


# Where the halves lie in a block of each type.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
# These have a generator of their own, so that the records above stay as they were.
MORE = {T.Q2_K: [80, 82], T.Q3_K: [108], T.IQ4_NL: [0], T.IQ4_XS: [0], T.TQ1_0: [52], T.TQ2_0: [64], T.MXFP4: []}


def random_blocks(qtype, halves):
    size, nbytes = gguf.GGML_QUANT_SIZES[qtype]
    count = 64 if size == 32 else 16
    blocks = rng.integers(0, 256, (count, nbytes), np.uint8)
    blocks[0, :] = 0xFF
    blocks[1, :] = 0
    for at in halves:
        blocks[:, at : at + 2] = rng.permutation(scales(count))
    with np.errstate(over="ignore"):  # powers of three in a byte, of TQ1_0
        record(qtype.name, blocks, gguf.quants.dequantize(blocks, qtype))


for qtype, halves in HALVES.items():
    random_blocks(qtype, halves)

for qtype in (T.F16, T.BF16):
    # Every exponent and sign, without NaN and the infinities.
    bits = rng.integers(0, 65536, 1024).astype(np.uint16)
    exponent = 0x7C00 if qtype == T.F16 else 0x7F80
    bits[(bits & exponent) == exponent] &= np.uint16(0xFFFF ^ exponent)
    record(qtype.name, bits, gguf.quants.dequantize(bits.view(np.uint8).reshape(1, -1), qtype))
floats = rng.normal(0, 1, 256).astype(np.float32)
record("F32", floats, floats)

for qtype in (T.Q8_0, T.Q4_0):
    rows = rng.normal(0, 1, (96, 64)).astype(np.float32) * np.float32(10.0) ** rng.integers(-6, 4, (96, 1)).astype(np.float32)
    rows[0] = 0
    rows[1] = np.float32(1e-3)  # not -0.0, of which gguf-py makes another zero than ggml's C
    rows[2] = rng.integers(-8, 8, 64)  # exact quants
    rows[3] = rng.integers(-15, 16, 64) / 2  # ties
    rows[4] = np.where(rng.integers(0, 2, 64) == 0, 3.0, -3.0)  # equal magnitudes: the first decides
    rows[5] = 1e-30 * rng.normal(0, 1, 64)  # scales below half precision
    rows[6] = 60000 * rng.normal(0, 1, 64)
    rows[7] = np.round(rng.normal(0, 40, 64)) + np.float32(0.5)
    # As a bf16 checkpoint has them.
    bf16 = (rows[48:].view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    rows[48:] = bf16
    rows = np.ascontiguousarray(rows)
    record("quantize " + qtype.name, gguf.quants.quantize(rows, qtype), rows)

rng = np.random.default_rng(20240412)
for qtype, halves in MORE.items():
    random_blocks(qtype, halves)

target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../resources/golden/tensor-types.gz")
with open(target, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
    z.write(b"".join(out))
print(target, os.path.getsize(target))
