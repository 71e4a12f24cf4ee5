#!/usr/bin/env python3
"""Makes tiny Mixtrals as quantizers of Hugging Face checkpoints store them, under src/golden/models, and what they must compute.

    quantized.py OUT_DIR

Needs what models.py needs, beside which it lies. Each directory holds

    config.json, model.safetensors   a checkpoint in the layout of AutoGPTQ, AutoAWQ, compressed-tensors, bitsandbytes or of FP8 models;
                                     quantize_config.json or quant_config.json where that is how the configuration comes
    golden.json, logits.gz           a prompt and the float32 logits of transformers with the decoded weights
    weights.gz                       the decoded weights, float32, of the modules that golden.json lists

The quantizers' packages are not used. Weights are rounded to the nearest, packed as each package packs them, and decoded again from the
packed tensors by the formula that the package documents (unpacking by shifts, then `scale * (q - zero)`, a table, or a cast). A seed is
taken only if no choice of experts is closer than 0.05, so that weights that are rounded a little otherwise choose the same.
"""
import argparse, json, pathlib, shutil
import numpy as np
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from models import RouterMargins, build, prompt_of, write_floats

CONFIG = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
              head_dim=16, num_local_experts=4, num_experts_per_tok=2, rope_theta=1e6, sliding_window=None)
LISTED = ["model.layers.0.self_attn.k_proj", "model.layers.0.block_sparse_moe.experts.1.w2"]
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
       -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]


def modules(model, with_router):
    """Name and parameter of each linear module but the head; experts are slices of transformers' stacked parameters."""
    width = model.config.intermediate_size
    for i, layer in enumerate(model.model.layers):
        prefix = f"model.layers.{i}."
        for name in "qkvo":
            yield f"{prefix}self_attn.{name}_proj", getattr(layer.self_attn, name + "_proj").weight
        if with_router:
            yield prefix + "block_sparse_moe.gate", layer.mlp.gate.weight
        for e in range(model.config.num_local_experts):
            expert = f"{prefix}block_sparse_moe.experts.{e}."
            yield expert + "w1", layer.mlp.experts.gate_up_proj[e, :width]
            yield expert + "w3", layer.mlp.experts.gate_up_proj[e, width:]
            yield expert + "w2", layer.mlp.experts.down_proj[e]


def plain(model, with_router):
    """The other tensors, under their published names."""
    yield "model.embed_tokens.weight", model.model.embed_tokens.weight
    yield "model.norm.weight", model.model.norm.weight
    yield "lm_head.weight", model.lm_head.weight
    for i, layer in enumerate(model.model.layers):
        prefix = f"model.layers.{i}."
        yield prefix + "input_layernorm.weight", layer.input_layernorm.weight
        yield prefix + "post_attention_layernorm.weight", layer.post_attention_layernorm.weight
        if not with_router:
            yield prefix + "block_sparse_moe.gate.weight", layer.mlp.gate.weight


def integers(weight, bits, group, symmetric):
    """Codes [out, in], scales [out, groups] in half precision, zero points [out, groups] of weights [out, in], to the nearest."""
    rows, columns = weight.shape
    grouped = weight.reshape(rows, columns // group, group)
    most = 2 ** bits - 1
    if symmetric:
        scale = (2 * grouped.abs().amax(-1) / most).half()
        zero = torch.full(scale.shape, 2 ** (bits - 1))
    else:
        low, high = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
        scale = ((high - low) / most).half()
        zero = (-low / scale.float()).round().clamp(1, most).int()
    codes = (grouped / scale.float()[..., None]).round() + zero[..., None]
    return codes.clamp(0, most).int().reshape(rows, columns), scale, zero


def stream(values, bits):
    """Packs the last dimension, lowest bits first, into words of 32 bits; an integer may lie across two."""
    values = values.numpy().astype(np.uint64)
    words = np.zeros(values.shape[:-1] + (values.shape[-1] * bits // 32 + 1,), np.uint64)
    for i in range(values.shape[-1]):
        at = values[..., i] << np.uint64(i * bits % 32)
        words[..., i * bits // 32] |= at & np.uint64(0xFFFFFFFF)
        words[..., i * bits // 32 + 1] |= at >> np.uint64(32)
    return torch.from_numpy(words[..., :-1].astype(np.uint32).view(np.int32).copy())


def unstream(words, bits, count):
    """The inverse, bit by bit."""
    bytes_ = np.ascontiguousarray(words.numpy()).view(np.uint8)
    single = np.unpackbits(bytes_, axis=-1, bitorder="little")[..., :count * bits]
    return torch.from_numpy((single.reshape(single.shape[:-1] + (count, bits)) * (1 << np.arange(bits))).sum(-1))


def gptq(bits, group, symmetric, shuffled=False, version=1):
    def quantize(name, weight):
        rows, columns = weight.shape
        g_idx = torch.arange(columns) // group
        if shuffled:
            g_idx = g_idx[torch.from_numpy(np.random.default_rng(len(name)).permutation(columns))]
        order = torch.argsort(g_idx, stable=True)
        codes, scale, zero = integers(weight[:, order], bits, group, symmetric)
        restored = torch.empty_like(codes)
        restored[:, order] = codes
        tensors = {
            "qweight": stream(restored, bits).T.contiguous(),
            "qzeros": stream((zero.T - (1 if version == 1 else 0)) & 2 ** bits - 1, bits),
            "scales": scale.T.contiguous(),
            "g_idx": g_idx.int(),
        }
        q = unstream(tensors["qweight"].T.contiguous(), bits, columns)
        z = unstream(tensors["qzeros"], bits, rows) + (1 if version == 1 else 0) & 2 ** bits - 1
        s = tensors["scales"].float()
        index = tensors["g_idx"].long()
        return tensors, (s[index] * (q.T - z[index])).T
    return quantize


def awq(name, weight):
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    codes, scale, zero = integers(weight, 4, 32, False)

    def pack(values):
        values = values.reshape(values.shape[0], -1, 8)
        return stream(values[..., order].reshape(values.shape[0], -1), 4)

    def unpack(words):
        shifted = words[..., None] >> torch.arange(0, 32, 4) & 15
        return shifted[..., torch.argsort(torch.tensor(order))].reshape(words.shape[0], -1)

    tensors = {"qweight": pack(codes.T.contiguous()), "qzeros": pack(zero.T.contiguous()), "scales": scale.T.contiguous()}
    q, z, s = unpack(tensors["qweight"]), unpack(tensors["qzeros"]), tensors["scales"].float()
    return tensors, ((q - z.repeat_interleave(32, 0)) * s.repeat_interleave(32, 0)).T


def float8(scale_of, suffix):
    """`scale_of` gives a scale tensor and the same, spread over the weights."""
    def quantize(name, weight):
        scale, spread = scale_of(weight)
        stored = (weight / spread).clamp(-448, 448).to(torch.float8_e4m3fn)
        return {"weight": stored, suffix: scale, "input_scale": torch.tensor(0.5)}, stored.float() * spread
    return quantize


def per_tensor(weight):
    scale = (weight.abs().max() / 448).float()
    return scale, scale.expand(weight.shape)


def per_channel(weight):
    scale = (weight.abs().amax(1, keepdim=True) / 448).bfloat16()
    return scale, scale.float().expand(weight.shape)


def per_block(weight, down=40, across=48):
    rows, columns = weight.shape
    scale = torch.stack([torch.stack([weight[r:r + down, c:c + across].abs().max() / 448
                                      for c in range(0, columns, across)]) for r in range(0, rows, down)])
    return scale, scale.repeat_interleave(down, 0)[:rows].repeat_interleave(across, 1)[:, :columns]


def packed(bits, group, symmetric):
    """compressed-tensors' pack-quantized."""
    def quantize(name, weight):
        codes, scale, zero = integers(weight, bits, group or weight.shape[1], symmetric)
        tensors = {"weight_packed": stream(codes, bits), "weight_scale": scale.bfloat16(),
                   "weight_shape": torch.tensor(weight.shape)}
        if not symmetric:
            tensors["weight_zero_point"] = stream(zero.T.contiguous(), bits).T.contiguous()
        middle = 2 ** (bits - 1)
        q = unstream(tensors["weight_packed"], bits, weight.shape[1]) - middle
        z = (torch.zeros_like(zero) if symmetric
             else unstream(tensors["weight_zero_point"].T.contiguous(), bits, weight.shape[0]).T - middle)
        width = weight.shape[1] // scale.shape[1]
        return tensors, ((q - z.repeat_interleave(width, 1)) * tensors["weight_scale"].float().repeat_interleave(width, 1))
    return quantize


def int8(name, weight):
    """bitsandbytes' LLM.int8(): vector-wise, the largest of a row in SCB."""
    largest = weight.abs().amax(1)
    stored = (weight / largest[:, None] * 127).round().to(torch.int8)
    return {"weight": stored, "SCB": largest, "weight_format": torch.tensor(0, dtype=torch.uint8)}, \
        stored.float() * largest[:, None] * 7.874015718698502e-3


def dynamic_map():
    """The 256 numbers that bitsandbytes quantizes the scales themselves to."""
    numbers = [0.0, 1.0]
    for i in range(7):
        edges = np.linspace(0.1, 1, 2 ** i + 1)
        means = 10.0 ** (i - 6) * (edges[:-1] + edges[1:]) / 2
        numbers += [*means, *-means]
    return torch.tensor(sorted(numbers), dtype=torch.float32)


def nf4(nested):
    def quantize(name, weight):
        table = torch.tensor(NF4)
        blocks = weight.reshape(-1, 64)
        largest = blocks.abs().amax(1)
        codes = (blocks / largest[:, None]).unsqueeze(-1).sub(table).abs().argmin(-1).reshape(-1, 2)
        state = {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": list(weight.shape)}
        tensors = {"weight": (codes[:, :1] << 4 | codes[:, 1:]).to(torch.uint8), "weight.quant_map": table,
                   "weight.absmax": largest}
        absmax = largest
        if nested:
            offset = largest.mean()
            numbers = dynamic_map()
            padded = torch.nn.functional.pad(largest - offset, (0, -len(largest) % 256)).reshape(-1, 256)
            outer = padded.abs().amax(1)
            inner = (padded / outer[:, None]).unsqueeze(-1).sub(numbers).abs().argmin(-1).reshape(-1)[:len(largest)]
            state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset.item()}
            tensors |= {"weight.absmax": inner.to(torch.uint8), "weight.nested_absmax": outer,
                        "weight.nested_quant_map": numbers}
            absmax = numbers[inner] * outer[torch.arange(len(largest)) // 256] + offset
        tensors["weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
        high, low = tensors["weight"][:, 0].long() >> 4, tensors["weight"][:, 0].long() & 15
        q = torch.stack([high, low], 1).reshape(-1, 64)
        return tensors, (table[q] * absmax[:, None]).reshape(weight.shape)
    return quantize


def compressed_tensors(form, **weights):
    return {"quant_method": "compressed-tensors", "format": form, "ignore": ["lm_head", "re:.*gate$"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


def gptq_config(bits, group, sym, desc_act=False, **more):
    return {"bits": bits, "group_size": group, "sym": sym, "desc_act": desc_act, "damp_percent": 0.1, **more}


# name: quantizer, its configuration, the file that has it, whether the router is quantized
KINDS = {
    "gptq-4bit": (gptq(4, 32, True), gptq_config(4, 32, True, quant_method="gptq"), "config.json", False),
    "gptq-4bit-zeros": (gptq(4, 32, False, version=2),
                        gptq_config(4, 32, False, checkpoint_format="gptq_v2"), "quantize_config.json", False),
    "gptq-4bit-act-order": (gptq(4, 32, False, shuffled=True),
                            gptq_config(4, 32, False, True, quant_method="gptq"), "config.json", False),
    "gptq-3bit": (gptq(3, 32, False), gptq_config(3, 32, False, quant_method="gptq"), "config.json", False),
    "gptq-2bit": (gptq(2, 32, True), gptq_config(2, 32, True, quant_method="gptq"), "config.json", False),
    "gptq-8bit": (gptq(8, 32, True), gptq_config(8, 32, True, quant_method="gptq"), "config.json", False),
    "gptq-8bit-zeros": (gptq(8, 32, False), gptq_config(8, 32, False, quant_method="gptq"), "config.json", False),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm",
                  "modules_to_not_convert": ["gate"]}, "config.json", False),
    "awq-quant-config": (awq, {"w_bit": 4, "q_group_size": 32, "zero_point": True, "version": "GEMM"},
                         "quant_config.json", False),
    "fp8-tensor": (float8(per_tensor, "weight_scale"), {"quant_method": "fp8", "activation_scheme": "static"},
                   "config.json", False),
    "fp8-channel": (float8(per_channel, "weight_scale"),
                    compressed_tensors("float-quantized", num_bits=8, type="float", strategy="channel"),
                    "config.json", False),
    "fp8-block": (float8(per_block, "weight_scale_inv"), {"quant_method": "fp8", "weight_block_size": [40, 48]},
                  "config.json", False),
    "compressed-4bit": (packed(4, 32, True), compressed_tensors("pack-quantized", num_bits=4, symmetric=True, group_size=32),
                        "config.json", False),
    "compressed-4bit-zeros": (packed(4, 32, False),
                              compressed_tensors("pack-quantized", num_bits=4, symmetric=False, group_size=32),
                              "config.json", False),
    "compressed-8bit": (packed(8, None, True), compressed_tensors("pack-quantized", num_bits=8, symmetric=True),
                        "config.json", False),
    "bitsandbytes-int8": (int8, {"quant_method": "bitsandbytes", "load_in_8bit": True}, "config.json", True),
    "bitsandbytes-nf4": (nf4(False), {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
                                      "bnb_4bit_use_double_quant": False}, "config.json", True),
    "bitsandbytes-nf4-nested": (nf4(True), {"quant_method": "bitsandbytes", "load_in_4bit": True,
                                            "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
                                "config.json", True),
}


def small_tokenizer():
    """That of another model without its byte pieces: the embedding and the head would be most of the file."""
    tokenizer = sentencepiece_model_pb2.ModelProto()
    tokenizer.ParseFromString((pathlib.Path(__file__).parent / "models/gqa-bf16/tokenizer.model").read_bytes())
    pieces = [piece for piece in tokenizer.pieces if piece.type != 6]
    del tokenizer.pieces[:]
    tokenizer.pieces.extend(pieces)
    tokenizer.trainer_spec.vocab_size = len(pieces)
    tokenizer.trainer_spec.byte_fallback = False
    return tokenizer


@torch.no_grad()
def make(out, name, tokenizer):
    quantize, description, file, with_router = KINDS[name]
    for seed in range(1, 2000):
        model = build(CONFIG, seed, len(tokenizer.pieces))
        tensors = {}
        for key, parameter in plain(model, with_router):
            parameter.copy_(parameter.half())
            tensors[key] = parameter.half().clone()
        decoded = {}
        for module, parameter in modules(model, with_router):
            stored, values = quantize(module, parameter.clone())
            tensors |= {f"{module}.{key}": value.contiguous() for key, value in stored.items()}
            decoded[module] = values.float()
            parameter.copy_(values)
        prompt = prompt_of(24, len(tokenizer.pieces), seed)
        margins = RouterMargins(model)
        logits = model(torch.tensor([prompt])).logits[0].float().numpy()
        if margins.smallest > 0.05:
            break
    else:
        raise SystemExit("no seed with a wide margin")
    directory = out / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / "tokenizer.model").write_bytes(tokenizer.SerializeToString())
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    config = json.loads(model.config.to_json_string())
    config["architectures"] = ["MixtralForCausalLM"]
    if file == "config.json":
        config["quantization_config"] = description
    else:
        (directory / file).write_text(json.dumps(description) + "\n")
    (directory / "config.json").write_text(json.dumps(config) + "\n")
    (directory / "golden.json").write_text(json.dumps({"prompt": prompt, "greedy": [], "modules": LISTED}) + "\n")
    write_floats(directory / "logits.gz", logits)
    write_floats(directory / "weights.gz", np.concatenate([decoded[module].numpy().ravel() for module in LISTED]))
    size = (directory / "model.safetensors").stat().st_size
    print(f"{name}: seed {seed}, margin {margins.smallest:.3f}, deviation {logits.std():.2f}, {size} bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    tokenizer = small_tokenizer()
    for name in KINDS:
        make(out, name, tokenizer)


if __name__ == "__main__":
    main()
