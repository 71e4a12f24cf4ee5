"""The demo model's forward pass for training: Mixtral's arithmetic over flat tokens, without padding outside attention."""

import dataclasses
import math

import torch
import torch.nn.functional as F


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes under Hugging Face's names."""

    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 32
    intermediate_size: int = 192
    num_local_experts: int = 8
    num_experts_per_tok: int = 2
    vocab_size: int = 32000
    rope_theta: float = 1e6
    rms_norm_eps: float = 1e-5
    max_position_embeddings: int = 4096


class Layer(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        s, d = shape, shape.hidden_size

        def normal(*size, std):
            return torch.nn.Parameter(torch.randn(*size) * std)

        kv = s.num_key_value_heads * s.head_dim
        depth = math.sqrt(2 * s.num_hidden_layers)
        self.attention_norm = torch.nn.Parameter(torch.ones(d))
        self.ffn_norm = torch.nn.Parameter(torch.ones(d))
        self.q = normal(s.num_attention_heads * s.head_dim, d, std=d**-0.5)
        self.k = normal(kv, d, std=d**-0.5)
        self.v = normal(kv, d, std=d**-0.5)
        self.o = normal(d, s.num_attention_heads * s.head_dim, std=0.3 * d**-0.5 / depth)
        self.router = normal(s.num_local_experts, d, std=d**-0.5)
        self.gate_up = normal(s.num_local_experts, 2 * s.intermediate_size, d, std=d**-0.5)
        self.down = normal(s.num_local_experts, d, s.intermediate_size, std=0.3 * s.intermediate_size**-0.5 / depth)


class Mixtral(torch.nn.Module):
    """Embedding and head share one matrix in training; the export writes it twice."""

    def __init__(self, shape, seed, pieces=None):
        """pieces: the vocabulary's texts, for the embedding's start; None where weights are loaded anyway."""
        super().__init__()
        torch.manual_seed(seed)
        self.shape = shape
        start = torch.randn(shape.vocab_size, shape.hidden_size) if pieces is None else spelled(pieces, shape.hidden_size)
        self.embedding = torch.nn.Parameter(start * shape.hidden_size**-0.5)
        self.layers = torch.nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = torch.nn.Parameter(torch.ones(shape.hidden_size))
        half = shape.head_dim // 2
        self.frequencies = shape.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
        with torch.no_grad():
            self.place_induction_heads()

    def place_induction_heads(self):
        """Starts layer 0 with heads that note the token one and two places back, and layers 1 and 2 with heads that look for
        a place with the current token one back (Olsson et al. 2022, "In-context learning and induction heads"), or with the
        same token two back (the value after `key:` for the one after `"key": "`), and copy its token. Copying then works from
        the first step; without them a small model spends most of a short training to find it."""
        s, d, hd = self.shape, self.shape.hidden_size, self.shape.head_dim
        half, group = hd // 2, s.num_attention_heads // s.num_key_value_heads
        self.embedding[:, 0] = 0.5  # the direction that all tokens share
        shared = 0.5 / math.sqrt(1.25) * math.sqrt(d)
        basis = torch.linalg.qr(torch.randn(d - 1, d - 1)).Q  # orthonormal columns, orthogonal to the shared direction
        basis = torch.cat([torch.zeros(1, d - 1), basis])
        read, one_back, two_back, rest = (basis[:, i * hd : (i + 1) * hd] for i in range(4))
        rest = torch.cat([rest, torch.zeros(d, hd - rest.shape[1])], 1)
        fast, first = torch.arange(6), self.layers[0]
        first.k[:hd] = 0
        first.k[fast, 0] = 9.0 / shared
        first.v[:hd] = read.T
        for head, (distance, written) in enumerate([(1, one_back), (2, two_back)]):
            # The query is the key turned `distance` places back, so that the score is highest there.
            angle, rows = distance * self.frequencies[fast].float(), head * hd
            first.q[rows : rows + hd] = 0
            first.q[rows + fast, 0] = 9.0 / shared * torch.cos(angle)
            first.q[rows + fast + half, 0] = -9.0 / shared * torch.sin(angle)
            first.o[:, rows : rows + hd] = written * 0.3
        slow = torch.cat([torch.arange(4, half), torch.arange(4, half) + half])  # turn too little to disturb a match
        for layer, copies in ((self.layers[1], (rest, read)), (self.layers[2], (read, rest))):
            for kv, (key, query, copied) in enumerate(zip((one_back, two_back), (read, two_back), copies)):
                keys, queries = kv * hd, kv * group * hd
                layer.k[keys + slow] = 3.0 * key.T[slow]
                layer.q[queries + slow] = 3.0 * query.T[slow]
                layer.v[keys : keys + hd] = copied.T
                layer.o[:, queries : queries + hd] = copied * 0.8
            # What is two back of a token is also two back of itself: keep it from looking there.
            layer.k[hd + torch.arange(2), 0] = 3.0 / shared
            layer.q[group * hd + torch.arange(2), 0] = -3.0 / shared

    def forward(self, tokens, packing, wanted):
        """
        tokens [n]: the sequences end to end, as they are packed; wanted: positions in [0, n) whose hidden
        states are returned, [wanted, hidden], normed. Also returns the balance loss and the experts' shares [layers, experts].
        """
        s = self.shape
        angles = packing.positions[:, None].double() * self.frequencies
        cos, sin = angles.cos().float()[:, None], angles.sin().float()[:, None]
        x = self.embedding[tokens]
        balance, shares = 0.0, []
        for layer in self.layers:
            y = F.rms_norm(x, (s.hidden_size,), layer.attention_norm, s.rms_norm_eps)
            q = rotate(F.linear(y, layer.q).view(-1, s.num_attention_heads, s.head_dim), cos, sin)
            k = rotate(F.linear(y, layer.k).view(-1, s.num_key_value_heads, s.head_dim), cos, sin)
            v = F.linear(y, layer.v).float().view(-1, s.num_key_value_heads, s.head_dim)
            x = x + F.linear(packing.attend(q, k, v), layer.o)
            y = F.rms_norm(x, (s.hidden_size,), layer.ffn_norm, s.rms_norm_eps)
            out, layer_balance, share = self.experts(layer, y)
            x = x + out
            balance = balance + layer_balance
            shares.append(share)
        hidden = F.rms_norm(x[wanted], (s.hidden_size,), self.norm, s.rms_norm_eps)
        return hidden, balance / len(shares), torch.stack(shares)

    def experts(self, layer, y):
        s = self.shape
        with torch.autocast("cpu", enabled=False):  # a rounded score could choose another expert than inference does
            probabilities = F.linear(y.float(), layer.router).softmax(-1)
        top, chosen = probabilities.topk(s.num_experts_per_tok)
        weights = top / top.sum(-1, keepdim=True)
        order = chosen.flatten().argsort()
        counts = chosen.flatten().bincount(minlength=s.num_local_experts)
        rows = order // s.num_experts_per_tok
        parts = y.index_select(0, rows).split(counts.tolist())
        outputs = []
        for part, gate_up, down in zip(parts, layer.gate_up, layer.down):
            gate, up = F.linear(part, gate_up).chunk(2, -1)
            outputs.append(F.linear(F.silu(gate) * up, down))
        flat = torch.cat(outputs) * weights.flatten()[order, None].to(y.dtype)
        out = torch.zeros_like(y).index_add(0, rows, flat.to(y.dtype))
        share = counts / counts.sum()
        balance = s.num_local_experts * (share * probabilities.mean(0)).sum()  # Switch Transformers, eq. 4
        return out, balance, share


def spelled(pieces, size):
    """Random vectors that are alike where pieces are spelled alike: with and without the space in front, or with the same
    first letters. So a word is copied after a quote too, where other pieces spell it than after a space."""
    names, rows, columns, weights = {}, [], [], []
    for row, piece in enumerate(pieces):
        text = piece.lstrip("\u2581")
        features = {"=" + text: 1.0, "^" + text[:1]: 0.4, "^" + text[:2]: 0.6, "^" + text[:3]: 0.4, text[-2:] + "$": 0.4}
        if piece.startswith("\u2581"):
            features["space"] = 0.6
        scale = sum(weight**2 for weight in features.values()) ** -0.5
        for feature, weight in features.items():
            rows.append(row)
            columns.append(names.setdefault(feature, len(names)))
            weights.append(weight * scale)
    mix = torch.sparse_coo_tensor(torch.tensor([rows, columns]), torch.tensor(weights), (len(pieces), len(names)))
    return torch.sparse.mm(mix, torch.randn(len(names), size))


class Packing:
    """Sequences end to end, sorted by length, and as padded groups of similar length for attention."""

    def __init__(self, depths, ends, slack=1.2):
        """
        depths: of each sequence its tokens' positions; ends: of each sequence, for each token, the place in it behind the last
        token that may look at it. In a plain sequence those are 0, 1, … and the sequence's end; in a tree of conversations
        that begin alike, a token is looked at by what comes after it in a conversation.
        """
        lengths = [len(sequence) for sequence in depths]
        starts = [0]
        for length in lengths:
            starts.append(starts[-1] + length)
        self.shapes, self.seen, indices, masks, i = [], [], [], [], 0
        while i < len(lengths):
            j = i
            while j < len(lengths) and lengths[j] <= max(lengths[i] * slack, lengths[i] + 16):
                j += 1
            longest = lengths[j - 1]
            ramp = torch.arange(longest)
            mask = ramp < torch.tensor(lengths[i:j])[:, None]
            indices.append(((torch.tensor(starts[i:j])[:, None] + ramp) * mask).flatten())
            masks.append(mask.flatten())
            self.shapes.append(mask.shape)
            self.seen.append(None if all(end == len(s) for s in ends[i:j] for end in s) else visible(ends[i:j], ramp))
            i = j
        self.padded = torch.cat(indices)  # padded place -> token
        self.real = torch.cat(masks).nonzero().flatten()  # token -> padded place
        self.positions = torch.tensor([position for sequence in depths for position in sequence])

    def attend(self, q, k, v):
        """q [tokens, heads, head_dim], k and v [tokens, kv heads, head_dim] -> [tokens, heads * head_dim]; causal."""
        sizes = [b * length for b, length in self.shapes]
        split = [x.index_select(0, self.padded).split(sizes) for x in (q, k, v)]
        out = []
        for shape, seen, gq, gk, gv in zip(self.shapes, self.seen, *split):
            gq, gk, gv = (x.view(*shape, *x.shape[1:]).transpose(1, 2) for x in (gq, gk, gv))
            with torch.autocast("cpu", enabled=False):  # the bfloat16 kernel is the slower one
                a = F.scaled_dot_product_attention(gq, gk, gv, attn_mask=seen, is_causal=seen is None, enable_gqa=True)
            out.append(a.transpose(1, 2).reshape(shape.numel(), -1))
        return torch.cat(out).index_select(0, self.real)


def visible(ends, ramp):
    """[sequences, 1, queries, keys]: whether a query's token may look at a key's; padding may look at anything before it."""
    last = torch.tensor([sequence + [len(ramp)] * (len(ramp) - len(sequence)) for sequence in ends])[:, None, None]
    return (ramp <= ramp[:, None]) & (ramp[:, None] < last)


def rotate(x, cos, sin):
    """Rotary embedding, halves convention."""
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
