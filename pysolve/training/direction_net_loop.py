"""One step of training after another, and its state: all of it, so that a resumed run gives the same weights."""

import argparse
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pysolve.training import direction_net_data as data
from pysolve.training import direction_net_model as model
from pysolve.training.direction_net import RENEWED

BETAS, EPSILON = (0.9, 0.999), 1e-8
LARGEST_GRADIENT = 1.0  # norm that longer gradients are cut to
SETTINGS = ("architecture", "loss", "size", "steps", "batch", "rate", "seed")  # that a resumed run must share


class Training:
    """Adam on the mean over a batch of residuals b of what a step along d = f(b) leaves, alpha = b.d / d.A d.

    With the loss "residual", the paper's, that is |b - alpha A d|^2 / |b|^2; with "energy" it is the squared error in
    the energy norm, 1 - (b.d)^2 / (d.A d  b.A^-1 b), which is what the line search makes smallest.

    Each slot of the batch follows a solve: its next residual is what the step along the direction left, until it
    starts anew. So the network sees the residuals that it leaves itself.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.settings = {name: getattr(args, name) for name in SETTINGS}
        if args.start is None:
            self.parameters = model.initial(args.architecture, args.seed)
        else:
            with np.load(args.start, allow_pickle=False) as arrays:
                if str(arrays["architecture"]) != args.architecture:
                    raise SystemExit(f"--start has architecture {arrays['architecture']}")
                self.parameters = model.from_arrays(arrays)
        for p in self.parameters:
            p.requires_grad_(True)
        self.adam = torch.optim.Adam(self.parameters, lr=args.rate, betas=BETAS, eps=EPSILON)
        self.step, self.seconds, self.losses = 0, 0.0, list[float]()
        self.samples: list[data.Sample] = []
        self.born = np.zeros(args.batch, dtype=np.int64)  # number of the sample in each slot
        for slot in range(args.batch):
            self.born[slot] = slot
            self.samples.append(data.draw(args.size, args.seed, slot))

    def rate(self) -> float:
        share = self.step / max(1, self.settings["steps"])
        return float(self.settings["rate"]) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))

    def advance(self) -> float:
        """One step; the mean loss over the batch."""
        faces, shift, fluid, b = self._batch()
        d = fluid * model.network(self.parameters, b, self.settings["architecture"])
        left, gain = model.step_along(faces, shift, b, d)
        energies = torch.tensor([s.energy for s in self.samples])
        if self.settings["loss"] == "residual":
            losses = left.square().sum((1, 2, 3, 4)) / b.square().sum((1, 2, 3, 4))
        else:
            losses = 1 - gain / energies
        self.adam.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
        for group in self.adam.param_groups:
            group["lr"] = self.rate()
        self.adam.step()
        self.step += 1
        self._follow(left.detach().numpy(), (energies - gain).detach().tolist())
        self.losses.append(float(losses.mean().detach()))
        return self.losses[-1]

    def _batch(self) -> tuple[list[Any], Any, Any, Any]:
        def stack(arrays: list[np.ndarray]) -> Any:
            return torch.from_numpy(np.stack(arrays)[:, None])

        faces = [stack([s.faces[axis] for s in self.samples]) for axis in range(3)]
        parts = [stack([getattr(s, name) for s in self.samples]) for name in ("shift", "fluid", "residual")]
        return faces, parts[0], parts[1], parts[2]

    def _follow(self, left: np.ndarray, energies: list[float]) -> None:
        """The residuals of the next step: what this one left, or a fresh sample."""
        size, seed = self.settings["size"], self.settings["seed"]
        renewed = np.random.default_rng([seed, self.step, 1]).random(len(self.samples)) < RENEWED
        for slot, sample in enumerate(self.samples):
            if renewed[slot] or not (np.isfinite(left[slot]).all() and left[slot].any()):
                self.born[slot] = self.step * len(self.samples) + slot
                self.samples[slot] = data.draw(size, seed, int(self.born[slot]))
            else:
                sample.follow(left[slot, 0], energies[slot])

    def weights(self, dtype: Any) -> dict[str, np.ndarray]:
        arrays = model.to_arrays(self.parameters, self.settings["architecture"])
        return {name: x.astype(dtype) if x.dtype == np.float32 else x for name, x in arrays.items()}

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as arrays."""
        moments = [self.adam.state[p] for p in self.parameters]
        arrays: dict[str, Any] = {name: np.array(value) for name, value in self.settings.items()}
        arrays |= {"step": self.step, "seconds": self.seconds, "losses": self.losses, "born": self.born}
        arrays["residuals"] = np.stack([s.residual for s in self.samples])
        arrays["energies"] = [(s.energy, s.least) for s in self.samples]
        for k, (p, moment) in enumerate(zip(self.parameters, moments, strict=True)):
            arrays[f"parameter_{k}"] = p.detach().numpy()
            arrays[f"mean_{k}"] = moment["exp_avg"].numpy()
            arrays[f"square_{k}"] = moment["exp_avg_sq"].numpy()
        return arrays

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, value in self.settings.items():
            if arrays[name].item() != value:
                raise SystemExit(f"the checkpoint was made with {name} = {arrays[name]}, not {value}")
        self.step, self.seconds = int(arrays["step"]), float(arrays["seconds"])
        self.losses = arrays["losses"].tolist()
        self.born = arrays["born"].copy()
        size, seed = self.settings["size"], self.settings["seed"]
        self.samples = [data.draw(size, seed, int(number)) for number in self.born]
        kept = zip(self.samples, arrays["residuals"], arrays["energies"].tolist(), strict=True)
        for sample, residual, energies in kept:
            sample.residual, (sample.energy, sample.least) = residual.copy(), energies
        with torch.no_grad():
            for k, p in enumerate(self.parameters):
                p.copy_(torch.from_numpy(arrays[f"parameter_{k}"].copy()))
                self.adam.state[p] = {
                    "step": torch.tensor(float(self.step)),
                    "exp_avg": torch.from_numpy(arrays[f"mean_{k}"].copy()),
                    "exp_avg_sq": torch.from_numpy(arrays[f"square_{k}"].copy()),
                }
