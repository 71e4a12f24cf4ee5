"""Golden values of TokenizerGoldenTest: python tokenizer.py OUTPUT_DIRECTORY

Strings of every kind, encoded by mistral-common (SentencePiece) with its tokenizers v1 and v3 and by Hugging Face tokenizers with
a tokenizer.json made from v1; and sequences of ids, valid and not, decoded by the latter. Where the two encode differently, the string is
printed and mistral-common is followed: they agree on all of these. Hugging Face would make special tokens of "<s>" or "</s>" in
a text, which mistral-common never does, so it is given no special tokens to encode with.

Layout of strings.bin.gz (all numbers are LEB128 varints, a text is its length in bytes and then UTF-8, ids are their number and then the ids):
  the number of strings; then for each its text, its v1 ids, a flag whether v3 gives the same ids + 768, the v3 ids if not,
  a flag whether decoding the v1 ids gives the text back, the decoded text if not;
  the number of id sequences; then for each its ids and its decoded text;
  the SHA-256, as a text, of the merges of the tokenizer.json, each "left right\\n".
"""
import gzip
import hashlib
import io
import json
import os
import random
import sys
import unicodedata

import mistral
from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import AddedToken, Tokenizer, decoders, normalizers
from tokenizers.models import BPE

NORMAL, UNKNOWN, CONTROL = 1, 2, 3
SHIFT = 768


class Output:
    def __init__(self):
        self.buffer = io.BytesIO()

    def number(self, n):
        while n >= 0x80:
            self.buffer.write(bytes([n & 0x7F | 0x80]))
            n >>= 7
        self.buffer.write(bytes([n]))

    def text(self, s):
        b = s.encode("utf-8")
        self.number(len(b))
        self.buffer.write(b)

    def ids(self, ids):
        self.number(len(ids))
        for i in ids:
            self.number(i)

    def save(self, path):
        with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as g:
            g.write(self.buffer.getvalue())


def read(path):
    model = proto.ModelProto()
    with open(path, "rb") as f:
        model.ParseFromString(f.read())
    return model


def merges_of(model):
    """Every pair of pieces that is a piece together, in SentencePiece's order: by score, then by the ids of the pair."""
    vocabulary = {p.piece: i for i, p in enumerate(model.pieces)}
    merges = []
    for p in model.pieces:
        if p.type == NORMAL:
            pairs = [(p.piece[:k], p.piece[k:]) for k in range(1, len(p.piece))]
            pairs = [(a, b) for a, b in pairs if a in vocabulary and b in vocabulary]
            pairs.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
            merges += [(p.score, a, b) for a, b in pairs]
    merges.sort(key=lambda m: -m[0])
    return vocabulary, [(a, b) for _, a, b in merges]


def hugging_face(model, special=()):
    vocabulary, merges = merges_of(model)
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in special])
    return tokenizer, merges


def characters(r):
    """Ranges of assigned characters, a sample of each Unicode block's worth of 128 code points."""
    for start in range(0, 0x110000, 128):
        block = [chr(c) for c in range(start, start + 128) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
        if block:
            yield [r.choice(block) for _ in range(20)]


WORDS = """the of and to in is you that it he was for on are as with his they I at be this have from or one had by word but not
what all were we when your can said there use an each which she do how their if will up other about out many then them these so
some her would make like him into time has look two more write go see number no way could people my than first water been call
who oil its now find long down day did get come made may part naïve café über straße Größe niño señor perché città où garçon façade
Übung größer ¿Qué ¡Hola! l'été aujourd'hui dell'arte Zürich Łódź žluťoučký kůň""".split()

CODE = ["def f(x):\n\treturn x ** 2  # square\n", "for (int i = 0; i < n; ++i) { a[i] += b[i]; }", "SELECT * FROM t WHERE a='x' AND b<>3;",
        "{\"key\": [1, 2.5e-3, null, true], \"s\": \"\\u00e9\\n\"}", "<html><body class=\"a b\">&amp;&nbsp;</body></html>",
        "x = y if z else -w\n    pass\n\n\n", "#!/bin/sh\nset -euo pipefail\n", "\\frac{1}{2}\\sum_{i=0}^{n} x_i", "a->b::c<d>()", "```json\n{\"a\": 1}\n```"]

LOOKALIKES = ["<s>", "</s>", "<unk>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/TOOL_RESULTS]", "[control_8]", "<0x0A>",
              "<0xFF>", "<0x41>", "[REF]", "[/REF]", "[REFERENCE_DOC_1]", "[REFERENCE_DOC_19]", "[REFERENCE_DOC_1", "[IMG]", "[PREFIX]",
              "▁", "▁▁", "<pad>", "<|im_start|>", "<<SYS>>"]

EMOJI = ["😀", "👩\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "🇩🇪", "👍🏽", "❤️", "🧑🏿\u200d🚀", "☺", "1️⃣", "\U0001FAE0", "🏴\U000e0067\U000e0062\U000e007f"]

SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2003", "\u200b", "\ufeff", "\u2028", "\x85", "\x0b", "\x0c"]


def strings(seed):
    r = random.Random(seed)
    yield from ["", " ", "  ", "\x00", "a\x00b", "\x7f", "\ufffd", "\uffff", "\U0010ffff", "\ufeffBOM", "a", " a", "a ", "  a  b  "]
    yield from WORDS + CODE + LOOKALIKES + EMOJI + SPACES
    yield from [chr(c) for c in range(0x250)]
    for sample in characters(r):
        yield "".join(sample[:6])
        yield " ".join(sample[6:12])
        yield sample[12] + r.choice(WORDS) + sample[13] + r.choice(SPACES) + sample[14]
    for word in ["a", "ab", "é", "日本", " ", "\n", "😀", "x1", "▁", "</s>"]:
        for n in (2, 3, 7, 16, 33, 100):
            yield word * n
    yield "".join(r.choice("abcdefghij") for _ in range(3000))
    yield "".join(chr(r.randint(0x4e00, 0x9fff)) for _ in range(1000))
    for _ in range(1700):
        yield " ".join(r.choice(WORDS) for _ in range(r.randint(1, 20)))
    for _ in range(1500):
        parts = [r.choice(r.choice([WORDS, CODE, LOOKALIKES, EMOJI, SPACES])) for _ in range(r.randint(2, 8))]
        yield "".join(parts)
    for _ in range(700):
        yield r.choice(LOOKALIKES) + r.choice(SPACES + WORDS + [""]) + r.choice(LOOKALIKES)
    for _ in range(800):
        yield "".join(chr(r.randint(32, 126)) for _ in range(r.randint(1, 40)))
    for _ in range(700):
        yield "".join(r.choice("e\u0301a\u0308o\u0302n\u0303 \u0323\u200d\ufe0f") for _ in range(r.randint(1, 15)))
    for _ in range(800):
        yield "".join(chr(r.choice([r.randint(0, 0x7ff), r.randint(0x800, 0xd7ff), r.randint(0xe000, 0xffff), r.randint(0x10000, 0x10ffff)]))
                      for _ in range(r.randint(1, 8)))
    for _ in range(800):
        yield r.choice(SPACES) * r.randint(0, 3) + str(r.randint(0, 10**r.randint(1, 18))) + r.choice(["", ".5", "%", "€", "e-7", "th"]) + r.choice(SPACES)
    for _ in range(1000):
        yield "".join(r.choice(" \n\tab") for _ in range(r.randint(1, 12)))


def id_sequences(seed, size, bytes_start):
    r = random.Random(seed)
    def byte(b):
        return bytes_start + b
    def any_id():
        return r.randint(0, size - 1)
    snippets = ["é", "日", "😀", "\n", "\x00", " ", "߿", "\U0010ffff", "\ud7ff", "\ue000", "ab"]
    broken = [[0xff], [0xc0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x96], [0x80], [0xf0, 0x9f],
              [0xc3], [0xc3, 0xc3, 0xa9], [0xf8, 0x88, 0x80, 0x80, 0x80]]
    yield from [[], [0], [1, 2], [2, byte(0xc3), 1, byte(0xa9)], [byte(0x20)], [byte(0x20), byte(0xff)], [byte(0x20), byte(0x20), 300]]
    for _ in range(400):
        yield [any_id() for _ in range(r.randint(1, 20))]
    for _ in range(900):
        ids = []
        for _ in range(r.randint(1, 6)):
            kind = r.randint(0, 5)
            if kind == 0:
                ids += [any_id() for _ in range(r.randint(1, 3))]
            elif kind <= 2:
                ids += [byte(b) for b in r.choice(snippets).encode("utf-8")]
            elif kind == 3:
                ids += [byte(b) for b in r.choice(broken)]
            elif kind == 4:
                ids += [byte(r.randint(0, 255)) for _ in range(r.randint(1, 4))]
            else:
                ids += [r.randint(0, 2)]
        yield ids
    for _ in range(200):
        yield [r.choice([0, 1, 2, size, size + 1, size + 768, byte(0x0a), byte(0xc3), byte(0xa9), 28705, 259, any_id()]) for _ in range(r.randint(1, 8))]


def main(directory):
    v1, v3 = (SentencePieceTokenizer(path) for path in (mistral.V1, mistral.V3))
    model = read(mistral.V1)
    encoder, merges = hugging_face(model)
    decoder, _ = hugging_face(model, [p.piece for p in model.pieces if p.type in (UNKNOWN, CONTROL)])
    out = Output()
    texts = list(dict.fromkeys(strings(20240111)))
    out.number(len(texts))
    differing = 0
    for text in texts:
        ids = v1.encode(text, bos=False, eos=False)
        if encoder.encode(text, add_special_tokens=False).ids != ids:
            differing += 1
            print("mistral-common and Hugging Face differ on", repr(text))
        out.text(text)
        out.ids(ids)
        ids3 = v3.encode(text, bos=False, eos=False)
        shifted = ids3 == [i + SHIFT for i in ids]
        out.number(shifted)
        if not shifted:
            out.ids(ids3)
        decoded = decoder.decode(ids, skip_special_tokens=True)
        out.number(decoded == text)
        if decoded != text:
            out.text(decoded)
    sequences = list(id_sequences(7, len(model.pieces), 3))
    out.number(len(sequences))
    for ids in sequences:
        out.ids(ids)
        out.text(decoder.decode(ids, skip_special_tokens=True))
    out.text(hashlib.sha256("".join(f"{a} {b}\n" for a, b in merges).encode()).hexdigest())
    out.save(os.path.join(directory, "strings.bin.gz"))
    print(len(texts), "strings,", differing, "on which the two differ,", len(sequences), "id sequences")


if __name__ == "__main__":
    main(sys.argv[1])
