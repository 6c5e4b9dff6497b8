"""What operators have in common whose arrays live on the host or on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysolve._backend import device_namespace, device_number, device_of, on_device, on_host, same_device


class Placed:
    """An operator that knows where its arrays are, and can be copied to the other place."""

    _place = "cpu"  # or "cuda"
    _keeps_arrays = True
    _twin: Any = None  # of an operator without arrays: the GPU, or None, and that for the other place

    def to_device(self, device: str) -> Any:
        """The same operator on the GPU or on the host; itself when it is there already.

        Parameters
        ----------
        device : {"cuda", "cpu"}
            "cuda" is the current device of CuPy. What is made from CuPy arrays is there from the start.

        Returns
        -------
        An operator of the same type, with copies of the arrays.

        Raises
        ------
        ValueError
            For another `device`.
        ImportError
            Where CuPy is not installed (``pip install pysolve[cuda]``).
        """
        if device not in ("cuda", "cpu"):
            raise ValueError(f"device must be 'cuda' or 'cpu', not {device!r}")
        if device == self._place:
            return self
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._place, other._twin = device, None
        other._move(self._copier(device))
        return other

    def _move(self, copied: Callable[[Any], Any]) -> None:
        """Replace every array by its copy, and forget what has to be made anew."""
        raise NotImplementedError

    def _copier(self, device: str) -> Callable[[Any], Any]:
        if device == "cpu":
            return on_host
        to_cuda = device_namespace().asarray
        return lambda x: to_cuda(x) if isinstance(x, np.ndarray) else x

    def _at(self, x: Any) -> Any:
        """This operator where `x` is; TypeError where arrays would have to be copied for that."""
        if on_device(x) == (self._place == "cuda"):
            return self
        if self._keeps_arrays:
            same_device(A=self, x=x)
        number = device_number(x)
        made_on, twin = self._twin or (None, None)  # read at once: another thread may make one too
        if twin is None or made_on != number:
            with device_of(x):
                twin = self.to_device("cuda" if on_device(x) else "cpu")
            self._twin = number, twin
        return twin
