"""What `matrix_completion` does not do with entries on a GPU, and what it says then."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pysolve import _backend
from pysolve._matrix_completion_entries import Triplets


def together(entries: Any, weights: Any, x0: Any) -> bool:
    """Whether the entries are on a GPU; TypeError unless the other arrays are where they are."""
    # Those of a file are on the host.
    values = entries.values if isinstance(entries, Triplets) else np.empty(0)
    first = x0 if isinstance(x0, tuple) and len(x0) == 2 else (None, None)
    return _backend.same_device(observed=values, weights=weights, **{"x0[0]": first[0], "x0[1]": first[1]})


def on_gpu(observed: Any) -> bool:
    """Whether `observed`, in any form, is."""
    parts = observed[0] if isinstance(observed, tuple) and observed else observed
    return any(_backend.on_device(x) for x in (parts if isinstance(parts, tuple) else (parts,)))


def device_method(rank: Any, loss: str, bias: bool, method: str, split: Any, alone: bool) -> str:
    """The method for entries on a GPU; TypeError for what they cannot be fitted with."""
    asked = {
        f"rank={rank!r}": isinstance(rank, str),
        f"loss={loss!r}": loss != "l2",
        "bias=True": bias,
        f"method={method!r}": method == "gauss-newton",
        "split=True": bool(split),
        "pysolve.distributed": not alone,
    }
    for argument, wrong in asked.items():
        if wrong:
            refuse(argument, "observed")
    return "als"


def refuse(what: str, name: str) -> None:
    """Says that something is for arrays on the host."""
    raise TypeError(f"{what} is for arrays on the host, but {name} is on a GPU: move it with cupy.asnumpy")


class Placed:
    """A result whose factors are on the host or on a GPU."""

    U: Any
    V: Any
    seen: Any

    def to_device(self, device: str) -> Any:
        """The same result with its factors on the host or on the GPU.

        Parameters
        ----------
        device : {"cpu", "cuda"}
            Where to.

        Returns
        -------
        CompletionResult
            With copies of the factors; `self` where they are there already.
        """
        if device not in ("cpu", "cuda"):
            raise ValueError(f"device must be 'cpu' or 'cuda', not {device!r}")
        if _backend.on_device(self.U) == (device == "cuda"):
            return self
        move = _backend.device_namespace().asarray if device == "cuda" else _to_host
        kept = self.seen if device == "cpu" else None
        return dataclasses.replace(self, U=move(self.U), V=move(self.V), seen=kept)  # type: ignore[type-var]

    def _check_on_host(self, what: str) -> None:
        if _backend.on_device(self.U):
            raise TypeError(
                f"{what} is for results on the host, but the factors are on a GPU: use to_device('cpu'), which copies "
                "them with cupy.asnumpy"
            )


def _to_host(x: Any) -> Any:
    return x.get()
