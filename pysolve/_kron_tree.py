"""Products with a sum of Kronecker products that do what terms have in common once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pysolve._kron_algebra import Terms
from pysolve._kron_factors import Factor
from pysolve._kron_products import mode_product
from pysolve._kron_workspace import Workspace

Groups = list[tuple[Factor, Any]]


class SumTree:
    """sum_t c_t A_1^(t) x ... x A_d^(t), factored out axis by axis.

    Terms with the same factor along the first axis are added before it is applied, and so on along the further axes: a
    Kronecker sum takes d mode products, not d^2. A subtree of identities is a number.
    """

    def __init__(self, terms: Terms) -> None:
        shapes = [factor.shape for factor in terms[0][1]]
        self.rows, self.columns = [m for m, _ in shapes], [n for _, n in shapes]
        self.root = _grouped(terms, 0)

    def apply(self, x: np.ndarray, y: np.ndarray, workspace: Workspace) -> None:
        """Write the product into y; both contiguous, of one type, (N, columns) and not overlapping."""
        if isinstance(self.root, list):
            self._evaluate(self.root, 0, x.reshape(-1), y.reshape(-1), x.shape[1], workspace)
        else:
            np.multiply(x, self.root, out=y)

    def _evaluate(
        self, groups: Groups, axis: int, x: np.ndarray, y: np.ndarray, columns: int, workspace: Workspace
    ) -> None:
        """y = the sum over the axes from `axis` on; the axes before it are those of x."""
        left = math.prod(self.columns[:axis])
        right = math.prod(self.rows[axis + 1 :]) * columns
        for g, (factor, below) in enumerate(groups):
            target = workspace.array(("sum", axis), y.shape, y.dtype, y) if g else y
            source = x
            if isinstance(below, list):
                size = left * self.columns[axis] * right
                source = target
                if not factor.is_identity:
                    source = workspace.array(("below", axis), (size,), y.dtype, y)
                self._evaluate(below, axis + 1, x, source, columns, workspace)
            if not factor.is_identity:
                mode_product(factor, source, target, left, right, workspace)
                if not isinstance(below, list) and below != 1:
                    target *= below
            elif not isinstance(below, list):
                np.multiply(x, below, out=target)
            if g:
                y += target


def _grouped(terms: Terms, axis: int) -> Any:
    """The terms grouped by their factor along the axis; a number where nothing but identities is left."""
    if all(factor.is_identity for _, factors in terms for factor in factors[axis:]):
        return sum(c for c, _ in terms)
    groups: dict[tuple, tuple[Factor, Terms]] = {}
    for c, factors in terms:
        groups.setdefault(factors[axis].key, (factors[axis], []))[1].append((c, factors))
    return [(factor, _grouped(group, axis + 1)) for factor, group in groups.values()]
