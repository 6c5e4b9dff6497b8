"""
A relaxation parameter that is learned from the solves
======================================================

How many iterations relaxation takes depends on omega, and the best omega on the system. In a sequence of systems a
*policy* chooses omega for each from what the earlier ones have cost, and from a number that it is told about the
system, its *context*. Here are the two experiments of `Khodak et al. <https://arxiv.org/abs/2310.02246>`_: SOR on
Laplacians with a random shift, and SSOR-CG on a heat equation whose conductivity changes in time.
"""

import matplotlib.pyplot as plt
import numpy as np

import pysolve

RTOL = 1e-8
omegas = np.linspace(1, 1.95, 20)

# %%
# What every omega costs
# ----------------------
#
# For the pictures only, each system is solved with all twenty values. A policy sees one of them.


def solved_by_all(solve, A, b, x0, workspace):
    """Iterations of every omega, and the last solution."""
    results = [
        solve(A, b, x0, rtol=RTOL, omega=omega, maxiter=10**6, workspace=workspace) for omega in omegas
    ]
    return [result.iterations for result in results], results[-1].x


def shifted(variance, n_systems=2000):
    """Contexts, their range, and costs of the shifted Laplacians."""
    systems = pysolve.gallery.ShiftedLaplacians(variance=variance, n_systems=n_systems)
    workspace, contexts, costs = pysolve.SorWorkspace(), [], []
    for A, b, shift in systems:
        costs.append(solved_by_all(pysolve.sor, A, b, None, workspace)[0])
        contexts.append(shift)
    return np.array(contexts), systems.domain, np.array(costs)


def heat(nx=40, n_steps=2000):
    """The same of the heat equation."""
    flow, workspace, contexts, costs = pysolve.gallery.HeatEquation(nx), pysolve.SorWorkspace(), [], []
    for _ in range(n_steps):
        A, b, x0, conductivity = flow.advance()
        iterations, x = solved_by_all(pysolve.ssor_cg, A, b, x0, workspace)
        flow.accept(x)
        contexts.append(conductivity)
        costs.append(iterations)
    return np.array(contexts), flow.domain, np.array(costs)


# %%
# What the policies spend
# -----------------------
#
# Tsallis-INF looks for the best fixed omega, whatever the systems do. ChebCB fits the cost of each omega as a
# function of the context. Thompson sampling shares one model among all values of omega, and so learns from a solve
# about all of them.


def replayed(contexts, domain, costs):
    """Name -> the policy after all systems, and what it has spent on each."""
    arms = omegas.tolist()
    policies = {
        "Tsallis-INF": pysolve.TsallisINF(arms, rng=0),
        "ChebCB": pysolve.ChebCB(arms, domain=domain, rng=0),
        "Thompson sampling": pysolve.ThompsonSampling(arms, domain=domain, rng=0),
    }
    spent = {name: [] for name in policies}
    for context, row in zip(contexts.tolist(), costs, strict=True):
        for name, policy in policies.items():
            trial = policy.ask(context)
            policy.tell(trial, float(row[trial.index]))
            spent[name].append(row[trial.index])
    return policies, spent


def draw_totals(axes, costs, spent):
    """All that was spent up to each system, beside the best fixed omega, which is known only in hindsight."""
    best = int(np.argmin(costs.sum(axis=0)))
    reference = np.cumsum(costs[:, best])
    for name, values in spent.items():
        axes.plot(np.cumsum(values) / reference, label=name)
    axes.plot(np.cumsum(costs.min(axis=1)) / reference, "k:", lw=1, label="the best for each")
    axes.axhline(1.0, color="grey", lw=1)
    axes.text(len(costs), 0.995, f"best fixed, {omegas[best]:.2f}", ha="right", va="top", color="grey")
    axes.set(xlabel="solve", xlim=(0, len(costs)), ylim=(0.4, 1.6))


# %%
# Shifted Laplacians
# ------------------
#
# The shift is drawn anew for every system, from a distribution of low or of high variance. Above: what every omega
# costs (bright is dear), and what Thompson sampling has chosen, against the shift. The best omega falls as the shift
# grows, so who knows the shift does better than any fixed omega: the lines below cross one.

figure, panels = plt.subplots(2, 2, figsize=(10, 8), layout="constrained", sharey="row")
for (above, below), variance in zip(panels.T, ("low", "high"), strict=True):
    contexts, domain, costs = shifted(variance)
    policies, spent = replayed(contexts, domain, costs)
    order = np.argsort(contexts)
    above.contourf(contexts[order], omegas, np.log10(costs[order].T), levels=24)
    chosen = policies["Thompson sampling"].history
    above.plot(chosen["context"], omegas[chosen["index"]], ".", color="#e08e45", markersize=3)
    above.set(xlabel="shift", title=f"shifted Laplacians, {variance} variance")
    draw_totals(below, costs, spent)
panels[0, 0].set_ylabel("omega")
panels[1, 0].set_ylabel("total so far, to the best fixed omega")
panels[1, 0].legend()
plt.show()

# %%
# The heat equation
# -----------------
#
# The conductivity goes up and down in time. Where it is small Gauss-Seidel is the best; where it is large that takes
# half as many iterations again.

contexts, domain, costs = heat()
policies, spent = replayed(contexts, domain, costs)
figure, panels = plt.subplots(3, 1, figsize=(9, 9), sharex=True, sharey=True, layout="constrained")
for axes, (name, policy) in zip(panels, policies.items(), strict=True):
    policy.plot(axes, costs=costs)
    axes.set(title=f"{name}: {sum(spent[name])} iterations", ylabel="omega")
    axes.label_outer()
plt.show()

# %%
# The sequence that learns
# ------------------------
#
# `pysolve.SolveSequence` does the asking, the solving and the telling. It measures now and then what omega = 1 costs,
# and stops a choice that has cost four times as much.

flow = pysolve.gallery.HeatEquation(40)
sequence = pysolve.SolveSequence("ssor_cg", domain=domain, rng=0)
for _ in range(len(costs)):
    A, b, x0, conductivity = flow.advance()
    x, info = sequence(A, b, x0, rtol=RTOL, context=conductivity)
    flow.accept(x)
spent["SolveSequence"] = [call.cost for call in sequence.history]

figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
draw_totals(axes, costs, spent | {"omega = 1": costs[:, 0]})
axes.set_ylabel("total so far, to the best fixed omega")
axes.legend(ncols=2)
plt.show()

# %%
# ``examples/heat.py`` runs the simulation beside SciPy's conjugate gradients, by seconds.
