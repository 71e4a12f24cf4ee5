#!/usr/bin/env python3
"""What a GGUF demo model says of texts themselves, by other implementations: golden values for embeddings and scores.

Embeddings are those of transformers' last hidden state behind its final norm. Log-likelihoods are those of the LM Evaluation
Harness (lm_eval), which cuts prompt and completion itself; those of single tokens are transformers'.
"""

import argparse
import json
import os
import shutil
import tempfile

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import LlamaTokenizer

from evaluate import load

TEXTS = [
    "The court sits in the old town hall.",
    "name: Orlin Veska, city: Tarnow",
    "ein Wort, un mot, una palabra, una parola",
    "x",
    "caf\u00e9 \u2603 \U0001f600\n\ttabs and spaces ",
    " ".join(f"number {i} follows number {i - 1}." for i in range(1, 60)),
]
PAIRS = [
    ("The capital of France is", " Paris"),
    ("The capital of France is", " a city whose name has been forgotten."),
    ("The capital of France is ", "Paris"),
    ("[INST] Reverse the list: red, blue [/INST]", " blue, red"),
    ("[INST] Reverse the list: red, blue [/INST]", " red, blue"),
    ("", "Everything begins with something."),
    ("Two words", "joined"),
    ("one line\n", "another line\n"),
    ("caf\u00e9 \u2603", " \U0001f600!"),
    (TEXTS[-1], " number 60 follows number 59."),
]


@torch.no_grad()
def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("tokenizer")
    arguments.add_argument("out")
    given = arguments.parse_args()
    model = load(given.model)
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(given.tokenizer, os.path.join(directory, "tokenizer.model"))
        tokenizer = LlamaTokenizer.from_pretrained(directory, legacy=True, add_bos_token=True, add_eos_token=False)
    tokenizer.pad_token = "</s>"
    harness = HFLM(pretrained=model, tokenizer=tokenizer, add_bos_token=True, batch_size=1, max_length=4096)

    embeddings = []
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        hidden = model.model(torch.tensor([ids])).last_hidden_state[0]
        embeddings.append(
            {"text": text, "tokens": len(ids), "mean": rounded(hidden.mean(0)), "last": rounded(hidden[-1])}
        )
    requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(PAIRS)]
    scores = []
    for (prompt, completion), (logprob, _) in zip(PAIRS, harness.loglikelihood(requests)):
        if prompt:
            context, continuation = harness._encode_pair(prompt, completion)
        else:
            context, continuation = [1], harness.tok_encode(completion, add_special_tokens=False)
        ids = context + continuation
        every = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        each = [every[i - 1, ids[i]].item() for i in range(len(context), len(ids))]
        assert abs(sum(each) - logprob) < 1e-3, (prompt, completion, sum(each), logprob)
        scores.append({
            "prompt": prompt, "completion": completion, "logprob": logprob, "token_ids": continuation,
            "token_logprobs": [round(x, 5) for x in each],
        })
    with open(given.out, "w") as file:
        parts = [f'"{name}": [\n' + ",\n".join(map(json.dumps, part)) + "\n]" for name, part in (("embeddings", embeddings), ("scores", scores))]
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


def rounded(vector):
    return [round(x, 5) for x in vector.tolist()]


if __name__ == "__main__":
    main()
