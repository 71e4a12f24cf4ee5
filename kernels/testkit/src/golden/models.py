#!/usr/bin/env python3
"""Makes the tiny Mixtrals under src/golden/models and what Hugging Face transformers computes with them.

    models.py OUT_DIR --tokenizer tokenizer.model.v1 --llama-quantize COMMAND

Needs torch, transformers 5, safetensors, sentencepiece's protobuf, gguf, and llama.cpp's llama-quantize.

Each directory is a checkpoint as `save_pretrained` writes it, with a SentencePiece model that is a cut of the official one
(a few hundred pieces: control, byte, and the first merges with their characters). Weights are random but scaled so that
experts and norms matter. Beside the weights lie

    golden.json   the prompt and the 64 tokens that greedy generation appends to it (no end-of-sequence stop)
    logits.gz     float32, little-endian, [prompt, vocabulary]: the logits of every position of the prompt

computed in float32 with eager attention. A seed is taken only if no greedy choice and no choice of experts along the way is
closer than a rounding error, so that any correct float32 implementation must give the same tokens.

The GGUF files are quantized from two further models, by the gguf package and, for the K types, by llama.cpp. Their logits are
those of transformers with the weights that the gguf package decodes from the file; `original.gz`, beside the first of its
kinds, holds those of the model before it was quantized. `gguf-more` has random blocks of the types that neither makes here.
`mistral-bf16` and `mistral-stacked-bf16` are one model in the two layouts of Mistral's own checkpoints. `rope.json` holds rotary angles, also at positions that no tiny test reaches.
"""
import argparse, gzip, json, pathlib, shutil, subprocess, tempfile
import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from transformers import MixtralConfig, MixtralForCausalLM
from transformers.models.mixtral.modeling_mixtral import MixtralRotaryEmbedding

GREEDY_TOKENS = 64
LEAST_MARGIN = 2e-3

# name: configuration, storage type, prompt length, shard size
MODELS = {
    "gqa-bf16": (dict(hidden_size=48, intermediate_size=56, num_hidden_layers=2, num_attention_heads=6,
                      num_key_value_heads=2, head_dim=8, num_local_experts=8, num_experts_per_tok=2,
                      rope_theta=1e6, sliding_window=None), "bfloat16", 61, None),
    "wide-head-f32": (dict(hidden_size=40, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
                           num_key_value_heads=4, head_dim=18, num_local_experts=4, num_experts_per_tok=1,
                           rope_theta=1e4, sliding_window=None), "float32", 45, None),
    "window-f16": (dict(hidden_size=36, intermediate_size=44, num_hidden_layers=2, num_attention_heads=6,
                        num_key_value_heads=1, head_dim=10, num_local_experts=4, num_experts_per_tok=3,
                        rope_theta=1e4, sliding_window=21), "float16", 100, None),
    "sharded-bf16": (dict(hidden_size=64, intermediate_size=50, num_hidden_layers=2, num_attention_heads=4,
                          num_key_value_heads=2, head_dim=16, num_local_experts=8, num_experts_per_tok=3,
                          rope_theta=1e6, sliding_window=4096), "bfloat16", 57, "100KB"),
    "single-f32": (dict(hidden_size=17, intermediate_size=31, num_hidden_layers=1, num_attention_heads=3,
                        num_key_value_heads=3, head_dim=6, num_local_experts=5, num_experts_per_tok=5,
                        rope_theta=5e5, sliding_window=None), "float32", 40, None),
}
# Widths that are multiples of a block: 32 elements, and 256 for the K types.
QUANTIZED = dict(hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, head_dim=16, num_local_experts=4, num_experts_per_tok=2,
                 rope_theta=1e6, sliding_window=None)
TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
K_QUANTIZED = dict(hidden_size=256, intermediate_size=256, num_hidden_layers=1, num_attention_heads=4,
                   num_key_value_heads=1, head_dim=64, num_local_experts=2, num_experts_per_tok=1,
                   rope_theta=1e6, sliding_window=None)
K_TYPES = ["Q4_K_M", "Q5_K_M"]


def cut_tokenizer(source, merges):
    """Control and byte pieces, the first merges, and the characters that they are made of."""
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(pathlib.Path(source).read_bytes())
    pieces = list(model.pieces)
    fixed = [p for p in pieces if p.type != 1]
    normal = [p for p in pieces if p.type == 1]
    merged = [p for p in normal if len(p.piece) > 1][:merges]
    letters = set("".join(p.piece for p in merged)) | set("▁abcdefghijklmnopqrstuvwxyz.,?!'")
    characters = [p for p in normal if len(p.piece) == 1 and p.piece in letters]
    del model.pieces[:]
    model.pieces.extend(fixed + merged + characters)
    model.trainer_spec.vocab_size = len(model.pieces)
    return model


def build(config, seed, vocabulary):
    torch.manual_seed(seed)
    model = MixtralForCausalLM(MixtralConfig(
        vocab_size=vocabulary, max_position_embeddings=32768, rms_norm_eps=1e-5, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, attn_implementation="eager", experts_implementation="eager", **config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.normal_(1.0, 0.3, generator=generator)
            else:
                gain = 1.0 if "embed" in name else 2.5 if ".gate.weight" in name else 1.5
                weight.normal_(0.0, gain / (1 if "embed" in name else weight.shape[-1] ** 0.5), generator=generator)
    return model.eval()


class RouterMargins:
    """The smallest difference, over all tokens and layers, between the last expert taken and the first one left."""

    def __init__(self, model):
        self.smallest = float("inf")
        top = model.config.num_experts_per_tok
        for layer in model.model.layers:
            layer.mlp.gate.register_forward_hook(lambda module, inputs, outputs: self.see(outputs[0], top))

    def see(self, logits, top):
        if top < logits.shape[-1]:
            ranked = logits.sort(dim=-1, descending=True).values
            self.smallest = min(self.smallest, (ranked[:, top - 1] - ranked[:, top]).min().item())


@torch.no_grad()
def run(model, prompt):
    """Logits of the prompt, greedy tokens, and the smallest margin on the way."""
    margins = RouterMargins(model)
    logits = model(torch.tensor([prompt])).logits[0].float()
    tokens, margin = list(prompt), float("inf")
    for _ in range(GREEDY_TOKENS):
        last = model(torch.tensor([tokens]), use_cache=False).logits[0, -1].float()
        best = last.topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        tokens.append(best.indices[0].item())
    generated = model.generate(torch.tensor([prompt]), max_new_tokens=GREEDY_TOKENS, min_new_tokens=GREEDY_TOKENS,
                               do_sample=False, eos_token_id=None, pad_token_id=0)[0].tolist()
    assert generated == tokens, "generate() and plain forward passes differ"
    return logits.numpy(), tokens[len(prompt):], min(margin, margins.smallest)


def as_stored(model, dtype):
    """Rounds the weights to the type they are stored in; the computation stays in float32."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.to(getattr(torch, dtype)).float())
    return model


def write_golden(directory, prompt, greedy, logits):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "golden.json").write_text(json.dumps({"prompt": prompt, "greedy": greedy}) + "\n")
    write_floats(directory / "logits.gz", logits)


def write_floats(path, values):
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(np.ascontiguousarray(values, "<f4").tobytes())


def prompt_of(length, vocabulary, seed):
    random = np.random.default_rng(seed)
    return [1] + random.integers(3, vocabulary, length - 1).tolist()


def seed_with_margin(config, dtype, length, vocabulary):
    for seed in range(1, 2000):
        model = as_stored(build(config, seed, vocabulary), dtype)
        prompt = prompt_of(length, vocabulary, seed)
        logits, greedy, margin = run(model, prompt)
        if margin > LEAST_MARGIN and len(set(greedy)) > 12:
            print(f"  seed {seed}, smallest margin {margin:.4f}, logit deviation {logits.std():.2f}, "
                  f"{len(set(greedy))} different greedy tokens")
            return model, prompt, logits, greedy
    raise SystemExit("no seed with a wide margin")


def make_checkpoint(out, name, tokenizer):
    config, dtype, length, shard = MODELS[name]
    print(name)
    model, prompt, logits, greedy = seed_with_margin(config, dtype, length, len(tokenizer.pieces))
    directory = out / name
    write_golden(directory, prompt, greedy, logits)
    (directory / "tokenizer.model").write_bytes(tokenizer.SerializeToString())
    model.to(getattr(torch, dtype)).save_pretrained(directory, **(dict(max_shard_size=shard) if shard else {}))


def permute(weight, heads):
    """Rows of a head from halves (i, i + d/2) to neighbours (2i, 2i + 1), as llama.cpp stores query and key."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def restore(weight, heads):
    return weight.reshape(heads, weight.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def gguf_tensors(model):
    """Name, values and parameter of every tensor; experts come as slices of transformers' stacked parameters."""
    config, inner = model.config, model.model
    yield "token_embd.weight", inner.embed_tokens.weight
    yield "output_norm.weight", inner.norm.weight
    yield "output.weight", model.lm_head.weight
    for i, layer in enumerate(inner.layers):
        prefix = f"blk.{i}."
        yield prefix + "attn_norm.weight", layer.input_layernorm.weight
        yield prefix + "attn_q.weight", layer.self_attn.q_proj.weight
        yield prefix + "attn_k.weight", layer.self_attn.k_proj.weight
        yield prefix + "attn_v.weight", layer.self_attn.v_proj.weight
        yield prefix + "attn_output.weight", layer.self_attn.o_proj.weight
        yield prefix + "ffn_norm.weight", layer.post_attention_layernorm.weight
        yield prefix + "ffn_gate_inp.weight", layer.mlp.gate.weight
        width = config.intermediate_size
        yield prefix + "ffn_gate_exps.weight", layer.mlp.experts.gate_up_proj[:, :width]
        yield prefix + "ffn_up_exps.weight", layer.mlp.experts.gate_up_proj[:, width:]
        yield prefix + "ffn_down_exps.weight", layer.mlp.experts.down_proj


def heads_of(name, config):
    return (config.num_attention_heads if "attn_q." in name
            else config.num_key_value_heads if "attn_k." in name else 0)


def gguf_writer(path, config, tokenizer):
    """A writer with all metadata."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_expert_count(config.num_local_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece.piece.encode() for piece in tokenizer.pieces])
    writer.add_token_scores([piece.score for piece in tokenizer.pieces])
    writer.add_token_types([piece.type for piece in tokenizer.pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf(path, model, type_name, tokenizer):
    config = model.config
    writer = gguf_writer(path, config, tokenizer)
    for name, parameter in gguf_tensors(model):
        values = parameter.detach().numpy()
        if heads_of(name, config):
            values = permute(values, heads_of(name, config))
        plain = values.ndim == 1 or "gate_inp" in name
        kind = gguf.GGMLQuantizationType.F32 if plain else gguf.GGMLQuantizationType[type_name]
        writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    finish(writer)


def load_decoded(path, model):
    """Puts the weights of a GGUF file, decoded by the gguf package, into the model."""
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    kinds = set()
    with torch.no_grad():
        for name, parameter in gguf_tensors(model):
            tensor = stored[name]
            kinds.add(tensor.tensor_type.name)
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(parameter.shape)
            if heads_of(name, model.config):
                values = restore(values, heads_of(name, model.config))
            parameter.copy_(torch.from_numpy(values.copy()))
    return kinds


def make_quantized(out, config, tokenizer, kinds, quantize):
    """Writes the model in every kind with `quantize(model, kind, path)`."""
    model, prompt, original, _ = seed_with_margin(config, "float32", 40, len(tokenizer.pieces))
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    for kind in kinds:
        model.load_state_dict(weights)
        directory = out / f"gguf-{kind.lower()}"
        directory.mkdir()
        path = directory / "model.gguf"
        quantize(model, kind, path)
        types = load_decoded(path, model)
        logits, greedy, margin = run(model, prompt)
        cosine = (logits * original).sum(1) / np.linalg.norm(logits, axis=1) / np.linalg.norm(original, axis=1)
        print(f"{kind}: {path.stat().st_size} bytes, {sorted(types)}, smallest margin {margin:.5f}, "
              f"median cosine to the original {np.median(cosine):.4f}")
        write_golden(directory, prompt, greedy, logits)
        if kind == kinds[0]:
            write_floats(directory / "original.gz", original)


# The type of each matrix, and where the half-precision scales and minima lie in its blocks.
MORE_TYPES = {"token_embd": "MXFP4", "attn_output": "IQ4_NL", "output.": "IQ4_XS", "attn_q": "Q2_K", "attn_k": "Q3_K",
              "attn_v": "TQ1_0", "ffn_gate_exps": "Q3_K", "ffn_up_exps": "Q2_K", "ffn_down_exps": "TQ2_0"}
HALVES = {"Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": []}


def random_blocks(random, kind, shape, deviation):
    """Random blocks whose elements have that deviation, and a mean of about zero."""
    qtype = gguf.GGMLQuantizationType[kind]
    size, nbytes = gguf.GGML_QUANT_SIZES[qtype]
    blocks = random.integers(0, 256, (int(np.prod(shape)) // size, nbytes), np.uint8)

    def scaled(factor):
        for at, part in zip(HALVES[kind], [1.0, 1.5]):  # 2-bit quants have a mean of 1.5
            blocks[:, at:at + 2] = np.array([factor * part], np.float16).view(np.uint8)
        if kind == "MXFP4":
            blocks[:, 0] = 128 + round(np.log2(factor))
        with np.errstate(over="ignore"):
            return gguf.quants.dequantize(blocks, qtype)

    scaled(deviation / scaled(1.0).std())
    return blocks.reshape(*shape[:-1], -1)


def write_random_gguf(path, model, tokenizer, seed):
    writer = gguf_writer(path, model.config, tokenizer)
    random = np.random.default_rng(seed)
    for name, parameter in gguf_tensors(model):
        kind = next((kind for part, kind in MORE_TYPES.items() if part in name), "F32")
        values = parameter.detach().numpy()
        if kind == "F32":
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, random_blocks(random, kind, values.shape, float(values.std())),
                              raw_dtype=gguf.GGMLQuantizationType[kind])
    finish(writer)


def make_more_types(out, tokenizer):
    directory = out / "gguf-more"
    directory.mkdir()
    path = directory / "model.gguf"
    for seed in range(1, 2000):
        model = build(K_QUANTIZED, seed, len(tokenizer.pieces))
        write_random_gguf(path, model, tokenizer, seed)
        types = load_decoded(path, model)
        prompt = prompt_of(40, len(tokenizer.pieces), seed)
        logits, greedy, margin = run(model, prompt)
        if margin > LEAST_MARGIN and len(set(greedy)) > 12:
            print(f"more types: seed {seed}, {sorted(types)}, smallest margin {margin:.4f}, deviation {logits.std():.2f}")
            return write_golden(directory, prompt, greedy, logits)
    raise SystemExit("no seed with a wide margin")


MISTRAL = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
               head_dim=10, num_local_experts=4, num_experts_per_tok=2, rope_theta=1e6, sliding_window=None)


def mistral_tensors(model, stacked):
    """Names and values as Mistral's own code has them: neighbours of a head rotate together."""
    config, inner = model.config, model.model
    yield "tok_embeddings.weight", inner.embed_tokens.weight
    yield "norm.weight", inner.norm.weight
    yield "output.weight", model.lm_head.weight
    for i, layer in enumerate(inner.layers):
        prefix = f"layers.{i}."
        yield prefix + "attention_norm.weight", layer.input_layernorm.weight
        yield prefix + "attention.wq.weight", permute(layer.self_attn.q_proj.weight, config.num_attention_heads)
        yield prefix + "attention.wk.weight", permute(layer.self_attn.k_proj.weight, config.num_key_value_heads)
        yield prefix + "attention.wv.weight", layer.self_attn.v_proj.weight
        yield prefix + "attention.wo.weight", layer.self_attn.o_proj.weight
        yield prefix + "ffn_norm.weight", layer.post_attention_layernorm.weight
        width = config.intermediate_size
        gate, up = layer.mlp.experts.gate_up_proj[:, :width], layer.mlp.experts.gate_up_proj[:, width:]
        down = layer.mlp.experts.down_proj
        if stacked:
            prefix += "block_sparse_moe."
            yield prefix + "gate.weight", layer.mlp.gate.weight
            yield prefix + "w1", gate.reshape(-1, config.hidden_size)
            yield prefix + "w3", up.reshape(-1, config.hidden_size)
            yield prefix + "w2", down.swapaxes(1, 2).reshape(-1, config.hidden_size)
        else:
            prefix += "feed_forward."
            yield prefix + "gate.weight", layer.mlp.gate.weight
            for e in range(config.num_local_experts):
                yield f"{prefix}experts.{e}.w1.weight", gate[e]
                yield f"{prefix}experts.{e}.w2.weight", down[e]
                yield f"{prefix}experts.{e}.w3.weight", up[e]


def make_mistral(out, tokenizer):
    model, prompt, logits, greedy = seed_with_margin(MISTRAL, "bfloat16", 45, len(tokenizer.pieces))
    for name, stacked, files, tokenizer_name in [
            ("mistral-bf16", False, ["consolidated-00001-of-00002", "consolidated-00002-of-00002"], "tokenizer.model.v3"),
            ("mistral-stacked-bf16", True, ["consolidated.00"], "tokenizer.model")]:
        directory = out / name
        write_golden(directory, prompt, greedy, logits)
        (directory / tokenizer_name).write_bytes(tokenizer.SerializeToString())
        tensors = {key: value.detach().to(torch.bfloat16).contiguous().clone()
                   for key, value in mistral_tensors(model, stacked)}
        keys = list(tensors)
        for i, file in enumerate(files):
            save_file({key: tensors[key] for key in keys[i::len(files)]}, directory / f"{file}.safetensors")
        (directory / "params.json").write_text(json.dumps({
            "dim": MISTRAL["hidden_size"], "n_layers": MISTRAL["num_hidden_layers"], "head_dim": MISTRAL["head_dim"],
            "hidden_dim": MISTRAL["intermediate_size"], "n_heads": MISTRAL["num_attention_heads"],
            "n_kv_heads": MISTRAL["num_key_value_heads"], "norm_eps": 1e-5, "vocab_size": len(tokenizer.pieces),
            "rope_theta": MISTRAL["rope_theta"],
            "moe": {"num_experts": MISTRAL["num_local_experts"], "num_experts_per_tok": MISTRAL["num_experts_per_tok"]},
        }, indent=4) + "\n")


def write_rope(path):
    """Cosines and sines of all angles, [positions, head dimension / 2] each.

    torch's float power is off by one in its last bit at some frequencies of other cases, which shows at late positions.
    """
    cases = []
    positions = [0, 1, 17, 4095, 29999, 32767, 65535]
    for theta, dimension in [(1e4, 10), (1e6, 64), (1e4, 128)]:
        config = MixtralConfig(head_dim=dimension, rope_theta=theta)
        cosines, sines = MixtralRotaryEmbedding(config)(torch.zeros(1, dtype=torch.float32), torch.tensor([positions]))
        half = dimension // 2
        cases.append({"theta": theta, "dimension": dimension, "positions": positions,
                      "cosines": cosines[0, :, :half].tolist(), "sines": sines[0, :, :half].tolist()})
    path.write_text(json.dumps(cases) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--llama-quantize", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    out = arguments.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    write_rope(out / "rope.json")
    tokenizer = cut_tokenizer(arguments.tokenizer, 40)
    for name in MODELS:
        make_checkpoint(out, name, tokenizer)

    make_quantized(out, QUANTIZED, tokenizer, TYPES,
                   lambda model, kind, path: write_gguf(path, model, kind, tokenizer))

    def k_quantize(model, kind, path):
        with tempfile.TemporaryDirectory() as temporary:
            plain = pathlib.Path(temporary) / "plain.gguf"
            write_gguf(plain, model, "F32", small)
            subprocess.run([arguments.llama_quantize, plain, path.absolute(), kind], check=True)

    small = cut_tokenizer(arguments.tokenizer, 0)
    make_quantized(out, K_QUANTIZED, small, K_TYPES, k_quantize)
    make_more_types(out, small)
    make_mistral(out, small)


if __name__ == "__main__":
    main()
