"""Golden values of TokenizerVariantsTest: python tokenizer_variants.py OUTPUT_DIRECTORY

Small SentencePiece models trained here, which differ from Mistral's in what the format allows, held to sentencepiece; and a small
tokenizer.json, with other components patched into it, held to Hugging Face tokenizers. Writes the models, base.json, and variants.json.gz:
{models: [{file, cases: [[text, ids]]}], json: [{patch, cases: [[text, ids, decoded]]}]}.
"""
import gzip
import io
import json
import os
import random
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Tokenizer

from tokenizer import CODE, EMOJI, LOOKALIKES, SPACES, WORDS, merges_of

NORMAL, USER_DEFINED, UNUSED = 1, 4, 5
USER = ["[REF]", "[REF]x", "ing", "[REFERENCE_DOC_1]"]


def corpus(seed):
    r = random.Random(seed)
    for _ in range(400):
        yield " ".join(r.choice(WORDS) for _ in range(r.randint(3, 12))) + r.choice(["", ".", "?", " " + r.choice(CODE).replace("\n", " ")])


def train(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(1), model_writer=model, model_type="bpe", normalization_rule_name="identity", minloglevel=2, num_threads=1, **options)
    parsed = proto.ModelProto()
    parsed.ParseFromString(model.getvalue())
    return parsed


def models():
    yield "extra-spaces", train(vocab_size=500, byte_fallback=False, user_defined_symbols=USER, remove_extra_whitespaces=True)
    yield "across-words", train(vocab_size=700, byte_fallback=True, user_defined_symbols=USER, split_by_whitespace=False,
                                add_dummy_prefix=False, remove_extra_whitespaces=False)
    unescaped = train(vocab_size=450, byte_fallback=False, remove_extra_whitespaces=True)
    unescaped.normalizer_spec.escape_whitespaces = False
    yield "unescaped", unescaped
    ties = train(vocab_size=700, byte_fallback=True, remove_extra_whitespaces=False)
    for p in ties.pieces:
        p.score = round(p.score / 40)
    yield "equal-scores", ties
    # Characters that are no pieces of their own still begin as symbols that merge.
    missing = train(vocab_size=700, byte_fallback=True, remove_extra_whitespaces=False)
    for p in missing.pieces:
        if p.piece in ("e", "h", "▁", "ü"):
            p.piece = "(" + p.piece + " is missing)"
    yield "missing-characters", missing
    unused = train(vocab_size=700, byte_fallback=True, remove_extra_whitespaces=False)
    for i, p in enumerate(unused.pieces):
        if p.type == NORMAL and len(p.piece) > 1 and i % 3 == 0:
            p.type = UNUSED
    yield "unused", unused


def texts(seed, count):
    r = random.Random(seed)
    result = ["", " ", "   ", "▁", " ▁ ", "▁▁", "[REF]", " [REF] ", "[REF]x[REF]", "a[REF]b [REF] c", "ing", "sing ing", "\x00", "日本語", "日本 語\n\n日", "the  of", " the of ", "e", "üe", "hehe"]
    while len(result) < count:
        parts = [r.choice(r.choice([WORDS, WORDS, WORDS, CODE, USER, EMOJI, SPACES, [" ", "  "], ["日", "本"]])) for _ in range(r.randint(1, 7))]
        result.append(r.choice(["", " ", " "]).join(parts))
    return [t for t in dict.fromkeys(result) if not any(s in t for s in ("<s>", "</s>", "<unk>"))]


def base_json(model):
    vocabulary, merges = merges_of(model)
    special = ["<unk>", "<s>", "</s>"]
    return {
        "version": "1.0",
        "added_tokens": [added(vocabulary[s], s, True, False) for s in special],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                                                     {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocabulary, "merges": [list(m) for m in merges]},
    }


def added(i, content, special, normalized):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": normalized, "special": special}


def metaspace(scheme, split):
    return {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}}


def patches(base):
    size = len(base["model"]["vocab"])
    user = {"added_tokens": base["added_tokens"] + [added(size, "[REF]", False, False), added(size + 1, "[REF]x", False, False),
                                                    added(size + 2, "ing", False, True), added(size + 3, "the of", False, True)]}
    strip = base["decoder"]["decoders"]
    yield {}
    yield {"model": {"byte_fallback": False}}
    yield {"model": {"byte_fallback": False, "fuse_unk": False}}
    yield {"model": {"merges": [" ".join(m) for m in base["model"]["merges"]]}}
    yield metaspace("first", False)
    yield metaspace("always", False)
    yield metaspace("always", True)
    yield metaspace("first", True)
    yield metaspace("never", False)
    yield user
    yield metaspace("first", False) | user
    yield metaspace("always", True) | user
    yield metaspace("never", False) | user
    yield {"normalizer": None, "decoder": {"type": "Sequence", "decoders": strip[:3]}}
    yield {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}} | user


def merge(base, patch):
    merged = dict(base)
    for key, value in patch.items():
        merged[key] = base[key] | value if key == "model" else value
    return merged


def main(directory):
    golden = {"models": [], "json": []}
    for name, model in models():
        file = name + ".model"
        with open(os.path.join(directory, file), "wb") as f:
            f.write(model.SerializeToString())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        golden["models"].append({"file": file, "cases": [[t, processor.encode(t)] for t in texts(2, 300)]})
        print(file, len(model.pieces))
    base = base_json(train(vocab_size=700, byte_fallback=True, remove_extra_whitespaces=False))
    with open(os.path.join(directory, "base.json"), "w") as f:
        json.dump(base, f, ensure_ascii=False, separators=(",", ":"))
    for patch in patches(base):
        patched = merge(base, patch)
        decoder = Tokenizer.from_str(json.dumps(patched))
        # Special tokens are left out here, since text must never become one.
        patched["added_tokens"] = [t for t in patched["added_tokens"] if not t["special"]]
        encoder = Tokenizer.from_str(json.dumps(patched))
        cases = []
        for text in texts(3, 200):
            ids = encoder.encode(text, add_special_tokens=False).ids
            cases.append([text, ids, decoder.decode(ids, skip_special_tokens=True)])
        golden["json"].append({"patch": patch, "cases": cases})
    with open(os.path.join(directory, "variants.json.gz"), "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as g:
        g.write(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))


if __name__ == "__main__":
    main(sys.argv[1])
