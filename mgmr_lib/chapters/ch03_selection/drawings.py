"""What moves in notebook 03: a state whose clock runs at every call or only at marked ones, and a gate set by hand."""

from mgmr_lib.course import figures


def clocks(calls: str, deltas: dict, kept):
    """draw(fig, step): what each call has left in the state after call `step`, a panel for each of `deltas`.

    calls: a letter per step, capitals with a bell (dark); deltas: {title: l time steps}; kept(delta, A) -> list.
    """
    most = max(max(delta) for delta in deltas.values())

    def draw(fig, step: int) -> None:
        axes = fig.subplots(1, len(deltas), sharey=True)
        for ax, (title, delta) in zip(axes, deltas.items(), strict=True):
            left = kept(delta[:step], -1.0) + [0.0] * (len(calls) - step)
            _bars(ax, calls, left)
            ax.axvline(step - 0.5, color=figures.GREY, ls="--", lw=1)
            passed = sum(delta[:step])
            ax.set(title=f"{title}: call {step}, clock at {passed:.2f}", ylim=(0, 1.1 * most), xlabel="call")
        axes[0].set_ylabel("left in state")

    return draw


def gate(calls: str, time_steps, gate_weights, kept):
    """draw(fig, shut, opened): what each call has left at the end, for a gate with these time steps without and with a
    bell."""

    def draw(fig, shut: float, opened: float) -> None:
        ax = fig.subplots()
        bias, weight = gate_weights(shut, opened)
        left = kept(time_steps([[float(c.isupper())] for c in calls], [weight], bias), -1.0)
        marked = [k for k, c in zip(left, calls, strict=True) if c.isupper()]
        _bars(ax, calls, [k / sum(left) for k in left])
        ax.set(title=f"Δ {shut:g} without a bell, {opened:g} with one: {sum(marked) / sum(left):.0%} marked")
        ax.set(xlabel="call (capitals: with a bell)", ylabel="share of the state", ylim=(0, 1))

    return draw


def _bars(ax, calls: str, heights) -> None:
    ax.bar(range(len(calls)), heights, color=[figures.BLUE if c.isupper() else figures.SKY for c in calls])
    ax.set_xticks(range(len(calls)), list(calls))
    ax.grid(axis="x", visible=False)
