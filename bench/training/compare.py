"""Trains our networks with ours and with PyTorch, in turn, and prints what comes of it.

    python compare.py --ours WORKERD --theirs PYTHON [--rounds 5] [--threads 2] [NAME ...]

Both sides are processes of their own; a round runs one after the other, so that whatever else
the machine does meets both. The ratio is that of the medians of a round's images/s, its figure
the median over the rounds. NAME picks cases (see CASES). One JSON object on standard output, a
table on standard error.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys

# Name: network, channels, outputs, batch, frozen layers, iterations, and the least ratio wanted.
CASES = {
    "caffenet-28-slim": ("caffenet-28-slim", 1, 5, 64, 0, 20, 1.0),
    "caffenet-28": ("caffenet-28", 1, 5, 64, 0, 20, 1.0),
    "caffenet-32": ("caffenet-32", 3, 5, 64, 0, 20, 1.0),
    "caffenet-32-frozen-3": ("caffenet-32", 3, 5, 64, 3, 20, 1.0),
    "caffenet-32-frozen-5": ("caffenet-32", 3, 5, 64, 5, 20, 1.0),
    "caffenet-64": ("caffenet-64", 3, 5, 64, 0, 10, 1.0),
    "caffenet": ("caffenet", 3, 1000, 16, 0, 5, 0.9),
}
LAYOUTS = ["nhwc", "nchw"]


def measure(command):
    """What the program says, and the most memory that it held, in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return json.loads(said), usage.ru_maxrss / 1024


def speed(run):
    return run[0]["images_per_s"]


def memory(run):
    return run[1]


def median(runs, value):
    return statistics.median(value(run) for run in runs)


def compare(name, given):
    network, channels, outputs, batch, frozen, iterations, wanted = CASES[name]
    sizes = {"network": network, "channels": channels, "outputs": outputs, "batch": batch}
    sizes |= {"frozen": frozen, "iterations": iterations, "threads": given.threads}
    arguments = [f"--{key}={value}" for key, value in sizes.items()]
    ours_command = [given.ours, "bench", "--cpu", "-o", "json", *arguments]
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch.py")
    ours, theirs = [], {layout: [] for layout in LAYOUTS}
    for _ in range(given.rounds):
        ours.append(measure(ours_command))
        for layout in LAYOUTS:
            theirs[layout].append(measure([given.theirs, script, f"--layout={layout}", *arguments]))
    best = max(ours, key=speed)[0]
    result = {"name": name, **sizes, "images_per_s": median(ours, speed), "wanted": wanted}
    result["memory_mib"] = median(ours, memory)
    for layout in LAYOUTS:
        ratios = [speed(one) / speed(other) for one, other in zip(ours, theirs[layout])]
        result[f"pytorch_{layout}"] = {
            "images_per_s": median(theirs[layout], speed),
            "memory_mib": median(theirs[layout], memory),
            "ratio": {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)},
        }
    result["peak_share"] = best["peak_share"]
    result["by_op"] = best["by_op"]
    return result, best["device"], theirs["nhwc"][0][0]["version"]


def row(result):
    nhwc, nchw = result["pytorch_nhwc"], result["pytorch_nchw"]
    ratio = nhwc["ratio"]
    return (
        f"{result['name']:22} {result['images_per_s']:8.0f} {nhwc['images_per_s']:8.0f} {nchw['images_per_s']:8.0f}"
        f"  {ratio['median']:5.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})  {nchw['ratio']['median']:5.2f}"
        f"  {100 * result['peak_share']:4.0f} %  {result['memory_mib']:6.0f} {nhwc['memory_mib']:6.0f}"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--theirs", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    for name in given.names:
        if name not in CASES:
            sys.exit(f"{name}: not one of {', '.join(CASES)}")
    print(
        "                         ours  PyTorch (nhwc, nchw)  ratio to nhwc, of rounds"
        "  to nchw  of peak  MiB: ours, PyTorch",
        file=sys.stderr,
    )
    results, device, version = [], None, None
    for name in given.names or CASES:
        result, device, version = compare(name, given)
        results.append(result)
        print(row(result), file=sys.stderr, flush=True)
    short = [result["name"] for result in results if result["pytorch_nhwc"]["ratio"]["median"] < result["wanted"]]
    report = {
        "schema": "selffer.bench-training/v1",
        "date": datetime.date.today().isoformat(),
        "device": device,
        "processor": processor(),
        "pytorch": version,
        "rounds": given.rounds,
        "below_what_is_wanted": short,
        "results": results,
    }
    print(json.dumps(report, indent=1))
    if short:
        sys.exit(f"slower than wanted: {', '.join(short)}")


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main()
