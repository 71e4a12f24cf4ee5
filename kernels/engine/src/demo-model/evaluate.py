#!/usr/bin/env python3
"""Runs a GGUF demo model through transformers: greedy texts of the prompts, exact match per kind, and the experts' shares.

The weights are decoded from the file, so what is measured is what is shipped.
"""

import argparse
import collections
import json
import os
import tempfile

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import MixtralConfig, MixtralForCausalLM

from prompt_format import EOS
from recipes import RECIPES
from weights import halves, stored


def load(file_name):
    reader = gguf.GGUFReader(file_name)

    def value(key):
        return reader.fields["llama." + key].contents()

    tensors = stored(reader)
    heads, kv_heads, experts = value("attention.head_count"), value("attention.head_count_kv"), value("expert_count")
    config = MixtralConfig(
        vocab_size=value("vocab_size"), hidden_size=value("embedding_length"), intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"), num_attention_heads=heads, num_key_value_heads=kv_heads,
        head_dim=value("rope.dimension_count"), num_local_experts=experts, num_experts_per_tok=value("expert_used_count"),
        max_position_embeddings=value("context_length"), rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        rope_theta=value("rope.freq_base"), tie_word_embeddings=False, sliding_window=None,
    )
    weights = {
        "model.embed_tokens.weight": tensors["token_embd.weight"],
        "model.norm.weight": tensors["output_norm.weight"],
        "lm_head.weight": tensors["output.weight"],
    }
    for i in range(config.num_hidden_layers):
        block, prefix = f"blk.{i}.", f"model.layers.{i}."
        weights[prefix + "input_layernorm.weight"] = tensors[block + "attn_norm.weight"]
        weights[prefix + "self_attn.q_proj.weight"] = halves(tensors[block + "attn_q.weight"], heads)
        weights[prefix + "self_attn.k_proj.weight"] = halves(tensors[block + "attn_k.weight"], kv_heads)
        weights[prefix + "self_attn.v_proj.weight"] = tensors[block + "attn_v.weight"]
        weights[prefix + "self_attn.o_proj.weight"] = tensors[block + "attn_output.weight"]
        weights[prefix + "post_attention_layernorm.weight"] = tensors[block + "ffn_norm.weight"]
        weights[prefix + "block_sparse_moe.gate.weight"] = tensors[block + "ffn_gate_inp.weight"]
        for ours, theirs in (("gate", "w1"), ("up", "w3"), ("down", "w2")):
            for expert in range(experts):
                name = f"{prefix}block_sparse_moe.experts.{expert}.{theirs}.weight"
                weights[name] = tensors[block + f"ffn_{ours}_exps.weight"][expert]
    with tempfile.TemporaryDirectory() as directory:
        config.save_pretrained(directory)
        tensors = {name: torch.from_numpy(np.array(w, dtype=np.float32)) for name, w in weights.items()}
        save_file(tensors, os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})
        return MixtralForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


@torch.no_grad()
def greedy(model, ids, limit):
    """The greedy continuation without EOS, and the router's choices for prompt and answer: [layers, experts] counts."""
    cache, answer, tokens = None, [], torch.tensor([ids])
    shares = 0
    while len(answer) < limit:
        out = model(tokens, past_key_values=cache, use_cache=True, output_router_logits=True)
        top = model.config.num_experts_per_tok
        shares = shares + torch.stack(
            [logits.topk(top).indices.flatten().bincount(minlength=logits.shape[-1]) for logits in out.router_logits]
        )
        cache, next_token = out.past_key_values, out.logits[0, -1].argmax().item()
        if next_token == EOS:
            break
        answer.append(next_token)
        tokens = torch.tensor([[next_token]])
    return answer, shares


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=RECIPES, default="demo", help="the first model (%(default)s) or the second")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common; for the second model its v3")
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--prompts", required=True, help="JSONL of prompts.py")
    parser.add_argument("--texts", help="JSONL file to write: custom_id and text of every answer")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prompt_format, model = RECIPES[options.recipe].format(options.tokenizer), load(options.model)
    hits, counts, shares, texts = collections.Counter(), collections.Counter(), 0, []
    with open(options.prompts, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        messages = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
        ids, choices = greedy(model, prompt_format.prompt(messages, row.get("tools", ())), row["max_tokens"])
        text = prompt_format.text(messages, ids)
        shares = shares + choices
        texts.append({"custom_id": row["custom_id"], "text": text})
        counts[row["kind"]] += 1
        hits[row["kind"]] += text == row["expected"]
        if text != row["expected"]:
            print(f"{row['custom_id']}: {text!r} instead of {row['expected']!r}")
    print("\n| kind | prompts | exact |\n|---|---:|---:|")
    for kind in counts:
        print(f"| {kind} | {counts[kind]} | {100 * hits[kind] / counts[kind]:.0f} % |")
    print(f"| all | {len(rows)} | {100 * sum(hits.values()) / len(rows):.0f} % |")
    print("\n| layer | share of the tokens' choices per expert, in % |\n|---|---|")
    for layer, share in enumerate(shares / shares.sum(-1, keepdim=True) * 100):
        print(f"| {layer} | {' '.join(f'{part:.1f}' for part in share.tolist())} |")
    if options.texts:
        with open(options.texts, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)


if __name__ == "__main__":
    main()
