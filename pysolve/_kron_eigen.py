"""Bases in which the factors along an axis are diagonal, or upper triangular, all at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.linalg import LinAlgError

from pysolve import _arrays
from pysolve._backend import namespace, on_device
from pysolve._kron_factors import DenseFactor, Factor, IdentityFactor


class AxisForm(NamedTuple):
    """V with V^H F V = diag(values), or upper triangular, for every factor F along an axis."""

    V: Factor
    forms: list[np.ndarray]  # of each factor: 1-D the diagonal, 2-D a triangle
    log_volume: float  # -2 log|det V|: 0 for a unitary V

    @property
    def is_diagonal(self) -> bool:
        return self.forms[0].ndim == 1


def is_hermitian(factor: Factor) -> bool:
    """Whether A = A^H up to rounding; kept."""
    if "hermitian" not in factor.kept:
        factor.kept["hermitian"] = factor.is_square and _small(
            (A := factor.toarray()) - A.conj().T, 64 * np.finfo(A.dtype).eps, A
        )
    return bool(factor.kept["hermitian"])


def hermitian_eigen(factor: Factor, name: str) -> tuple[np.ndarray, Factor]:
    """Eigenvalues and vectors, kept; ValueError if the factor is not Hermitian."""
    if not factor.is_square or not is_hermitian(factor):
        what = "square" if not factor.is_square else "symmetric (Hermitian)"
        raise ValueError(f"{name} must be {what} for an eigendecomposition; its shape is {factor.shape}")
    form = _form_of_one(factor)
    return form.forms[0], form.V


def axis_form(factors: list[Factor], name: str, real: bool = False) -> AxisForm:
    """The form of different factors along one axis; with `real` a real quasi-triangular one of a real factor.

    One factor: eigenvectors where it is normal, else a Schur form. Several that commute: those of a combination of
    them. Two Hermitian ones of which one is positive definite: the eigenvectors of the pencil.
    """
    others = [factor for factor in factors if not factor.is_identity]
    if not others:
        return AxisForm(factors[0], [factors[0].ones()] * len(factors), 0.0)  # type: ignore[attr-defined]
    if len(others) == 1:
        form = _form_of_one(others[0], real)
        alike = namespace(form.forms[0]).ones(form.forms[0].shape[:1], form.forms[0].real.dtype)
        identity = alike if form.is_diagonal else np.diag(alike)
        return form._replace(forms=[identity if F.is_identity else form.forms[0] for F in factors])
    found = _commuting(factors) or (_pencil(factors) if len(factors) == 2 == len(others) else None)
    if found is None:
        raise ValueError(
            f"{name} has {len(factors)} different factors that no common basis makes diagonal or triangular (they do "
            "not commute, and are no Hermitian pair with one positive definite): use pysolve.cg or "
            "scipy.sparse.linalg.gmres with this operator"
        )
    return found


def _form_of_one(factor: Factor, real: bool = False) -> AxisForm:
    key = "real schur" if real else "form"
    if key not in factor.kept:
        if isinstance(factor, IdentityFactor):
            factor.kept[key] = _identity_form(factor)
        else:
            factor.kept[key] = _computed_form(factor, real)
    return factor.kept[key]


def _identity_form(factor: IdentityFactor) -> AxisForm:
    return AxisForm(factor, [factor.ones()], 0.0)


def _computed_form(factor: Factor, real: bool) -> AxisForm:
    A = factor.toarray()
    n = A.shape[0]
    if n == 0:
        return _identity_form(IdentityFactor(0, A.real.dtype, factor.place))
    if on_device(A):
        return _form_on_device(factor, A)
    if is_hermitian(factor):
        w, Q = scipy.linalg.eigh(A, driver="evd", check_finite=False)
        return AxisForm(DenseFactor(Q), [w], 0.0)
    if A.dtype.kind == "f":  # a complex form of a real matrix is made from the real one
        if "schur" not in factor.kept:
            factor.kept["schur"] = scipy.linalg.schur(A, check_finite=False)
        T, U = factor.kept["schur"]
        if real:
            return AxisForm(DenseFactor(U), [T], 0.0)
        T, U = scipy.linalg.rsf2csf(T, U, check_finite=False)
        T = np.triu(T)
    else:
        T, U = scipy.linalg.schur(A, check_finite=False)
    return AxisForm(DenseFactor(U), [_diagonal_or_triangle(T)], 0.0)


def _form_on_device(factor: Factor, A: Any) -> AxisForm:
    """Eigenvectors by cuSOLVER; CuPy has no Schur form of other matrices."""
    if not is_hermitian(factor):
        raise NotImplementedError(
            f"a factor of shape {A.shape} is not symmetric (Hermitian), and on the device there is no Schur form: CuPy "
            "has none. Use to_device('cpu')"
        )
    w, Q = namespace(A).linalg.eigh(A)
    return AxisForm(DenseFactor(Q), [w], 0.0)


def _diagonal_or_triangle(T: np.ndarray) -> np.ndarray:
    """The diagonal where the triangle has nothing else: the matrix was normal."""
    rounding = T.shape[0] * np.finfo(T.dtype).eps
    return np.diagonal(T).copy() if _small(np.triu(T, 1), rounding, T) else T


def _commuting(factors: list[Factor]) -> AxisForm | None:
    """A Schur basis that makes all factors diagonal, or else triangular, as there is one if they commute.

    That of a combination of the factors, in which hardly two eigenvalues coincide; where its eigenvalues are too
    sensitive that of one factor may do.
    """
    matrices = [factor.toarray() for factor in factors]
    weights = np.cos(np.arange(1.0, len(factors) + 1))
    scales = [max(_arrays.largest_magnitude(A), float(np.finfo(A.dtype).tiny)) for A in matrices]
    mixed: Any = sum(weight / scale * A for weight, scale, A in zip(weights, scales, matrices, strict=True))
    combination = DenseFactor(mixed.astype(np.result_type(*matrices), copy=False))
    triangular = None
    for candidate in (combination, *(factor for factor in factors if not factor.is_identity)):
        found = _in_basis(_form_of_one(candidate).V, factors, matrices)
        if found is not None and found.is_diagonal:
            return found
        triangular = triangular or found
    return triangular


def _in_basis(V: Factor, factors: list[Factor], matrices: list[np.ndarray]) -> AxisForm | None:
    """The forms in a unitary basis, if they are all diagonal or all triangular up to rounding."""
    U = V.toarray()
    forms = [U.conj().T @ A @ U for A in matrices]
    rounding = 16 * max(U.shape[0], 4) * np.finfo(U.dtype).eps
    if all(_small(F - np.diag(np.diagonal(F)), rounding, F) for F in forms):
        diagonals = [np.diagonal(F).copy() for F in forms]
        pairs = zip(diagonals, factors, strict=True)
        return AxisForm(V, [w.real if is_hermitian(factor) else w for w, factor in pairs], 0.0)
    if all(_small(np.tril(F, -1), rounding, F) for F in forms):
        return AxisForm(V, [np.triu(F) for F in forms], 0.0)
    return None


def _pencil(factors: list[Factor]) -> AxisForm | None:
    """V^H A V = diag(w), V^H M V = I for Hermitian A and positive definite M, in either order."""
    if not all(is_hermitian(factor) for factor in factors):
        return None
    for order in 1, -1:
        A, M = (factor.toarray() for factor in factors[::order])
        try:
            if on_device(A):
                w, V = _pencil_on_device(A, M)
            else:
                w, V = scipy.linalg.eigh(A, M, driver="gvd", check_finite=False)
        except LinAlgError:
            continue
        log_volume = -2 * float(np.linalg.slogdet(V)[1])
        return AxisForm(DenseFactor(V), [w, np.ones_like(w)][::order], log_volume)
    return None


def _pencil_on_device(A: Any, M: Any) -> tuple[Any, Any]:
    """V^H A V = diag(w), V^H M V = I by M = L L^H: the eigenvectors Q of L^-1 A L^-H, and V = L^-H Q."""
    linalg = namespace(A).linalg
    L = linalg.cholesky(M)
    if not _small(L @ L.conj().T - M, 64 * len(M) * np.finfo(M.dtype).eps, M):  # CuPy does not tell otherwise
        raise LinAlgError("M is not positive definite")
    C = linalg.solve(L, linalg.solve(L, A).conj().T)
    w, Q = linalg.eigh((C + C.conj().T) / 2)
    return w, linalg.solve(L.conj().T, Q)


def _small(part: np.ndarray, rounding: float, whole: np.ndarray) -> bool:
    """max|part| <= rounding max|whole|."""
    return _arrays.largest_magnitude(part) <= float(rounding) * _arrays.largest_magnitude(whole)


def eigenvalues(form: np.ndarray) -> Any:
    """Eigenvalues of a diagonal, a triangle or a quasi-triangle."""
    if form.ndim == 1:
        return form
    if form.dtype.kind == "c" or not np.diagonal(form, -1).any():
        return np.diagonal(form)
    return scipy.linalg.eigvals(form, check_finite=False)
