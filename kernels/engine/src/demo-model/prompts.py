#!/usr/bin/env python3
"""Writes the demo's held-out prompts of all kinds with the known answers, one JSON object a line."""

import argparse
import json

from generator import Generator
from prompt_format import PromptFormat

# The method of the generator and how many prompts of it; passkeys come with their number of filler sentences.
COUNTS = {
    "json_fields": 12, "few_shot": 8, "tool": 14, "code": 6, "context": 14, "copy": 8, "reverse": 4, "count": 4, "sort": 4,
    "arithmetic": 6, "calendar": 4, "capital": 3, "translate": 5, "second_turn": 6, "refusal": 3,
}
PASSKEYS = {12: 2, 115: 4, 235: 2}  # about 110, 1,000 and 2,000 tokens


def examples(generator, counts, passkeys):
    for method, count in counts.items():
        for _ in range(count):
            yield generator.example(method)
    for sentences, count in passkeys.items():
        for _ in range(count):
            yield generator.passkey(sentences)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", required=True, help="JSONL file to write")
    parser.add_argument("--each", type=int, help="this many of each kind instead, for a closer measurement; of long passkeys a quarter")
    options = parser.parse_args()
    prompt_format = PromptFormat(options.tokenizer)
    generator = Generator(options.seed, prompt_format, evaluation=True)
    counts, passkeys = COUNTS, PASSKEYS
    if options.each:
        counts = {method: options.each for method in COUNTS}
        passkeys = {sentences: options.each if sentences < 100 else options.each // 4 for sentences in PASSKEYS}
    rows, numbers = [], {}
    for example in examples(generator, counts, passkeys):
        kind = example.kind
        if kind == "passkey":
            tokens = len(prompt_format.prompt(example.messages))
            kind = "passkey" if tokens < 500 else f"passkey_{round(tokens, -3)}"
        numbers[kind] = numbers.get(kind, 0) + 1
        row = {"custom_id": f"{kind.replace('_', '-')}-{numbers[kind]}", "kind": kind}
        if len(example.messages) == 1:
            row["prompt"] = example.messages[0]["content"]
        else:
            row["messages"] = example.messages
        row["expected"] = example.answer
        row["max_tokens"] = len(prompt_format.answer(example.messages, example.answer)) + 8
        rows.append((numbers[kind], row))
    # Kinds in turn, so that the first rows show many of them.
    rows.sort(key=lambda numbered: numbered[0] / numbers[numbered[1]["kind"]])
    with open(options.out, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for _, row in rows)


if __name__ == "__main__":
    main()
