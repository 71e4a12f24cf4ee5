#!/usr/bin/env python3
"""Draws a run's loss over its steps as an SVG picture, the loss on a logarithmic axis."""

import argparse
import json
import math
import os

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 360, 60, 20, 20, 45


def draw(points, title):
    """points: (step, loss) pairs."""
    last = max(step for step, _ in points)
    low = math.floor(math.log10(min(loss for _, loss in points)))
    high = math.ceil(math.log10(max(loss for _, loss in points)))

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(loss):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(loss) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in range(low, high + 1):
        for factor in (1, 2, 5) if power < high else (1,):
            loss = factor * 10.0**power
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:g}</text>')
    for i in range(6):
        step = last * i / 5
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:.0f}</text>')
    line = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{title}</text>')
    return "\n".join(parts + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="directory of the run's log")
    parser.add_argument("--out", required=True, help="SVG file to write")
    options = parser.parse_args()
    by_step = {}  # a run that was resumed logs some steps twice; the later record counts
    with open(os.path.join(options.run, "log.jsonl"), encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            by_step[record["step"]] = record["loss"]
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(draw(sorted(by_step.items()), "steps; cross entropy of the answers' tokens, mean of 50 steps"))


if __name__ == "__main__":
    main()
