"""Tables and figure of recorded costs, the paper's Table 7 beside ours."""

from pathlib import Path

import matplotlib.figure
import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.evaluation.plots import save_figure
from mgmr_lib.experiments.complexity import provenance_of
from mgmr_lib.experiments.figures import colour
from mgmr_lib.experiments.plan import LAYERS
from mgmr_lib.experiments.tables import PAPERS
from mgmr_lib.files import make_folder, write_text


def inference_frame(found: dict) -> pd.DataFrame:
    """One row per network: parameters, seconds for the test split complete and half missing, milliseconds per clip."""
    frame = pd.DataFrame(found["inference"])
    wide = frame.pivot_table(
        index=["name", "label", "parameters"], columns="rate", values="seconds", sort=False
    ).reset_index()
    clips = int(frame["clips"].iloc[0])
    wide = wide.rename(columns={0.0: "complete", 0.5: "half missing"})
    wide["ms a clip"] = 1e3 * wide["half missing"] / clips
    return wide


def inference_markdown(found: dict) -> str:
    """Table 7's counterpart as a page."""
    frame, p = inference_frame(found), provenance_of(found, "inference")
    clips = found["inference"][0]["clips"]
    lines = [
        "# Inference time",
        "",
        f"**Recorded, not computed here**: {found['corpus']}, {found['profile']} profile, "
        f"{p['device'].split(',')[0]}, one thread, processor time, torch {p['versions']['torch']}, scan "
        f"`{p['scan']}`, commit {p['commit']}, {p['date']}. All {clips} test clips in batches of 64; the frozen "
        "text encoder's features are given to every network alike.",
        "",
    ]
    head = ("network", "parameters", "complete: s", "half missing: s", "ms a clip")
    times = ("complete", "half missing", "ms a clip")
    rows = [(r["label"], f"{r['parameters']:,}", *(f"{r[t]:.2f}" for t in times)) for _, r in frame.iterrows()]
    lines.append(markdown.table(head, rows))
    theirs = pd.read_csv(PAPERS)
    theirs = theirs[(theirs.paper == "MGMR-Net") & (theirs.table == 7)].pivot_table(
        index="model", columns="area", values="value", sort=False
    )
    lines += [
        "",
        "**The paper's numbers** (MGMR-Net's Table 7; real MOSI, RTX 4090, what exactly was timed is not said):",
        "",
    ]
    rows = [(n, f"{r['complete']:.2f}", f"{r['0.5 missing']:.2f}") for n, r in theirs.iterrows()]
    lines.append(markdown.table(("network", "complete: s", "half missing: s"), rows))
    return "\n".join(lines) + "\n"


# Parameters and processor seconds of a train step of the published modules, measured once in the same way as
# `complexity.published_sizes`, on one thread of a shared machine (seconds to about 30 %): BERT left out, its features
# given. CENET's are those of its shift alone; MISA's and TETFN's are over whole clips (MMSA's MISA reads 50 frames, in
# 0.09 s; TETFN's own setting is 50 steps of each modality: TETFN_AT_50); MMIM reads every batch twice.
TETFN_AT_50 = 0.35  # seconds
PUBLISHED_MODULES = {
    "misa": (1_138_033, 0.8),
    "self_mm": (159_332, 0.25),
    "mmim": (281_673, 0.86),
    "cenet": (6_517_249, 2.9),
    "tetfn": (1_254_224, 7.9),
    "almt": (2_603_649, 2.8),
    "lnln": (6_483_012, 10.5),
    "emt": (2_322_779, 15.4),
    "tf_mamba": (1_813_209, 1.4),
}


def published_frame(found: dict) -> pd.DataFrame:
    """One row per network: parameters, seconds and memory of a train step, ours and the published modules'."""
    frame = pd.DataFrame(found["published"])
    theirs = [PUBLISHED_MODULES[name] for name in frame["name"]]
    return frame.assign(
        published_parameters=[p for p, _ in theirs],
        published_seconds=[s for _, s in theirs],
        times_faster=[s / mine for (_, s), mine in zip(theirs, frame["seconds"], strict=True)],
    )


def published_markdown(found: dict) -> str:
    """Cost at published sizes as a page."""
    p = found["provenance"]
    head = ("network", "parameters", "published", "a step: s", "published: s", "times faster", "memory: MB")
    rows = [
        (r["label"], f"{r['parameters']:,}", f"{r['published_parameters']:,}", f"{r['seconds']:.2f}",
         f"{r['published_seconds']:.2f}", f"{r['times_faster']:.1f}", f"{r['bytes'] / 1e6:.0f}")
        for _, r in published_frame(found).iterrows()
    ]  # fmt: skip
    return (
        "# A train step at published sizes\n\n"
        f"**Recorded, not computed here**: forward and backward of 24 clips of MOSI's longest lengths, text features "
        f"given, {p['device'].split(',')[0]}, one thread, processor time, commit {p['commit']}, {p['date']}. "
        "The published modules were measured once on such a machine; all seconds are known to about 30 %, as the "
        "machines had other work, too. CENET's are those of its shift alone; TETFN's own setting is 50 steps of each "
        f"modality, where it takes {TETFN_AT_50:.2f} s.\n\n" + markdown.table(head, rows) + "\n"
    )


def length_figure(found: dict) -> matplotlib.figure.Figure:
    """Seconds and memory of a train step against the frames of voice and face, both axes logarithmic; the later layers
    are in the table alone."""
    frame = pd.DataFrame(found["over_length"])
    frame = frame[(frame["pass"] == "train step") & ~frame["name"].isin(LAYERS)]
    frames = sorted(frame["frames"].unique())
    figure = matplotlib.figure.Figure(figsize=(10, 3.9), layout="constrained", dpi=120)
    for ax, column, scale, unit in zip(
        figure.subplots(1, 2), ("seconds", "bytes"), (1.0, 1e6), ("processor time, s", "peak memory, MB"), strict=True
    ):
        for name, part in frame.groupby("name", sort=False):
            ax.loglog(
                part["frames"],
                part[column] / scale,
                marker="o",
                markersize=4,
                color=colour(name),
                label=part["label"].iloc[0],
                ls="--" if name == "mfmb_mamba" else "-",
            )
        for power, style in ((1, ":"), (2, "-.")):
            x0, x1 = frames[0], frames[-1]
            low = (frame[column] / scale).min() * 0.6
            ax.loglog(
                [x0, x1],
                [low, low * (x1 / x0) ** power],
                color="0.6",
                lw=1,
                ls=style,
                label="linear" if power == 1 else "quadratic",
            )
        ax.set(xlabel="frames of voice and of face", ylabel=unit)
        ax.set_xticks(frames, [str(n) for n in frames])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"A train step of {found['batch']} clips against their length ({found['profile']} sizes, no pooling)"
    )
    return figure


def write_costs(found: dict, folder: Path) -> list[Path]:
    """Markdown, CSV and PNG of a record of costs; returns the files."""
    frames = {"inference.csv": inference_frame(found), "over_length.csv": pd.DataFrame(found["over_length"])}
    texts = {"inference.md": inference_markdown(found)}
    if "published" in found:  # not in older records
        frames["published.csv"] = published_frame(found)
        texts["published.md"] = published_markdown(found)
    texts |= {n: f.to_csv(index=False, float_format="%.6g", lineterminator="\n") for n, f in frames.items()}
    make_folder(folder)
    for file, text in texts.items():
        write_text(folder / file, text)
    save_figure(length_figure(found), folder / "over_length.png")
    return [folder / file for file in (*texts, "over_length.png")]
