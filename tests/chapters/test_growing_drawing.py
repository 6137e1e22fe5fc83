"""The drawing of Part I: what each notebook adds is there, and an unknown stage is refused."""

import pytest
from matplotlib.figure import Figure

from mgmr_lib.chapters.shared.growing_drawing import STAGES, all_steps, mamba_block, state_space


def words(stage: str) -> set[str]:
    ax = Figure().subplots()
    state_space(ax, stage)
    return {t.get_text() for t in ax.texts}


def test_each_stage_holds_what_its_notebook_found():
    assert r"$\times\; A$" in words("recurrence") and "$x_t$" in words("recurrence")
    assert r"$\times\; \exp(\Delta A)$" in words("step") and "$u_t$" in words("step")
    assert {r"$\Delta_t,\; B_t,\; C_t$ from $x_t$", r"$C_t\,\cdot$"} <= words("selection")
    assert all("state $h$" in words(stage) for stage in STAGES)
    with pytest.raises(ValueError, match="one of recurrence"):
        state_space(Figure().subplots(), "attention")


def test_all_steps_have_no_loop_left_and_the_block_holds_the_modules_of_ours():
    from mgmr_lib.ssm import MambaBlock

    ax = Figure().subplots()
    all_steps(ax)
    told = {t.get_text() for t in ax.texts}
    assert "one step\nlater" not in told and any(t.startswith("fold") for t in told)
    ax = Figure().subplots()
    mamba_block(ax)
    told = " ".join(t.get_text() for t in ax.texts)
    assert all(name in told for name, _ in MambaBlock(8).named_children())
