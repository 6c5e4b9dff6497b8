"""The network of the deep conjugate direction method (pysolve.DirectionNet)."""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np

from pysolve import _direction_net_weights
from pysolve._array_files import read_arrays, save_arrays
from pysolve.training.arguments import check_checkpoints, out_file, positive, read_by, whole_number

RENEWED = 0.2  # chance of a slot of the batch to start anew; the others go on from their last step's residual


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--architecture", choices=("64", "128"), default="64", help="depth of the network")
    add("--loss", choices=("energy", "residual"), default="energy", help="the paper's is residual")
    add("--size", type=whole_number(1), default=32, help="cells along each axis of the training boxes")
    add("--steps", type=whole_number(1), default=1000, help="steps of Adam")
    add("--batch", type=whole_number(1), default=10, help="residuals a step")
    add(
        "--rate", type=positive, default=1e-3, help="first learning rate; falls to a twentieth along a cosine"
    )
    add("--seed", type=whole_number(0), default=0, help="draws the first weights and all data")
    add("--start", type=read_by(_weights_file), help="weights to start from, in place of random ones")
    add(
        "--out",
        type=out_file,
        required=True,
        help="file of weights to write; the curve goes beside it, as .csv",
    )
    add("--half", action="store_true", help="round the weights that are written to float16")
    add("--resume", action="store_true", help="go on from the checkpoint of an interrupted run")
    add("--checkpoint-every", type=whole_number(1), default=50, help="steps between checkpoints")


def _weights_file(text: str) -> Path:
    _direction_net_weights.read(Path(text))
    return Path(text)


def run(args: argparse.Namespace) -> None:
    checkpoint = args.out.with_suffix(".checkpoint.npz")
    check_checkpoints(args, [checkpoint])
    try:
        import torch  # noqa: F401
    except ImportError:
        sys.exit("training direction_net needs torch, which is not installed: pip install pysolve[train]")
    from pysolve.training.direction_net_loop import Training

    training = Training(args)
    if args.resume and checkpoint.exists():
        try:
            training.restore(read_arrays(checkpoint, str(checkpoint)))
        except (ValueError, KeyError) as error:
            args.refuse(f"'{checkpoint}' is no checkpoint of this training: {error}")
    elif args.resume:
        print(f"no checkpoint {checkpoint}: starting from the beginning", flush=True)
    started = time.perf_counter() - training.seconds
    while training.step < args.steps:
        loss = training.advance()
        training.seconds = time.perf_counter() - started
        last = training.step == args.steps
        if training.step % 10 == 0 or last:
            left = training.seconds / training.step * (args.steps - training.step)
            print(f"step {training.step}/{args.steps}  loss {loss:.4f}  {left:.0f} s left", flush=True)
        if training.step % args.checkpoint_every == 0 or last:
            save_arrays(checkpoint, training.state())
    save_arrays(args.out, training.weights(np.float16 if args.half else np.float32))
    write_curve(args.out.with_suffix(".csv"), training.losses)
    checkpoint.unlink(missing_ok=True)


def write_curve(path: Path, losses: list[float]) -> None:
    """Means of the loss over 50 steps each."""
    with open(path, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["step", "loss"])
        for first in range(0, len(losses), 50):
            block = losses[first : first + 50]
            table.writerow([first + len(block), f"{np.mean(block):.5f}"])
