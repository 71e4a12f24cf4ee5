"""Sums up TornadoVM's profile: time and share of each kernel over all layers.

kernel_times.py PROFILE, as written with -Dtornado.profiler=True -Dtornado.log.profiler=True -Dtornado.profiler.dump.dir=PROFILE
"""

import collections
import json
import re
import sys


def main():
    text = open(sys.argv[1]).read()
    decoder, at = json.JSONDecoder(), 0
    times, launches, compile_time = collections.Counter(), collections.Counter(), 0
    while (match := re.compile(r"\S").search(text, at)) is not None:
        profile, at = decoder.raw_decode(text, match.start())
        for graph in profile.values():
            compile_time += int(graph.get("TOTAL_DRIVER_COMPILE_TIME", 0)) + int(graph.get("TOTAL_GRAAL_COMPILE_TIME", 0))
            for name, task in graph.items():
                if isinstance(task, dict) and "TASK_KERNEL_TIME" in task:
                    kernel = name.split(".")[-1]
                    times[kernel] += int(task["TASK_KERNEL_TIME"])
                    launches[kernel] += 1
    total = sum(times.values()) or 1
    print("| kernel | launches | ms | us a launch | share |\n|---|---:|---:|---:|---:|")
    for kernel, nanoseconds in times.most_common():
        print(f"| {kernel} | {launches[kernel]} | {nanoseconds / 1e6:.1f} | {nanoseconds / 1e3 / launches[kernel]:.1f} | {100 * nanoseconds / total:.1f} % |")
    print(f"\nkernels: {total / 1e6:.1f} ms; compiling them: {compile_time / 1e9:.1f} s")


if __name__ == "__main__":
    main()
