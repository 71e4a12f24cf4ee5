#!/usr/bin/env python3
"""Writes ../resources/golden/nf4.gz: blocks of NF4, what they mean, and how bitsandbytes quantizes to it. Needs numpy.

Records are those of tensor_types.py. The table and the rule, the nearest level of x / max|x| over 64 elements and the lower one of two
that are equally near, are those of bitsandbytes' dQuantizeNF4; the magnitude is rounded to half precision, as a block of ours has it.
"""
import gzip
import os
import struct

import numpy as np

LEVELS = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)
rng = np.random.default_rng(20230523)
out = []


def record(name, blocks, floats):
    blocks, floats = np.ascontiguousarray(blocks).view(np.uint8).ravel(), floats.astype("<f4").ravel()
    out.append(struct.pack("<B", len(name)) + name.encode() + struct.pack("<ii", floats.size, blocks.size))
    out.append(blocks.tobytes() + floats.tobytes())


def blocks_of(scale, codes):
    """[blocks] halves and [blocks, 32] indices; low nibbles are elements 0 to 15."""
    pairs = (codes[:, :16] | codes[:, 16:] << 4).astype(np.uint8)
    return np.concatenate([scale.astype("<f2").view(np.uint8).reshape(-1, 2), pairs], 1)


scale = rng.normal(0, 0.05, 64).astype(np.float16)
scale[:6] = np.array([0x0000, 0x8000, 0x0001, 0x7BFF, 0x3C00, 0xBC00], np.uint16).view(np.float16)
codes = rng.integers(0, 16, (64, 32))
codes[6], codes[7] = 0, 15
record("NF4", blocks_of(scale, codes), scale.astype(np.float32)[:, None] * LEVELS[codes])

rows = rng.normal(0, 1, (96, 64)).astype(np.float32) * np.float32(10.0) ** rng.integers(-4, 4, (96, 1)).astype(np.float32)
rows[0] = 0
rows[1] = np.resize(LEVELS, 64)
rows[2] = np.resize(np.concatenate([[1], (LEVELS[1:] + LEVELS[:-1]) / np.float32(2)]), 64)  # ties
largest = np.abs(rows).max(1)
inverse = np.divide(np.float32(1), largest, out=np.zeros_like(largest), where=largest > 0)
scaled = rows * inverse[:, None]
codes = (scaled[..., None] > (LEVELS[1:] + LEVELS[:-1]) / np.float32(2)).sum(-1)
record("quantize NF4", blocks_of(np.repeat(largest, 2), codes.reshape(-1, 32)), rows)

target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../resources/golden/nf4.gz")
with open(target, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
    z.write(b"".join(out))
print(target, os.path.getsize(target))
