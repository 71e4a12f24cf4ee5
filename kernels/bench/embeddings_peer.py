#!/usr/bin/env python3
"""embeddings_peer.py MODEL_DIR [--batch N]: embeddings a second of Hugging Face transformers on the CPU.

The same texts as reading-bench, as token ids from a formula: 64 of 128 tokens, the mean of the last hidden states, bfloat16.
"""

import argparse
import os
import statistics
import time

import torch
from transformers import MixtralModel


def ids(prompt, length, vocabulary):
    return [1 if i == 0 else 259 + (i * 7919 + prompt * 104729 + 12345) % (vocabulary - 259) for i in range(length)]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("--texts", type=int, default=64)
    arguments.add_argument("--tokens", type=int, default=128)
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    model = MixtralModel.from_pretrained(given.model, dtype=torch.bfloat16).eval()
    texts = torch.tensor([ids(i, given.tokens, model.config.vocab_size) for i in range(given.texts)])

    def embed():
        for first in range(0, given.texts, given.batch):
            model(texts[first : first + given.batch], use_cache=False).last_hidden_state.float().mean(1)

    embed()
    seconds = []
    for _ in range(given.rounds):
        start = time.perf_counter()
        embed()
        seconds.append(time.perf_counter() - start)
    rates = [given.texts / each for each in seconds]
    print(f"| transformers bf16 | {statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f}) |")


if __name__ == "__main__":
    main()
