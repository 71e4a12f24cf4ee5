"""What the GPU can do at most, and what transformers makes of it with the same shape: the figures that EngineBench is held against.

Prints one JSON object per line: {"kind": "copy", …}, {"kind": "matmul", …}, then one per measurement of transformers. Needs torch with
CUDA and transformers; a shape that does not fit is refused before anything is allocated.
"""

import argparse
import json
import statistics
import time

import torch


def timed(run, rounds=7, warm_up=2):
    """Median seconds of a call, with the device idle before and after."""
    seconds = []
    for round_number in range(-warm_up, rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if round_number >= 0:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def ceilings():
    """Bytes per second of a copy within the device's memory, counting reads and writes, and FLOP/s of a bf16 matrix product."""
    source = torch.empty(1 << 30, dtype=torch.float32, device="cuda").normal_()
    target = torch.empty_like(source)
    seconds = timed(lambda: target.copy_(source))
    yield {"kind": "copy", "bytes_per_second": 2 * source.numel() * 4 / seconds}
    del source, target
    size = 8192
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    yield {"kind": "matmul", "flops": 2 * size**3 / timed(lambda: a @ b)}


def peer(options):
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=options.layers, num_attention_heads=32,
        num_key_value_heads=8, num_local_experts=8, num_experts_per_tok=2, max_position_embeddings=32768, rope_theta=1e6,
        sliding_window=None,
    )
    weights = 2 * (2 * 32000 * 4096 + options.layers * (4096 * (2 * 4096 + 2 * 1024) + 8 * 3 * 4096 * 14336))
    free, _ = torch.cuda.mem_get_info()
    if weights * 1.1 > free:
        raise SystemExit(f"{options.layers} layers in bf16 take {weights >> 20} MiB, but {free >> 20} MiB are free; lower --layers")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = MixtralForCausalLM(config).eval()
    for experts in options.experts:
        try:
            model.set_experts_implementation(experts)
        except (AttributeError, ValueError) as reason:
            if experts != "eager":
                print(json.dumps({"kind": "skipped", "experts": experts, "reason": str(reason)}), flush=True)
                continue
        yield from measure(model, options, experts)


@torch.inference_mode()
def measure(model, options, experts):
    prompt = torch.randint(0, 32000, (1, options.prefill), device="cuda")
    seconds = timed(lambda: model(prompt, use_cache=True, logits_to_keep=1), rounds=3, warm_up=1)
    yield {"kind": "prefill", "experts": experts, "layers": options.layers, "size": options.prefill, "tokens_per_second": options.prefill / seconds}
    for batch in options.batch:
        tokens = torch.randint(0, 32000, (batch, options.context), device="cuda")
        out = model(tokens, use_cache=True, logits_to_keep=1)
        steps = []
        for step in range(options.steps + 3):
            torch.cuda.synchronize()
            start = time.perf_counter()
            out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
            torch.cuda.synchronize()
            if step >= 3:
                steps.append(time.perf_counter() - start)
        yield {"kind": "decode", "experts": experts, "layers": options.layers, "size": batch, "tokens_per_second": batch / statistics.median(steps)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--prefill", type=int, default=2048)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--experts", nargs="+", default=["eager", "grouped_mm"], help="transformers' ways to run experts; the best counts")
    parser.add_argument("--ceilings-only", action="store_true")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("peer.py: torch finds no CUDA device")
    for line in ceilings():
        print(json.dumps(line), flush=True)
    if not options.ceilings_only:
        for line in peer(options):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
