"""The direction network on the GPU beside torch, and matrix completion beside two cores of the host."""

from __future__ import annotations

from typing import Any

import environment
import numpy as np
from gpu_place import Call, Place
from network import FLOPS, arrays_of
from report import Section, at_least
from timing import interleaved, say

import pysolve
from pysolve import gallery

CORES = 2


def network_section(place: Place) -> Section:
    """One application of the "128" model at 128^3: 50 TFlop/s."""
    side = 4 if place.quick else 128
    header = ["network", "ms", "TFlop/s", "of the limit", "error, of the largest value", "bar"]
    section = Section(f"DirectionNet, model 128, {side}^3", header)
    host = gallery.obstacle_box((side,) * 3)
    A, model = host.to_device("cuda"), arrays_of("128")
    right = np.where(host.decoupled.ravel(), 0.0, np.random.default_rng(0).standard_normal(host.shape[0]))
    r = place.xp.asarray(right)
    calls: dict[str, Call] = {}
    errors: dict[str, str] = {}
    say("the network on the host, for its error")
    expected = pysolve.DirectionNet(host, model=model) @ right
    for precision in ("mixed", "single"):
        net = pysolve.DirectionNet(A, model=model, precision=precision)
        difference = place.xp.asnumpy(net @ r) - expected
        errors[precision] = f"{abs(difference).max() / abs(expected).max():.1e}"
        calls[precision] = lambda net=net: net @ r
    calls |= _torch_calls(section, model, right.reshape(host.grid_shape), place)
    times = place.seconds(calls)
    for name in calls:
        seconds = times.median(name)
        rate = FLOPS["128"] * side**3 / seconds / 1e9
        bar = "50 TFlop/s" if name == "mixed" else ""
        limit = "sgemm" if name in ("single", "torch, float32") else "hgemm"
        figures = [
            f"{seconds * 1e3:.3g}",
            f"{rate / 1e3:.3g}",
            place.share(rate, limit),
            errors.get(name, ""),
        ]
        section.rows.append([name, *figures, bar])
        if bar:
            section.bars.append(place.bar(at_least(f"{section.title}, {name}", 50, rate / 1e3, " TFlop/s")))
    section.notes.append(
        "mixed: three products of bfloat16 for each counted one, sums in float32; whole calls, masks and norms "
        "included; errors beside the host's network in float32"
    )
    return section


def _torch_calls(section: Section, model: dict[str, Any], r: np.ndarray, place: Place) -> dict[str, Call]:
    """The network in torch, in float32 and in half precision."""
    if not environment.installed("torch") or place.simulated:
        section.notes.append("torch is left out: it is not installed, or has no device here")
        return {}
    import torch

    from pysolve.training import direction_net_model

    if not torch.cuda.is_available():
        section.notes.append("torch is left out: it has no device")
        return {}

    def call_in(dtype: Any) -> Call:
        given = direction_net_model.from_arrays(model)
        layout = torch.channels_last_3d
        weights = [
            p.to("cuda", dtype, memory_format=layout) if p.ndim == 5 else p.to("cuda", dtype) for p in given
        ]
        x = torch.from_numpy(r).to("cuda", dtype)[None, None]

        def call() -> Any:
            with torch.inference_mode():
                return direction_net_model.network(weights, x, "128")

        return call

    return {"torch, float32": call_in(torch.float32), "torch, half": call_in(torch.float16)}


def completion_section(place: Place) -> Section:
    """k = 64, 1e8 observed entries: 20 times two cores of the host."""
    k, (m, n), observed = (2, (12, 9), 80) if place.quick else (64, (400_000, 100_000), 100_000_000)
    title = f"matrix_completion, k = {k}, {observed:.0e} observed entries, float32"
    section = Section(
        title, ["place", "observed", "s an iteration", "ns an entry", "GB/s", "of the limit", "bar"]
    )
    say("entries to complete")
    share = 1 if place.quick else 10
    there = tuple(place.xp.asarray(x) for x in _entries(m, n, observed))
    small = (m // share, n // share)
    few = _entries(*small, observed // share)

    def run(entries: Any, extents: tuple[int, int], count: int) -> Call:
        return lambda: pysolve.matrix_completion(
            (entries, extents), k, maxiter=count, rtol=0.0, reg=0.1, rng=0
        )

    say(f"{CORES} cores of the host, a share of 1/{share} of the entries")
    with environment.threads(CORES):
        calls = {"1": run(few, small, 1), "3": run(few, small, 3)}
        on_host = interleaved(calls, 1, 600.0, least_rounds=1)
    host = max(on_host.median("3") - on_host.median("1"), 1e-9) / 2 * share
    say("the device")
    times = place.seconds({"1": run(there, (m, n), 1), "3": run(there, (m, n), 3)}, rounds=3)
    seconds = max(times.median("3") - times.median("1"), 1e-9) / 2
    for name, taken, bar in (("device", seconds, "20x the host"), (f"host, {CORES} cores", host, "")):
        rate = (
            2 * observed * (8 + 3 * 4 * k) / taken / 1e9
        )  # a pass for the gradient and two steps, both half steps
        count = observed if name == "device" else observed // share
        figures = [f"{taken:.3g}", f"{taken / observed * 1e9:.3g}", f"{rate:.0f}", place.share(rate, "copy")]
        section.rows.append([name, f"{count:.0e}", *figures, bar])
    section.bars.append(place.bar(at_least(f"{title}, over the host", 20, host / seconds)))
    if share > 1:
        section.notes.append(f"the host's time: on a problem of a {share}th of everything, times {share}")
    section.notes.append(
        "an iteration: half of what three take more than one; bytes: rows of the other factor, for every entry in "
        "three passes of a half step, of which caches serve a part, so that the share of the limit may be above one"
    )
    return section


def _entries(m: int, n: int, observed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Different cells in order, with values of rank 4."""
    rng = np.random.default_rng(0)
    flat = np.unique(rng.integers(0, m * n, observed + observed // 50))
    flat = flat[np.sort(rng.permutation(flat.size)[:observed])] if flat.size > observed else flat
    rows, cols = (flat // n).astype(np.int32), (flat % n).astype(np.int32)
    U, V = (rng.standard_normal((size, 4)).astype(np.float32) for size in (m, n))
    values = np.empty(flat.size, np.float32)
    for first in range(0, flat.size, 1 << 22):
        some = slice(first, first + (1 << 22))
        values[some] = np.einsum("ek,ek->e", U[rows[some]], V[cols[some]])
    return rows, cols, values
