"""
A noisy right side
==================

:math:`u'' = f` on :math:`[0, 2\\pi]` with :math:`u = \\sin 100x`, where :math:`f` is known at 400 points, each with a
normal error of 1% of its largest value. A spectral method integrates that noise twice and has lost the solution;
`pysolve.gp_pde` finds the frequency in the data, and says how far it can be trusted.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve

case = pysolve.gallery.pde_case("P1")
x = case.axes[0]
sd = 0.01 * 100**2
noisy = case.f(x) + sd * np.random.default_rng(0).standard_normal(len(x))

# %%
# The solution
# ------------
#
# The noise's standard deviation is all that has to be told.

solution = pysolve.gp_pde(case.operator, noisy, case.axes, case.boundary, noise=sd)
print(f"{solution.status}")
print(
    f"periods per unit: {[round(mu, 3) for mu in solution.frequencies[0]]} (100 / 2 pi = {100 / (2 * np.pi):.3f})"
)
print(f"relative error {case.error(solution):.1e}, {solution.timings['total']:.3f} s")

# %%
# The whole domain on the left; on the right some waves where the standard deviation is largest. Below, the error stays
# within two standard deviations at about 95% of the points.

solution.plot(truth=case.u(x), figure=plt.figure(figsize=(11, 5.5), layout="constrained"))
within = np.abs(solution.u - case.u(x)) <= 2 * solution.std
print(f"the truth is within two standard deviations at {within.mean():.0%} of the points")

# %%
# Points of any number, anywhere
# ------------------------------
#
# The equation need not be known on a grid. Here it is known at 150 random points, with 10% noise: the band
# says what that costs.

rng = np.random.default_rng(1)
few = np.sort([0.0, 2 * np.pi, *rng.uniform(0, 2 * np.pi, 148)])
fewer = case.f(few) + 10 * sd * rng.standard_normal(len(few))
rough = pysolve.gp_pde(case.operator, fewer, [few], case.boundary, noise=10 * sd)
where = np.linspace(3, 3.4, 300)

panels = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")[1]
for ax, found, name in zip(
    panels, (solution, rough), ("400 points, 1% noise", "150 points, 10% noise"), strict=True
):
    mean, std = found.predict(where, return_std=True)
    ax.fill_between(where, mean - 2 * std, mean + 2 * std, color="C0", alpha=0.4, linewidth=0, label="two sd")
    ax.plot(where, mean, color="C0", label="mean")
    ax.plot(where, case.u(where), "--", color="C3", linewidth=1, label="truth")
    ax.set(title=name, ylabel="u")
panels[0].legend(loc="upper right", ncols=3)
panels[1].set(xlabel="x")
plt.show()
