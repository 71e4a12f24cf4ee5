#!/usr/bin/env python3
"""Which experts transformers' routers choose for some of the demo's prompts: the golden values of `RouterTraceTest`."""

import argparse
import json

import torch

from evaluate import load
from prompt_format import PromptFormat

PROMPTS = ["json-1", "translate-1", "second-turn-1", "passkey-1000-1"]

# Logits that are nearer to each other than this may change places by rounding.
NEAR = 1e-3


def choices(logits, top):
    """The experts of each token as digits, the likeliest first; dots where it is too near to tell."""
    values, experts = logits.topk(top + 1)
    near = (values.diff(dim=-1).abs() < NEAR).any(-1)
    return " ".join("." * top if unclear else "".join(map(str, chosen[:top])) for chosen, unclear in zip(experts.tolist(), near))


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common")
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--prompts", required=True, help="JSONL of prompts.py")
    parser.add_argument("--out", required=True, help="JSONL file to write: tokens, and for each layer their experts and the first one's weight")
    options = parser.parse_args()
    prompt_format, model = PromptFormat(options.tokenizer), load(options.model)
    top = model.config.num_experts_per_tok
    with open(options.prompts, encoding="utf-8") as file:
        rows = {row["custom_id"]: row for row in map(json.loads, file)}
    with open(options.out, "w", encoding="utf-8") as file:
        for name in PROMPTS:
            row = rows[name]
            ids = prompt_format.prompt(row.get("messages") or [{"role": "user", "content": row["prompt"]}])
            routers = model(torch.tensor([ids]), output_router_logits=True).router_logits
            layers = [logits.reshape(len(ids), -1) for logits in routers]
            golden = {
                "custom_id": name,
                "tokens": ids,
                "experts": [choices(logits, top) for logits in layers],
                "weights": [[round(w, 3) for w in logits.topk(top).values.softmax(-1)[:, 0].tolist()] for logits in layers],
            }
            file.write(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
