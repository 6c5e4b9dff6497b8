"""
A relaxation parameter that is learned from the solves
======================================================

How many iterations SSOR-CG takes depends on omega, and the best omega on the system. In a simulation the systems
change; a *policy* chooses omega for each from what the earlier ones have cost, and from a number that it is told about
the system, its *context*. Here that is the conductivity of a heat equation, which changes in time.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve

NX, STEPS, RTOL = 40, 1500, 1e-8
omegas = np.linspace(1, 1.95, 20)

# %%
# What every omega would have cost
# --------------------------------
#
# For the picture only, each step of the simulation is solved with all twenty values. Where the conductivity is small
# the smallest omega is the best, Gauss-Seidel's; where it is large that takes half as many iterations again.

heat = pysolve.gallery.HeatEquation(NX)
workspace = pysolve.SorWorkspace()
contexts, costs = [], []
for _ in range(STEPS):
    A, b, x0, kappa = heat.advance()
    results = [pysolve.ssor_cg(A, b, x0, rtol=RTOL, omega=omega, workspace=workspace) for omega in omegas]
    heat.accept(results[0].x)
    contexts.append(kappa)
    costs.append([result.iterations for result in results])
costs = np.array(costs)
best = int(np.argmin(costs.sum(axis=0)))
print(f"omega = 1: {costs[:, 0].sum()} iterations; best fixed, {omegas[best]:.2f}: {costs[:, best].sum()}; ")
print(f"the best for each step: {costs.min(axis=1).sum()}")

# %%
# What three policies choose
# --------------------------
#
# Tsallis-INF looks for the best fixed omega, whatever the systems do. ChebCB fits the cost of each omega as a function
# of the context. Thompson sampling shares one model among all values of omega, and so learns from a solve about all of
# them.

policies = {
    "Tsallis-INF": pysolve.TsallisINF(omegas.tolist(), rng=0),
    "ChebCB": pysolve.ChebCB(omegas.tolist(), domain=heat.domain, rng=0),
    "Thompson sampling": pysolve.ThompsonSampling(omegas.tolist(), domain=heat.domain, rng=0),
}
spent = {}
figure, panels = plt.subplots(3, 1, figsize=(9, 9), sharex=True, sharey=True, layout="constrained")
for axes, (name, policy) in zip(panels, policies.items(), strict=True):
    spent[name] = []
    for context, row in zip(contexts, costs, strict=True):
        trial = policy.ask(context)
        policy.tell(trial, float(row[trial.index]))
        spent[name].append(row[trial.index])
    policy.plot(axes, costs=costs)
    axes.set_title(f"{name}: {sum(spent[name])} iterations")
plt.show()

# %%
# The sequence that learns
# ------------------------
#
# `pysolve.SolveSequence` does the asking, the solving and the telling, measures now and then what omega = 1 costs, and
# stops a choice that has cost four times as much. Below, all that was spent up to each step, beside the best fixed
# omega, which is known only in hindsight.

heat = pysolve.gallery.HeatEquation(NX)
sequence = pysolve.SolveSequence("ssor_cg", domain=heat.domain, rng=0)
for _ in range(STEPS):
    A, b, x0, kappa = heat.advance()
    x, info = sequence(A, b, x0, rtol=RTOL, context=kappa)
    heat.accept(x)
spent["SolveSequence"] = [call.cost for call in sequence.history]

figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
reference = np.cumsum(costs[:, best])
for name, values in spent.items():
    axes.plot(np.cumsum(values) / reference, label=name)
axes.plot(np.cumsum(costs[:, 0]) / reference, "k--", lw=1, label="omega = 1")
axes.plot(np.cumsum(costs.min(axis=1)) / reference, "k:", lw=1, label="the best for each step")
axes.axhline(1.0, color="grey", lw=1)
axes.set(xlabel="step", ylabel="total so far, to the best fixed omega", ylim=(0.55, 1.5))
axes.legend(ncols=2)
plt.show()

# %%
# ``examples/heat.py`` runs the simulation beside SciPy's conjugate gradients, by seconds.
