#!/usr/bin/env python3
"""Writes the demo's held-out prompts of all kinds with the known answers, one JSON object a line."""

import argparse
import itertools
import json

from recipes import RECIPES

# The kinds of the generators and how many prompts of each; passkeys come with their number of filler sentences.
COUNTS = {
    "demo": {
        "json_fields": 12, "few_shot": 8, "tool": 14, "code": 6, "context": 14, "copy": 8, "reverse": 4, "count": 4, "sort": 4,
        "arithmetic": 6, "calendar": 4, "capital": 3, "translate": 5, "second_turn": 6, "refusal": 3,
    },
    "agent": {"calls": 48, "later_call": 12},
}
PASSKEYS = {12: 2, 115: 4, 235: 2}  # about 110, 1,000 and 2,000 tokens


def examples(generator, counts, passkeys):
    for method, count in counts.items():
        drawn = (example for _ in itertools.count() for example in generator.examples(method))
        yield from itertools.islice(drawn, count)
    for sentences, count in passkeys.items():
        for _ in range(count):
            yield generator.passkey(sentences)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", choices=RECIPES, default="demo", help="for the first model (%(default)s) or the second")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common; for the second model its v3")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", required=True, help="JSONL file to write")
    parser.add_argument("--each", type=int, help="this many of each kind that is trained instead, for a closer measurement; of long passkeys a quarter")
    options = parser.parse_args()
    recipe = RECIPES[options.recipe]
    prompt_format = recipe.format(options.tokenizer)
    generator = recipe.generator(options.seed, prompt_format, evaluation=True)
    counts, passkeys = COUNTS[options.recipe], PASSKEYS
    if options.each:
        counts = {method: options.each for method in generator.KINDS if method != "passkey"}
        passkeys = {sentences: options.each if sentences < 100 else options.each // 4 for sentences in PASSKEYS}
    if "passkey" not in generator.KINDS:
        passkeys = {}
    rows, numbers = [], {}
    for example in examples(generator, counts, passkeys):
        kind = example.kind
        if kind == "passkey":
            tokens = len(prompt_format.prompt(example.messages))
            kind = "passkey" if tokens < 500 else f"passkey_{round(tokens, -3)}"
        numbers[kind] = numbers.get(kind, 0) + 1
        row = {"custom_id": f"{kind.replace('_', '-')}-{numbers[kind]}", "kind": kind}
        if len(example.messages) == 1 and not example.tools:
            row["prompt"] = example.messages[0]["content"]
        else:
            row["messages"] = example.messages
        if example.tools:
            row["tools"] = example.tools
        row["expected"] = example.answer if isinstance(example.answer, str) else json.dumps(example.answer, ensure_ascii=False)
        row["max_tokens"] = len(prompt_format.answer(example.messages, example.answer)) + 8
        rows.append((numbers[kind], row))
    # Kinds in turn, so that the first rows show many of them.
    rows.sort(key=lambda numbered: numbered[0] / numbers[numbered[1]["kind"]])
    with open(options.out, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for _, row in rows)


if __name__ == "__main__":
    main()
