#!/usr/bin/env python3
"""Trains a demo model from a seed. Resumes from the run directory's checkpoint where there is one."""

import argparse
import collections
import dataclasses
import json
import math
import os
import time

# oneDNN compiles a product for each shape it meets, and the experts' batches have many: keep them all.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "30000")

import torch
import torch.nn.functional as F
from torch import distributed

from model import Mixtral, Packing, Shape
from recipes import RECIPES
from weights import moved

CANDIDATES = 2048


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Conversations that begin alike, as a tree whose tokens stand depth first: what they share is read once.

    depths: how many tokens stand before each one in its conversation
    ends: of each token the place behind the last one that comes after it in a conversation
    wanted: places that predict a token to learn, and targets: those tokens
    """

    kind: str
    tokens: list
    depths: list
    ends: list
    wanted: list
    targets: list


def tree(kind, conversations):
    """conversations: tokens and the positions of those to learn, of each one."""
    tokens, parents, learned, children, child = [], [], [], [], {}
    for ids, positions in conversations:
        node, positions = -1, set(positions)
        for position, token in enumerate(ids):
            parent, node = node, child.get((node, token))
            if node is None:
                node = child[parent, token] = len(tokens)
                tokens.append(token)
                parents.append(parent)
                learned.append(False)
                children.append([])
                if parent >= 0:
                    children[parent].append(node)
            learned[node] |= position in positions
    place, depths, order, waiting = [0] * len(tokens), [0] * len(tokens), [], [0]
    while waiting:
        node = waiting.pop()
        place[node] = len(order)
        depths[node] = depths[parents[node]] + 1 if node else 0
        order.append(node)
        waiting += reversed(children[node])
    ends = [i + 1 for i in range(len(order))]
    for i in reversed(range(1, len(order))):
        above = place[parents[order[i]]]
        ends[above] = max(ends[above], ends[i])
    answers = [node for node in order if learned[node]]
    return Sequence(
        kind, [tokens[node] for node in order], [depths[node] for node in order], ends,
        [place[parents[node]] for node in answers], [tokens[node] for node in answers],
    )


class Data:
    """Batches of examples; batch number i depends on the seed and on i only."""

    def __init__(self, recipe, tokenizer, seed, evaluation=False):
        self.format = recipe.format(tokenizer)
        self.seed = seed
        self.generator = recipe.generator(seed, self.format, evaluation)
        pieces = self.format.all_pieces()
        numbers = {piece: i for i, piece in enumerate(pieces)}
        words = [(i, piece) for i, piece in enumerate(pieces) if i >= self.format.first_piece]
        self.latin = [i for i, piece in words if piece.lstrip("\u2581").isascii()]
        self.twins = [(i, numbers[p[1:]]) for i, p in words if p[0] == "\u2581" and p[1:].isascii() and p[1:] in numbers]

    def encode(self, examples):
        return tree(examples[0].kind, [self.format.conversation(example) for example in examples])

    def repeat(self):
        """Random tokens twice over, or a second time without the space in front: nothing but copying helps here."""
        r = self.generator.random
        count = r.randint(3, 40)
        if r.random() < 0.5:
            first = second = [r.choice(self.latin) for _ in range(count)]
        else:
            first, second = map(list, zip(*(r.choice(self.twins) for _ in range(count))))
        return tree("repeat", [(first + second, range(count + 1, 2 * count))])

    def batch(self, number, budget, stage):
        """Sequences of about `budget` tokens together."""
        self.generator.long_conversations = stage.long_conversations
        self.generator.random.seed(f"{self.seed}/{number}")
        sequences, total = [], 0
        if stage.long_passkeys and number % stage.long_passkeys == 0:
            sentences = self.generator.random.choice([40, 80, 120, 200, 260])
            sequence = self.encode([self.generator.passkey(sentences)])
            if len(sequence.tokens) <= stage.longest:
                sequences, total = [sequence], len(sequence.tokens)
        while total < budget:
            if self.generator.random.random() < stage.repeats:
                sequence = self.repeat()
            else:
                kind = self.generator.random.choices(self.generator.KINDS, stage.mix)[0]
                sequence = self.encode(self.generator.examples(kind))
            if len(sequence.tokens) <= stage.longest:
                sequences.append(sequence)
                total += len(sequence.tokens)
        return sequences


def collate(sequences):
    """The sequences by length, their tokens end to end and how they are packed, places that predict an answer's token, those
    tokens, and each one's sequence."""
    sequences = sorted(sequences, key=lambda sequence: len(sequence.tokens))
    tokens, wanted, targets, owner = [], [], [], []
    for number, sequence in enumerate(sequences):
        wanted += [len(tokens) + place for place in sequence.wanted]
        targets += sequence.targets
        owner += [number] * len(sequence.targets)
        tokens += sequence.tokens
    packing = Packing([sequence.depths for sequence in sequences], [sequence.ends for sequence in sequences])
    return sequences, torch.tensor(tokens), packing, torch.tensor(wanted), torch.tensor(targets), torch.tensor(owner)


def factor(factors, step):
    (start, low), (end, high) = next(pair for pair in zip(factors, factors[1:]) if step <= pair[1][0])
    return low + (high - low) * (step - start) / (end - start)


def kept(file_name, make):
    """A tensor that was made once in a run."""
    if not os.path.exists(file_name):
        fresh = f"{file_name}.{os.getpid()}"
        torch.save(make(), fresh)
        os.replace(fresh, file_name)
    return torch.load(file_name)


def most_alike(embedding, count):
    """[vocabulary, count]: the tokens whose vectors are nearest to each token's, itself left out. At the start those are the
    ones that are spelled alike."""
    directions = F.normalize(embedding.detach(), dim=-1)
    nearest = [(part @ directions.T).topk(count + 1).indices[:, 1:] for part in directions.split(1000)]
    return torch.cat(nearest)


def answer_weights(positions, power):
    """For tokens of answers at rising positions: length of the answer ** -power."""
    starts = torch.cat([torch.tensor([True]), positions.diff() != 1])
    answers = starts.cumsum(0) - 1
    return answers.bincount().float().pow(-power)[answers]


def evaluate(model, examples):
    """Exact match per kind. An answer is matched where every token is the likeliest one given those before it: that is
    where greedy decoding writes it."""
    hits, counts = collections.Counter(), collections.Counter()
    shares = []
    for i in range(0, len(examples), 32):
        sequences, tokens, packing, wanted, targets, owner = collate(examples[i : i + 32])
        with torch.no_grad():
            hidden, _, share = model(tokens, packing, wanted)
            right = F.linear(hidden.float(), model.embedding).argmax(-1) == targets
        shares.append(share)
        missed = set(owner[~right].tolist())
        for number, sequence in enumerate(sequences):
            counts[sequence.kind] += 1
            hits[sequence.kind] += number not in missed
    return {kind: round(hits[kind] / counts[kind], 3) for kind in sorted(counts)}, torch.stack(shares).mean(0)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal by Newton-Schulz iteration (Jordan et al. 2024); stacks of matrices too.
    Each process does it for its part of the parameters and then tells the others."""

    def __init__(self, parameters, rate, rank, processes, momentum=0.95, weight_decay=0.01):
        super().__init__(parameters, {"lr": rate, "momentum": momentum, "weight_decay": weight_decay})
        self.rank, self.processes = rank, processes

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            updates = []
            for i, p in enumerate(group["params"]):
                average = self.state[p].setdefault("momentum", torch.zeros_like(p))
                average.lerp_(p.grad, 1 - group["momentum"])
                mine = i * self.processes // len(group["params"]) == self.rank
                update = orthogonal(p.grad.lerp(average, group["momentum"])) if mine else torch.zeros_like(p)
                updates.append(update)
            if self.processes > 1:
                add_together(updates)
            for p, update in zip(group["params"], updates):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * max(1.0, p.shape[-2] / p.shape[-1]) ** 0.5)


def orthogonal(x):
    wide = x.shape[-2] <= x.shape[-1]
    x = (x if wide else x.mT).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x if wide else x.mT).float()


def add_together(tensors, divisor=1):
    """Replaces each tensor by its sum over the processes, divided."""
    together = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(together)
    for tensor, part in zip(tensors, together.split([tensor.numel() for tensor in tensors])):
        torch.div(part.view_as(tensor), divisor, out=tensor)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=RECIPES, default="demo", help="the first model (%(default)s) or the second")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.model.v1 of mistral-common; for the second model its v3")
    parser.add_argument("--start", help="GGUF file of the first model, with whose weights the second begins")
    parser.add_argument("--run", required=True, help="directory of checkpoint and log")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, help="stop after that many; all, if it is not given")
    parser.add_argument("--rate", type=float, default=2e-3, help="of AdamW, for embedding, router and norms")
    parser.add_argument("--muon-rate", type=float, default=0.01, help="of Muon, for the matrices of attention and experts")
    parser.add_argument("--processes", type=int, default=2, help="each computes a batch of its own on one thread")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    options = parser.parse_args()
    os.makedirs(options.run, exist_ok=True)
    torch.multiprocessing.spawn(train, (options,), nprocs=options.processes)


def train(rank, options):
    torch.set_num_threads(1)
    rendezvous = "file://" + os.path.join(os.path.abspath(options.run), f"rendezvous-{os.getppid()}")
    distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=options.processes)
    recipe = RECIPES[options.recipe]
    steps = min(options.steps or recipe.factors[-1][0], recipe.factors[-1][0])
    data = Data(recipe, options.tokenizer, options.seed)
    model = Mixtral(Shape(vocab_size=data.format.pieces.vocab_size()), options.seed, data.format.all_pieces())
    rivals = kept(os.path.join(options.run, "rivals.pt"), lambda: most_alike(model.embedding, max(stage.rivals for stage in recipe.stages)))
    if options.start:
        model.load_state_dict(moved(options.start, data.format.all_pieces(), model.state_dict()))
    matrices = [p for layer in model.layers for p in (layer.q, layer.k, layer.v, layer.o, layer.gate_up, layer.down)]
    others = [model.norm] + [p for layer in model.layers for p in (layer.attention_norm, layer.ffn_norm, layer.router)]
    optimizers = [
        Muon(matrices, options.muon_rate, rank, options.processes),
        # The embedding's eps is near its gradients' size: else a token that is merely a sampled negative moves as far as one
        # that is an answer.
        torch.optim.AdamW(
            [{"params": others, "eps": 1e-9}, {"params": [model.embedding], "eps": 2e-4}],
            lr=options.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True,
        ),
    ]
    checkpoint = os.path.join(options.run, "checkpoint.pt")
    step = 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for optimizer, saved_state in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved_state)
        step = state["step"]
    held_out = Data(recipe, options.tokenizer, options.seed + 1, evaluation=True)
    drawn = [held_out.generator.examples(kind) for kind in held_out.generator.KINDS for _ in range(recipe.evaluated)]
    examples = [held_out.encode([example]) for examples in drawn for example in examples]
    log = rank == 0 and open(os.path.join(options.run, "log.jsonl"), "a")
    negatives = torch.Generator()
    started, saved, loss_sum, loss_count, token_count = time.time(), time.time(), 0.0, 0, 0
    kind_losses = collections.defaultdict(list)

    while step < steps:
        scale = factor(recipe.factors, step)
        for optimizer, rate in zip(optimizers, (options.muon_rate, options.rate)):
            for group in optimizer.param_groups:
                group["lr"] = rate * scale
        stage = [stage for stage in recipe.stages if stage.start <= step][-1]
        batch = data.batch(step * options.processes + rank, recipe.budget, stage)
        sequences, tokens, packing, wanted, targets, owner = collate(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            hidden, balance, _ = model(tokens, packing, wanted)
            # Softmax over the batch's own tokens, those spelled like the answers', and a random sample of the others.
            negatives.manual_seed(options.seed * 1000003 + step)
            sampled = torch.randint(model.shape.vocab_size, (CANDIDATES,), generator=negatives)
            alike = rivals[targets.unique(), : stage.rivals].flatten()
            candidates, place = torch.cat([targets, tokens, sampled, alike]).unique(return_inverse=True)
            logits = F.linear(hidden, model.embedding[candidates])
        losses = F.cross_entropy(logits.float(), place[: len(targets)], reduction="none")
        weights = answer_weights(wanted, stage.evenly)
        answer_loss = (losses * weights).sum() / weights.sum()
        loss = answer_loss + 0.1 * balance
        for number, total in enumerate(torch.zeros(len(sequences)).index_add(0, owner, losses.detach()).tolist()):
            kind_losses[sequences[number].kind].append(total / len(sequences[number].targets))
        model.zero_grad()
        loss.backward()
        if options.processes > 1:
            add_together([p.grad for p in model.parameters()], options.processes)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        loss_sum, loss_count, token_count = loss_sum + answer_loss.item(), loss_count + 1, token_count + len(tokens) * options.processes
        if not math.isfinite(loss_sum):
            raise SystemExit(f"the loss is no longer a number at step {step}; lower --rate")

        if rank == 0 and step % 50 == 0:
            record = {"step": step, "loss": round(loss_sum / loss_count, 4), "balance": round(balance.item(), 3),
                      "tokens_per_second": round(token_count / (time.time() - started)), "scale": round(scale, 4)}
            record["kinds"] = {kind: round(sum(some) / len(some), 3) for kind, some in sorted(kind_losses.items())}
            kind_losses.clear()
            if step % 400 == 0 or step == steps:
                record["exact"], shares = evaluate(model, examples)
                record["least_expert"] = round(shares.min().item(), 4)
            print(json.dumps(record), flush=True)
            log.write(json.dumps(record) + "\n")
            log.flush()
            started, loss_sum, loss_count, token_count = time.time(), 0.0, 0, 0
        if rank == 0 and (time.time() - saved > 120 or step == steps):
            state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step}
            torch.save(state, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
            saved = time.time()


if __name__ == "__main__":
    main()
