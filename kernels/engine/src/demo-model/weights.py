"""Weights that a GGUF file holds."""

import gguf
import torch

# Tokens that the first tokenizer lacks begin as words that mean the like.
LIKE = {
    "[INST]": "INST", "[/INST]": "]", "[TOOL_CALLS]": "\u2581calls", "[AVAILABLE_TOOLS]": "\u2581tools", "[/AVAILABLE_TOOLS]": "Tools",
    "[TOOL_RESULTS]": "\u2581results", "[/TOOL_RESULTS]": "Results",
}


def stored(reader):
    """A file's tensors in float32, by their names."""
    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape(t.shape[::-1]) for t in reader.tensors}


def halves(weight, heads):
    """Rows of Q or K from GGUF's neighbours convention to Hugging Face's halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def moved(file_name, pieces, state):
    """
    The file's weights under the names of `Mixtral`, for another vocabulary with the same pieces elsewhere: the embedding's rows
    go to where those are; rows of other pieces stay as they are in the state.
    """
    reader = gguf.GGUFReader(file_name)
    tensors = {name: torch.tensor(values) for name, values in stored(reader).items()}
    heads = [reader.fields["llama.attention." + name].contents() for name in ("head_count", "head_count_kv")]
    rows = {piece: row for row, piece in enumerate(reader.fields["tokenizer.ggml.tokens"].contents())}
    embedding = state["embedding"].clone()
    for row, piece in enumerate(pieces):
        known = rows.get(LIKE.get(piece, piece))
        if known is not None:
            embedding[row] = tensors["token_embd.weight"][known]
    result = {"embedding": embedding, "norm": tensors["output_norm.weight"]}
    for name in {name.split(".")[1] for name in tensors if name.startswith("blk.")}:
        layer, block = f"layers.{name}.", f"blk.{name}."
        gate_up = torch.cat([tensors[block + "ffn_gate_exps.weight"], tensors[block + "ffn_up_exps.weight"]], 1)
        result |= {
            layer + "attention_norm": tensors[block + "attn_norm.weight"],
            layer + "q": halves(tensors[block + "attn_q.weight"], heads[0]),
            layer + "k": halves(tensors[block + "attn_k.weight"], heads[1]),
            layer + "v": tensors[block + "attn_v.weight"],
            layer + "o": tensors[block + "attn_output.weight"],
            layer + "ffn_norm": tensors[block + "ffn_norm.weight"],
            layer + "router": tensors[block + "ffn_gate_inp.weight"],
            layer + "gate_up": gate_up,
            layer + "down": tensors[block + "ffn_down_exps.weight"],
        }
    return result
