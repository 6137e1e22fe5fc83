"""What notebook 23 says of the recorded long clips, in words that follow from the record."""

from mgmr_lib.experiments.long_tables import errors, label_of, series

WHOLE = ("mgmr", "mgmr_attention", "mfmb", "mfmb_mamba")
ATTENTION, SCANS = ("mgmr_attention", "mfmb", "attention"), ("mgmr", "mfmb_mamba", "mamba")


def _listed(found: dict, names: tuple[str, ...], frames: int) -> str:
    wrong = errors(found)
    return "; ".join(f"{label_of(n)} {wrong[n][frames]:.1%}" for n in names)


def wrong_signs(found: dict) -> str:
    """Errors where all were trained, and at the longest clips; where trainings of one network disagree, how far."""
    wrong, longest = errors(found), max(found["plan"]["lengths"])
    common = max(set.intersection(*(set(of) for of in wrong.values())))
    runs = [r["error"] for r in found["errors"] if (r["name"], r["frames"]) == ("mgmr", longest)]
    return (
        f"Wrong signs at **{common:,} frames**, the longest clips with which all were trained: "
        f"{_listed(found, WHOLE, common)}; a single layer of attention {wrong['attention'][common]:.1%}, of Bi-Mamba "
        f"{wrong['mamba'][common]:.1%}. At **{longest:,}** only networks with scans were trained: "
        f"{_listed(found, SCANS, longest)} (MGMR-Net's {len(runs)} trainings: {min(runs):.1%} to {max(runs):.1%}). "
        f"Controls there: {_listed(found, ('mean', 'parts'), longest)}."
    )


def growth(found: dict, names: tuple[str, ...], field: str) -> tuple[float, float]:
    """Least and greatest factor from the shortest to the longest clips, over these networks."""
    short, long = (pick(found["plan"]["lengths"]) for pick in (min, max))
    factors = [of[long] / of[short] for n, of in series(found, field).items() if n in names]
    return min(factors), max(factors)


def last_doubling(found: dict) -> str:
    """What the last step to longer clips costs MFMB-Net and its Mamba twin, beside growth with a line and a square."""
    short, long = sorted(found["plan"]["lengths"])[-2:]
    mfmb, twin = (series(found, "seconds")[n] for n in ("mfmb", "mfmb_mamba"))
    return (
        f"Recorded, from {short:,} to {long:,} frames: a train step of MFMB-Net goes from {mfmb[short]:.2f} to "
        f"{mfmb[long]:.2f} s, **x {mfmb[long] / mfmb[short]:.2f}**, where a cost of pairs alone grows x "
        f"{(long / short) ** 2:.0f} and a cost of frames x {long / short:.0f}. Its Mamba twin goes from "
        f"{twin[short]:.2f} to {twin[long]:.2f} s, x {twin[long] / twin[short]:.2f}."
    )


def step_costs(found: dict) -> str:
    """How time and memory grow, and what was not run."""
    short, long = (pick(found["plan"]["lengths"]) for pick in (min, max))
    scans, attention = (growth(found, names, "seconds") for names in (SCANS, ATTENTION))
    memory = growth(found, (*SCANS, *ATTENTION), "bytes")[1]
    held = {n: of[long] for n, of in series(found, "bytes").items() if n != "table"}
    table = next(r for r in found["costs"] if (r["name"], r["frames"]) == ("table", long))
    return (
        f"For {long / short:g} times the length a train step takes {scans[0]:.1f} to {scans[1]:.1f} times as long with "
        f"scans, {attention[0]:.0f} to {attention[1]:.0f} times with attention. Memory grows by at most "
        f"{memory:.1f} with either, and MFMB-Net's Mamba twin needs {held['mfmb_mamba'] / held['mfmb']:.1f} times that "
        f"of MFMB-Net; attention that writes its table out would need {table['needs_bytes'] / 1e9:.0f} GB and was not "
        "run."
    )
