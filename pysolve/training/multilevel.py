"""Trains the constants and nets of the V-cycle, on the compiled kernels, by evolution; no torch is needed.

The cost of a candidate on a scene is the number of iterations for one digit of the residual, over that of the untrained
cycle on the same scene; of a generation the mean of its logarithm over scenes that are the same for all candidates.
The work of an iteration does not depend on the constants.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import pysolve
from pysolve import _multilevel_weights as mw
from pysolve._array_files import read_arrays, save_arrays
from pysolve._writing import write_whole
from pysolve.training.arguments import check_checkpoints, out_file, read_by, whole_number
from pysolve.training.evolution import Evolution
from pysolve.training.multilevel_problems import PROBLEMS, SIZES, draw

N_ITERATIONS = 8  # of CG, from which the rate is measured
HELD_OUT = 1_000_000  # seed of the scenes that are looked at, never learned from
N_HELD_OUT = 24
# A generation draws its scenes from SEEDS_APART * seed + generation, always below HELD_OUT.
SEEDS_APART = 1000
SIGMA = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        required=True,
        type=out_file,
        help="file of weights to write (.npz); the curve goes beside it, as .csv",
    )
    add("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS), help="scenes to draw")
    add("--generations", type=whole_number(1, SEEDS_APART), default=120)
    add("--candidates", type=whole_number(4), default=16, help="of a generation")
    add("--scenes", type=whole_number(1), default=12, help="of a generation")
    add("--dimensions", nargs="+", type=int, choices=(2, 3), default=[2, 3])
    add(
        "--sizes",
        nargs=2,
        type=whole_number(8),
        help="sides of the boxes, both dimensions; smaller for a trial",
    )
    add(
        "--start",
        type=read_by(mw.find_weights),
        default="untrained",
        help="weights to start from: a name or a file",
    )
    add("--seed", type=whole_number(0, HELD_OUT // SEEDS_APART - 1), default=0)
    add("--resume", action="store_true", help="go on where the checkpoints beside --out stand")


def run(args: argparse.Namespace) -> None:
    """Train one dimension after the other; the weights are written at the end, a checkpoint after each generation."""
    dimensions = list(dict.fromkeys(args.dimensions))
    checkpoints = [_checkpoint(args, dimension) for dimension in dimensions]
    check_checkpoints(args, checkpoints)
    try:
        begun = [begin(args, dimension) for dimension in dimensions]
    except ValueError as error:
        args.refuse(str(error))
    trained, curve = dict(args.start.dimensions), []
    for dimension, (evolution, rows) in zip(dimensions, begun, strict=True):
        trained[dimension] = train(args, dimension, evolution, rows)
        curve += rows
    weights = mw.certified(mw.Weights(str(args.out), trained))
    mw.save(args.out, weights)
    _write_curve(args.out.with_suffix(".csv"), curve)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)
    print(f"written: {args.out} and {args.out.with_suffix('.csv')}")


# ---- numbers <-> weights ----------------------------------------------------------------------------------------


def to_numbers(w: mw.DimensionWeights) -> np.ndarray:
    """The logarithms of tau, scale and the upper ends of the clips, and the nets."""
    tops = [w.relaxation[-1], w.resistance[-1]]
    positive = np.log(np.concatenate([w.tau.ravel(), w.scale, tops]))
    return np.concatenate([positive, w.relaxation[:-2] * 0.5, w.resistance[:-2] * 0.5])


def from_numbers(numbers: np.ndarray, like: mw.DimensionWeights) -> mw.DimensionWeights:
    n = like.tau.size
    positive, nets = np.exp(numbers[: n + 4]), numbers[n + 4 :] / 0.5
    bottoms = like.relaxation[-2], like.resistance[-2]
    relaxation, resistance = (
        np.concatenate([net, [bottom, max(top, bottom)]]).astype(np.float32)
        for net, bottom, top in zip(np.split(nets, 2), bottoms, positive[n + 2 :], strict=True)
    )
    tau = positive[:n].reshape(like.tau.shape).astype(np.float32)
    return mw.DimensionWeights(tau, positive[n : n + 2], like.theta, relaxation, resistance)


def open_nets(w: mw.DimensionWeights) -> mw.DimensionWeights:
    """The same weights with nets that can learn: hidden unit k looks at feature k, and has no say yet."""
    if np.any(w.relaxation[:-3]):
        return w
    m, n = mw.N_HIDDEN, mw.N_FEATURES
    looks = np.zeros(mw.N_NET, np.float32)
    looks[: n * m] = np.eye(n, dtype=np.float32)[[0, 2, 3, 4]].ravel()
    relaxation, resistance = looks.copy(), looks.copy()
    relaxation[-3:] = 1.0, 0.4, 1.05
    resistance[-3:] = w.resistance[-3], 0.05, 1.0
    tau = w.tau / np.float32(1.05)
    return mw.DimensionWeights(tau, w.scale, w.theta, relaxation, resistance)


# ---- the cost -----------------------------------------------------------------------------------------------------


def iterations_per_digit(A: Any, b: np.ndarray, dimension: int, w: mw.DimensionWeights) -> float:
    """Of CG with the V-cycle of these weights; inf where it fails."""
    weights = mw.Weights("candidate", {dimension: w})
    result = pysolve.cg(A, b, M=pysolve.Multilevel(A, weights=weights), rtol=0.0, maxiter=N_ITERATIONS)
    norms = result.residual_norms
    digits = np.log10(norms[0] / norms[-1]) if norms[-1] > 0 else 16.0
    return result.iterations / digits if digits > 0.1 and np.isfinite(digits) else np.inf


def mean_cost(systems: Any, dimension: int, w: mw.DimensionWeights, base: np.ndarray) -> float:
    """Mean logarithm of the iterations over those of the base; inf where the certificate fails."""
    if mw._fault(w):
        return np.inf
    costs = [iterations_per_digit(A, b, dimension, w) for A, b in systems]
    return float(np.mean(np.log(np.array(costs) / base)))


# ---- the loop ------------------------------------------------------------------------------------------------------


def begin(args: argparse.Namespace, dimension: int) -> tuple[Evolution, list]:
    """The evolution at its start, or where the checkpoint stands, and the curve so far."""
    start = open_nets(args.start.dimensions[dimension])
    evolution = Evolution(to_numbers(start), SIGMA, args.candidates, args.seed)
    checkpoint = _checkpoint(args, dimension)
    if not (args.resume and checkpoint.exists()):
        return evolution, []
    curve = _resume(checkpoint, evolution, _options(args, dimension))
    if evolution.generation > args.generations:
        raise ValueError(
            f"checkpoint {checkpoint} has {evolution.generation} generations: --generations must be at least that, got "
            f"{args.generations}"
        )
    return evolution, curve


def train(args: argparse.Namespace, dimension: int, evolution: Evolution, curve: list) -> mw.DimensionWeights:
    """Go on to the last generation; `curve` gets a row for each."""
    start = open_nets(args.start.dimensions[dimension])
    untrained = mw.BUILT_IN["untrained"][dimension]
    options = _options(args, dimension)
    sizes = tuple(args.sizes) if args.sizes else SIZES[dimension]

    def systems_of(seed: int, n: int) -> tuple[Any, np.ndarray]:
        systems = draw(seed, dimension, args.problems, n, sizes)
        return systems, np.array([iterations_per_digit(A, b, dimension, untrained) for A, b in systems])

    held_out = systems_of(HELD_OUT, N_HELD_OUT)
    began = time.perf_counter()
    while evolution.generation < args.generations:
        systems, base = systems_of(SEEDS_APART * args.seed + evolution.generation, args.scenes)
        candidates = [from_numbers(numbers, start) for numbers in evolution.ask()]
        costs = np.array([mean_cost(systems, dimension, w, base) for w in candidates])
        evolution.tell(costs)
        seen = np.exp(mean_cost(held_out[0], dimension, from_numbers(evolution.mean, start), held_out[1]))
        seconds = time.perf_counter() - began
        curve.append((dimension, evolution.generation, float(np.exp(np.median(costs))), float(seen), seconds))
        _save_checkpoint(_checkpoint(args, dimension), evolution, curve, options)
        _show(curve[-1], args.generations)
    print()
    return from_numbers(evolution.mean, start)


def _show(row: Any, generations: int) -> None:
    dimension, generation, cost, held_out, seconds = row
    print(
        f"\r{dimension}-D generation {generation}/{generations}: iterations {cost:.3f} of untrained on this "
        f"generation's scenes, {held_out:.3f} on held-out ones, {seconds:.0f} s",
        end="",
        flush=True,
    )


# ---- checkpoints ------------------------------------------------------------------------------------------------


def _checkpoint(args: argparse.Namespace, dimension: int) -> Path:
    return args.out.with_suffix(f".{dimension}d.checkpoint.npz")


def _options(args: argparse.Namespace, dimension: int) -> dict[str, Any]:
    """What a resumed run must share with the one that was interrupted, as it is in the checkpoint."""
    options = {name: getattr(args, name) for name in ("problems", "candidates", "scenes", "seed")}
    sizes = args.sizes or list(SIZES[dimension])
    return options | {"sizes": sizes, "start": args.start.name, "dimension": dimension}


def _save_checkpoint(path: Path, evolution: Evolution, curve: list, options: dict[str, Any]) -> None:
    arrays = evolution.to_arrays() | {"curve": np.array(curve), "options": np.array(json.dumps(options))}
    save_arrays(path, arrays)


def _resume(path: Path, evolution: Evolution, options: dict[str, Any]) -> list:
    """Put the evolution where the checkpoint stands; ValueError where that is of another training."""
    arrays = read_arrays(path, str(path))
    missing = {*Evolution.FIELDS, "rng", "curve", "options"} - set(arrays)
    if missing:
        raise ValueError(f"'{path}' is no checkpoint of this training: it lacks {', '.join(sorted(missing))}")
    try:
        kept = dict(json.loads(str(arrays["options"])))
        curve = [(int(d), int(g), c, h, s) for d, g, c, h, s in arrays["curve"].tolist()]
        other = [name for name, value in options.items() if kept.get(name) != value]
        if not other:
            evolution.restore(arrays)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"'{path}' is no checkpoint of this training: {error}") from None
    if other:
        differ = ", ".join(f"--{name} {kept.get(name)}, not {options[name]}" for name in other)
        raise ValueError(
            f"checkpoint {path} was made with {differ}: a resumed run must have the same options"
        )
    return curve


def _write_curve(path: Path, curve: list) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("dimension", "generation", "iterations_of_untrained", "held_out", "seconds"))
    writer.writerows((d, g, f"{c:.5f}", f"{h:.5f}", f"{s:.1f}") for d, g, c, h, s in curve)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))
