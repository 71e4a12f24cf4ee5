#!/usr/bin/env python3
"""Makes conf/demo/model.gguf: a small Mixtral with random weights and Mistral's tokenizer v1.

    make_random_model.py --tokenizer tokenizer.model.v1 --out ../../../../conf/demo/model.gguf

Needs numpy, gguf and sentencepiece. The tokenizer file is the one of the mistral-common package (Apache-2.0).
The weights come from one seed, so the file is the same every time. Its answers are noise.
"""

import argparse

import gguf
import numpy as np
from sentencepiece import sentencepiece_model_pb2

HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE, EXPERTS, TOP_K = 32, 2, 4, 2, 64, 8, 2
CONTEXT, SEED = 4096, 20260101


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tokenizer", required=True)
    arguments.add_argument("--out", required=True)
    options = arguments.parse_args()

    pieces = sentencepiece_model_pb2.ModelProto()
    with open(options.tokenizer, "rb") as file:
        pieces.ParseFromString(file.read())
    pieces = pieces.pieces
    random = np.random.default_rng(SEED)
    head_dim = HIDDEN // HEADS

    writer = gguf.GGUFWriter(options.out, "llama")
    writer.add_name("spark-mixtral demo, random weights")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e6)
    writer.add_rope_dimension_count(head_dim)
    writer.add_vocab_size(len(pieces))
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(TOP_K)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(2)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece.encode() for piece in pieces])
    writer.add_token_scores([piece.score for piece in pieces])
    writer.add_token_types([piece.type for piece in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)

    def add(name, *shape):
        values = random.normal(0.0, 0.15, shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(name, values + 1.0)
        elif name.endswith("ffn_gate_inp.weight"):
            writer.add_tensor(name, values)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", len(pieces), HIDDEN)
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        add(prefix + "attn_norm.weight", HIDDEN)
        add(prefix + "attn_q.weight", HEADS * head_dim, HIDDEN)
        add(prefix + "attn_k.weight", KV_HEADS * head_dim, HIDDEN)
        add(prefix + "attn_v.weight", KV_HEADS * head_dim, HIDDEN)
        add(prefix + "attn_output.weight", HIDDEN, HEADS * head_dim)
        add(prefix + "ffn_norm.weight", HIDDEN)
        add(prefix + "ffn_gate_inp.weight", EXPERTS, HIDDEN)
        add(prefix + "ffn_gate_exps.weight", EXPERTS, INTERMEDIATE, HIDDEN)
        add(prefix + "ffn_up_exps.weight", EXPERTS, INTERMEDIATE, HIDDEN)
        add(prefix + "ffn_down_exps.weight", EXPERTS, HIDDEN, INTERMEDIATE)
    add("output_norm.weight", HIDDEN)
    add("output.weight", len(pieces), HIDDEN)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
