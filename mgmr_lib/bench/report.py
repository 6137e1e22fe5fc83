"""Tables for the terminal, bench.json with everything, bench.png with the two findings."""

from collections.abc import Iterable
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import replacing, write_json


def text(result: dict) -> str:
    """All tables as one text."""
    facts, limits = result["provenance"], result["limits"]
    parts = [
        f"{facts['processor']}, {facts['cores']} cores, one thread used; torch {facts['versions']['torch']}; "
        f"load {facts['load']}; commit {facts['commit']}; {facts['date']}",
        "limits on one thread: "
        + ", ".join(f"{k.removesuffix('_ns')} {v:.2f} ns an element" for k, v in limits.items() if k.endswith("_ns"))
        + f"; memory {limits['bandwidth_bytes_per_s'] / 1e9:.1f} GB/s, fresh memory "
        f"{limits['fresh_memory_bytes_per_s'] / 1e9:.1f} GB/s",
    ]
    for shape in unique(tuple(r["shape"]) for r in result["scan"]):
        parts.append(scan_table([r for r in result["scan"] if tuple(r["shape"]) == shape], limits))
    parts += [f"not measured: {name}: {reason}" for name, reason in result["missing_peers"].items()]
    parts.append(
        "memory of forward+backward, in (b,e,l,n) tensors: "
        + ", ".join(f"{r['name']} {r['tensors']:.2f}" for r in result["memory"])
    )
    parts.append(ssd_table(result["ssd"]))
    parts.append(layer_table(result["layers"]))
    if "cuda" in result:
        parts.append(cuda_text(result))
    return "\n\n".join(parts)


def unique(values: Iterable) -> list:
    """Each value once, in the order of first appearance."""
    return list(dict.fromkeys(values))


def scan_table(records: list[dict], limits: dict) -> str:
    """Times, and as how many times ours each one is: "x native" where that was compiled, "x chunked" always."""
    b, length, e, n = records[0]["shape"]
    exps = b * length * e * n * limits["exp2_ns"] * 1e-6
    table = {(r["name"], r["pass"]): r for r in records}
    names = unique(r["name"] for r in records)
    yardsticks = [name for name in ("ours, native", "ours, chunked") if name in names]
    ratios = "".join(f"{'x ' + name.removeprefix('ours, '):>10}" for name in yardsticks)
    lines = [
        f"selective scan, (b, l, e, n) = ({b}, {length}, {e}, {n}), {records[0]['dtype']}; median ms of processor "
        f"time; torch's exponentials alone take {exps:.1f} ms in each direction",
        f"  {'':30}{'forward':>10}{ratios}{'forward+backward':>20}{ratios}{'error':>9}{'rounds':>8}",
    ]
    for name in names:
        cells = ""
        for width, what in ((10, "forward"), (20, "forward+backward")):
            time = table[name, what]["median_s"]
            cells += f"{1e3 * time:{width}.1f}" + "".join(
                f"{time / table[y, what]['median_s']:10.1f}" for y in yardsticks
            )
        lines.append(
            f"  {name:30}{cells}{table[name, 'forward']['error']:9.0e}{table[name, 'forward+backward']['rounds']:8d}"
        )
    return "\n".join(lines)


def ssd_table(records: list[dict]) -> str:
    """Times of the SSD scan over length and state size, and as how many times ours each one is; memory; error."""
    lines = [
        "SSD scan; median ms of processor time, forward and forward+backward; x: times ours; memory of "
        "forward+backward in (b,l,h,p) tensors",
        f"  {'(b, l, h, p, n)':24}{'':24}{'forward':>9}{'x':>6}{'both':>9}{'x':>6}{'memory':>8}{'error':>8}",
    ]
    time = {(tuple(r["shape"]), r["name"], r["pass"]): r["median_s"] for r in records}
    for r in records:
        if r["pass"] == "forward":
            shape, cells = tuple(r["shape"]), ""
            for what in ("forward", "forward+backward"):
                seconds = time[shape, r["name"], what]
                cells += f"{1e3 * seconds:9.1f}{seconds / time[shape, 'ours, ssd_scan', what]:6.1f}"
            lines.append(f"  {str(shape):24}{r['name']:24}{cells}{r['tensors']:8.1f}{r['error']:8.0e}")
    return "\n".join(lines)


def layer_table(records: list[dict]) -> str:
    """Milliseconds of a train step over length, and how much each doubling of the length costs at the end."""
    lengths, names = unique(r["length"] for r in records), unique(r["name"] for r in records)
    time = {(r["name"], r["length"]): 1e3 * r["median_s"] for r in records}
    lines = [
        "train step of one layer over length, median ms of processor time",
        f"  {'':24}" + "".join(f"{length:>10}" for length in lengths) + "   last doubling",
    ]
    for name in names:
        cells = [f"{time[name, length]:10.1f}" if (name, length) in time else f"{'-':>10}" for length in lengths]
        known = [length for length in lengths if (name, length) in time]
        doubling = f"{time[name, known[-1]] / time[name, known[-2]]:16.2f}" if len(known) > 1 else ""
        lines.append(f"  {name:24}" + "".join(cells) + doubling)
    return "\n".join(lines)


def cuda_text(result: dict) -> str:
    """Times of the GPU kernels, or why one is not there."""
    lines = [f"GPU: {result['provenance']['gpu']}; median ms"]
    lines += [
        f"  not measured: {name}: {result['backends'][name]}"
        for name in ("triton", "cuda")
        if result["backends"][name] != "ok"
    ]
    lines += [
        f"  {r['name']:24}{r['dtype']:>10}{r['pass']:>20}{1e3 * r['median_s']:10.3f}   error {r['error']:.0e}"
        for r in result["cuda"]
    ]
    return "\n".join(lines)


def write(result: dict, folder: Path) -> list[Path]:
    """bench.json and bench.png in `folder`; neither is ever half-written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data, picture = folder / "bench.json", folder / "bench.png"
        write_json(data, result)
        with replacing(picture) as part:
            figure(result).savefig(part, dpi=150, format="png")
    except OSError as error:
        raise CourseError(f"cannot write to {folder} ({error.strerror}): choose another folder with --out") from None
    return [data, picture]


def figure(result: dict):
    """Left: the scans at the last shape. Right: layers over length."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = canvas.subplots(1, 2, width_ratios=(1, 1.15))
    shape = tuple(result["scan"][-1]["shape"])
    bars(left, [r for r in result["scan"] if tuple(r["shape"]) == shape])
    left.set(title=f"One selective scan, (b, l, e, n) = {shape}")
    layer_curves(right, result["layers"])
    right.set(title="Single layers over the length of their input")
    return canvas


def bars(ax, records: list[dict], what: str = "forward+backward") -> None:
    """A bar for each contender at one shape, the fastest at the bottom, ours in colour; how many times our best one."""
    import seaborn

    records = sorted((r for r in records if r["pass"] == what), key=lambda r: r["median_s"], reverse=True)
    best = min(r["median_s"] for r in records if r["name"].startswith("ours"))
    times = [1e3 * r["median_s"] for r in records]
    blue = seaborn.color_palette("colorblind")[0]
    ax.barh([r["name"] for r in records], times, color=[blue if r["name"][:4] == "ours" else "0.7" for r in records])
    ax.set(xscale="log", xlabel=f"processor time, {what.replace('+', ' + ')} (ms, log scale)")
    ax.set_xlim(right=max(times) * max(6, (max(times) / min(times)) ** 0.45))  # room for the longest bar's words
    for i, r in enumerate(records):
        took = f"{times[i]:.0f} ms" if times[i] < 1000 else f"{times[i] / 1000:.1f} s"
        factor = r["median_s"] / best
        ax.annotate(f" {took} ({factor:.{1 if factor < 10 else 0}f}x)", (times[i], i), va="center", fontsize=8)


def layer_curves(ax, records: list[dict]) -> None:
    """A line for each layer: milliseconds of a train step over the length, both in logarithms."""
    import seaborn

    colours = seaborn.color_palette("colorblind")
    for colour, name in zip(colours, unique(r["name"] for r in records), strict=False):
        mine = [r for r in records if r["name"] == name]
        ax.plot([r["length"] for r in mine], [1e3 * r["median_s"] for r in mine], "o-", color=colour, label=name)
    ax.set(xscale="log", yscale="log", xlabel="length l (time steps)", ylabel="train step (ms of processor time)")
    lengths = sorted({r["length"] for r in records})
    ax.set_xticks(lengths, [str(length) for length in lengths])
    ax.minorticks_off()
    ax.legend(fontsize=8)


def ssd_curves(left, right, records: list[dict], what: str = "forward+backward") -> None:
    """A line for each contender, milliseconds over the length (left) and over the state size (right), each at the other
    size of the last shape."""
    import seaborn

    colours = seaborn.color_palette("colorblind")
    mine = [r for r in records if r["pass"] == what]
    _, length, _, _, state = records[-1]["shape"]
    over_length, over_state = (1, (4, state), "length l (time steps)"), (4, (1, length), "state size n")
    for ax, (moving, fixed, label) in ((left, over_length), (right, over_state)):
        for colour, name in zip(colours, unique(r["name"] for r in mine), strict=False):
            shown = sorted(
                (r["shape"][moving], 1e3 * r["median_s"])
                for r in mine
                if r["name"] == name and r["shape"][fixed[0]] == fixed[1]
            )
            ax.plot(*zip(*shown, strict=True), "o-", color=colour, label=name)
        ax.set(xscale="log", yscale="log", xlabel=label, ylabel=f"{what.replace('+', ' + ')} (ms)")
        sizes = sorted({r["shape"][moving] for r in mine if r["shape"][fixed[0]] == fixed[1]})
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
    left.legend(fontsize=8)
