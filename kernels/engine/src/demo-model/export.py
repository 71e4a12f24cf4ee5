#!/usr/bin/env python3
"""Writes a trained checkpoint as one GGUF file in Q8_0 (norms and routers in F32), with Mistral's tokenizer."""

import argparse
import os

import gguf
import numpy as np
import torch
from sentencepiece import sentencepiece_model_pb2

from model import Shape
from recipes import RECIPES


def neighbours(weight, heads):
    """Rows of Q or K from the halves convention (i, i + d/2 turn together) to the neighbours' (2i, 2i + 1) of GGUF."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(weights, shape):
    """GGUF names and float32 arrays of a model's state."""

    def array(name):
        return weights[name].float().numpy()

    yield "token_embd.weight", array("embedding")
    yield "output.weight", array("embedding")
    yield "output_norm.weight", array("norm")
    for i in range(shape.num_hidden_layers):
        prefix, block = f"layers.{i}.", f"blk.{i}."
        yield block + "attn_norm.weight", array(prefix + "attention_norm")
        yield block + "attn_q.weight", neighbours(array(prefix + "q"), shape.num_attention_heads)
        yield block + "attn_k.weight", neighbours(array(prefix + "k"), shape.num_key_value_heads)
        yield block + "attn_v.weight", array(prefix + "v")
        yield block + "attn_output.weight", array(prefix + "o")
        yield block + "ffn_norm.weight", array(prefix + "ffn_norm")
        yield block + "ffn_gate_inp.weight", array(prefix + "router")
        gate, up = np.split(array(prefix + "gate_up"), 2, axis=1)
        yield block + "ffn_gate_exps.weight", gate
        yield block + "ffn_up_exps.weight", up
        yield block + "ffn_down_exps.weight", array(prefix + "down")


def write_tokenizer(writer, file_name):
    pieces = sentencepiece_model_pb2.ModelProto()
    with open(file_name, "rb") as file:
        pieces.ParseFromString(file.read())
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece.encode() for piece in pieces.pieces])
    writer.add_token_scores([piece.score for piece in pieces.pieces])
    writer.add_token_types([piece.type for piece in pieces.pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", choices=RECIPES, default="demo", help="the first model (%(default)s) or the second")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common; for the second model its v3")
    parser.add_argument("--run", required=True, help="directory of the checkpoint")
    parser.add_argument("--out", required=True, help="GGUF file to write")
    options = parser.parse_args()
    state = torch.load(os.path.join(options.run, "checkpoint.pt"))
    recipe, shape = RECIPES[options.recipe], Shape(vocab_size=len(state["model"]["embedding"]))

    writer = gguf.GGUFWriter(options.out, "llama")
    writer.add_name(recipe.name)
    writer.add_description(recipe.description)
    writer.add_license("apache-2.0")
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_vocab_size(shape.vocab_size)
    writer.add_expert_count(shape.num_local_experts)
    writer.add_expert_used_count(shape.num_experts_per_tok)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    write_tokenizer(writer, options.tokenizer)
    for name, values in tensors(state["model"], shape):
        if values.ndim == 1 or name.endswith("ffn_gate_inp.weight"):
            writer.add_tensor(name, np.ascontiguousarray(values))
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{options.out}: {os.path.getsize(options.out) / 1e6:.1f} MB, step {state['step']}")


if __name__ == "__main__":
    main()
