# ---
# jupyter:
#   mgmr:
#     title: A recurrence is a memory
#     claim: "One multiplication and one addition a step are enough to remember."
#     goals:
#       - compute a recurrence with Python lists
#     minutes: 50
#     budget_s: 20
#     device: cpu
#     requires: []
#     introduces: [state]
# ---
# %%
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, progress, say, show, use_style

use_style()

# %%
fig, ax = plt.subplots()
ax.plot([1, 0.5, 0.25])
ax.set(title="Halves", xlabel="step", ylabel="value")
show(fig, f"The value halves with every step, from 1 to {0.25:.2f}.")


# %%
@exercise("01.1")
def step(h, x, a, b):
    """One step."""
    # SOLUTION
    return a * h + b * x
    # END SOLUTION


# %%
check("01.1", step)
