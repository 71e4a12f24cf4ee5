"""Golden vectors for the sampler, from transformers' logits processors.

    python sampling.py | gzip -9n > ../resources/golden/sampling.json.gz

Each case has random logits over a small vocabulary, a prompt, an output so far, parameters, and what is then left: the
probability of every token after bias, penalties, temperature, top-k, top-p and min-p.
Presence and frequency penalties, which transformers lacks, are written out by the formula of OpenAI's API reference.
"""
import json
import random

import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCABULARY = 32
NOTHING = dict(logit_bias={}, repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0,
               temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
CASES = [
    {},
    {"temperature": 0.1},
    {"temperature": 1.7},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.6},
    {"presence_penalty": 0.9},
    {"presence_penalty": -1.1},
    {"frequency_penalty": 0.7},
    {"frequency_penalty": -0.4},
    {"repetition_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": 0.25},
    {"logit_bias": {3: 4.0, 7: -100.0, 11: -1.5}},
    {"logit_bias": {3: 4.0}, "repetition_penalty": 1.5, "temperature": 0.7},
    {"top_k": 1},
    {"top_k": 5},
    {"top_k": 31, "temperature": 1.4},
    {"top_k": 32},
    {"top_p": 0.05},
    {"top_p": 0.5},
    {"top_p": 0.9, "temperature": 1.5},
    {"top_p": 0.999, "temperature": 3.0},
    {"min_p": 0.02},
    {"min_p": 0.3, "temperature": 2.0},
    {"min_p": 1.0},
    {"top_k": 8, "top_p": 0.7},
    {"top_k": 8, "min_p": 0.1},
    {"top_p": 0.8, "min_p": 0.1, "temperature": 1.3},
    {"top_k": 12, "top_p": 0.85, "min_p": 0.05, "temperature": 0.8},
    {"top_k": 12, "top_p": 0.85, "min_p": 0.05, "temperature": 0.8, "repetition_penalty": 1.1,
     "presence_penalty": 0.3, "frequency_penalty": 0.2, "logit_bias": {1: 2.5}},
]


def case(change, seed):
    generator = torch.Generator().manual_seed(seed)
    choose = random.Random(seed)
    p = {**NOTHING, **change}
    logits = torch.randn(1, VOCABULARY, generator=generator) * 2.5
    prompt = [choose.randrange(VOCABULARY) for _ in range(10)]
    output = [choose.choice(prompt + list(range(VOCABULARY))) for _ in range(8)]
    scores = logits.clone()
    for token, bias in p["logit_bias"].items():
        scores[0, token] += bias
    if p["repetition_penalty"] != 1:
        scores = RepetitionPenaltyLogitsProcessor(p["repetition_penalty"])(torch.tensor([prompt + output]), scores)
    for token in set(output):
        scores[0, token] -= p["frequency_penalty"] * output.count(token) + p["presence_penalty"]
    scores = TemperatureLogitsWarper(p["temperature"])(None, scores)
    if p["top_k"]:
        scores = TopKLogitsWarper(p["top_k"])(None, scores)
    if p["top_p"] < 1:
        scores = TopPLogitsWarper(p["top_p"])(None, scores)
    if p["min_p"]:
        scores = MinPLogitsWarper(p["min_p"])(None, scores)
    return {
        "parameters": p,
        "logits": logits[0].tolist(),
        "prompt": prompt,
        "output": output,
        "logprobs": torch.log_softmax(logits.double(), -1)[0].tolist(),
        "probabilities": torch.softmax(scores.double(), -1)[0].tolist(),
    }


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return value


print("[\n" + ",\n".join(json.dumps(rounded(case(change, seed))) for seed, change in enumerate(CASES)) + "\n]")
