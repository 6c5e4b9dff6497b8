"""Solves and determinants of sums of Kronecker products by bases that make all factors diagonal or triangular."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from pysolve._kron_algebra import Terms
from pysolve._kron_eigen import axis_form, eigenvalues
from pysolve._kron_factors import Factor
from pysolve._kron_products import Chain
from pysolve._kron_spectrum import Spectrum
from pysolve._kron_triangular import back_substitute, is_sum
from pysolve._kron_workspace import Workspace


class Decomposition:
    """A = V^-H F V^-1 with F diagonal (fast diagonalisation), or upper triangular (Schur): x = V F^-1 V^H b."""

    def __init__(self, terms: Terms) -> None:
        self.keys, distinct = _numbered(terms)
        self.coefficients = [c for c, _ in terms]
        self.forms = [axis_form(along, f"axis {j}") for j, along in enumerate(distinct)]
        self.identities = [[factor.is_identity for factor in along] for along in distinct]
        self.triangular = [j for j, form in enumerate(self.forms) if not form.is_diagonal]
        # Real factors and coefficients have a real solution, though the bases may be complex.
        self.is_real = not np.iscomplexobj(self.coefficients) and all(
            factor.dtype.kind == "f" for along in distinct for factor in along
        )
        self.real_schur = self._has_real_schur_form()
        if self.real_schur:
            self.forms = [axis_form(along, f"axis {j}", real=True) for j, along in enumerate(distinct)]
        values = [[eigenvalues(form) for form in axis.forms] for axis in self.forms]
        self.spectrum = Spectrum(
            [
                (c, [along[k] for along, k in zip(values, key, strict=True)])
                for c, key in zip(self.coefficients, self.keys, strict=True)
            ]
        )
        self.to_basis = Chain(tuple(form.V.T.conj() for form in self.forms))
        self.from_basis = Chain(tuple(form.V for form in self.forms))

    def _has_real_schur_form(self) -> bool:
        """Whether LAPACK's real Sylvester solver does it: two real factors, both not normal, and their sum."""
        if len(self.forms) != 2 or len(self.triangular) != 2 or not self.is_real:
            return False
        one_each = all(sum(not is_one for is_one in along) == 1 for along in self.identities)
        return one_each and is_sum(self._triangles(), dict.fromkeys(self.keys, 1))

    def _triangles(self) -> list[list[np.ndarray | None]]:
        return [
            [None if is_one else T for is_one, T in zip(self.identities[j], self.forms[j].forms, strict=True)]
            for j in self.triangular
        ]

    def check(self, name: str) -> None:
        """LinAlgError where an eigenvalue is 0 in comparison with what it is the sum of."""
        low, high, smallest = self.spectrum.extremes
        if low <= np.finfo(self.spectrum.dtype).eps * self.spectrum.bound:
            raise LinAlgError(
                f"{name} is singular to working precision: its eigenvalue nearest to 0 is {smallest:.3g}, the largest "
                f"in absolute value is {high:.3g}; rcond= asks for the least-squares solution"
            )

    def solve(self, b: np.ndarray, workspace: Workspace, rcond: float | None) -> np.ndarray:
        """Solution for a contiguous b (N, columns), in a new array."""
        if rcond is not None:
            self._check_unitary()
        real = b.dtype.kind == "f"
        if self.real_schur and not real:
            return self.solve(b.real.copy(), workspace, rcond) + 1j * self.solve(
                b.imag.copy(), workspace, rcond
            )
        types = [axis.V.dtype for axis in self.forms] + [T.dtype for axis in self.forms for T in axis.forms]
        dtype = np.result_type(b.dtype, *self.coefficients, *types)
        b = b.astype(dtype, copy=False)
        y, x = workspace.array("basis", b.shape, b.dtype, b), np.empty_like(b)
        self.to_basis.apply(b, y, workspace)
        if self.triangular:
            y = np.ascontiguousarray(self._back_substituted(y))
        else:
            least = 0.0 if rcond is None else rcond * self.spectrum.extremes[1]
            self.spectrum.divide(y, max(least, np.finfo(float).tiny) if rcond is not None else 0.0)
        self.from_basis.apply(y, x, workspace)
        return x.real.copy() if real and self.is_real and x.dtype.kind == "c" else x

    def _check_unitary(self) -> None:
        for j, form in enumerate(self.forms):
            if not form.is_diagonal or form.log_volume:
                raise ValueError(
                    f"rcond needs factors that a unitary basis makes diagonal (symmetric ones, say), which those along "
                    f"axis {j} are not: use scipy.sparse.linalg.lsqr with this operator"
                )

    def _back_substituted(self, y: np.ndarray) -> np.ndarray:
        dims = [form.V.shape[0] for form in self.forms]
        rest = [j for j in range(len(dims)) if j not in self.triangular]
        order = [*self.triangular, *rest, len(dims)]
        C = np.ascontiguousarray(y.reshape(*dims, y.shape[1]).transpose(order))
        coefficients = self._along_diagonals(rest)
        triangles = self._triangles()
        if rest:
            back_substitute(C, triangles, coefficients)
        else:
            for column in range(C.shape[-1]):
                part = np.ascontiguousarray(C[..., column])
                back_substitute(part, triangles, coefficients)
                C[..., column] = part
        return C.transpose(np.argsort(order)).reshape(y.shape)

    def _along_diagonals(self, rest: list[int]) -> dict[tuple[int, ...], Any]:
        """Coefficient of every combination of triangles: a number, or an array for the diagonal axes and columns."""
        total: dict[tuple[int, ...], Any] = {}
        for c, key in zip(self.coefficients, self.keys, strict=True):
            a: Any = c
            if rest:
                vectors = [self.forms[j].forms[key[j]] for j in rest]
                a = c * functools.reduce(np.multiply.outer, vectors)[..., None]
            triangle = tuple(key[j] for j in self.triangular)
            total[triangle] = total.get(triangle, 0) + a
        return total

    def slogdet(self) -> tuple[Any, float]:
        """Of the operator: the eigenvalues' product, and the volumes of the bases that are not unitary."""
        sign, total = self.spectrum.slogdet()
        N = self.spectrum.n * self.spectrum.width
        total += sum(N // form.V.shape[0] * form.log_volume for form in self.forms if form.log_volume)
        return (sign.real if self.is_real else sign), total


def _numbered(terms: Terms) -> tuple[list[tuple[int, ...]], list[list[Factor]]]:
    """The different factors along each axis, and of each term which it has."""
    distinct: list[dict[tuple, int]] = [{} for _ in terms[0][1]]
    found: list[list[Factor]] = [[] for _ in terms[0][1]]
    keys = []
    for _, factors in terms:
        key = []
        for j, factor in enumerate(factors):
            k = distinct[j].setdefault(factor.key, len(found[j]))
            if k == len(found[j]):
                found[j].append(factor)
            key.append(k)
        keys.append(tuple(key))
    return keys, found
