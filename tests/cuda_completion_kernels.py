"""The kernels of matrix completion, thread by thread on the host: a part of `SimulatedKernels` in cuda_cases.py."""

import numpy as np

SKETCHES = ["count", "rows", "srht"]


def stride(k):
    return -(-k // 8) * 8


def checked(out, what):
    """What a kernel returns, with the message of the binding where something did not fit."""
    if out[1] >= 0:
        raise ValueError(
            f"{what} {int(out[1])} does not fit: it names an entry or an index that is not there"
        )
    return float(out[0])


class CompletionKernels:
    """Names and arguments as in `_core`; `_run` is that of `SimulatedKernels`."""

    def matrix_completion_sort(
        self, keys, others, values, weights, begin, sorted_others, sorted_values, sorted_weights
    ):
        arrays = keys, others, values, weights, begin, sorted_others, sorted_values, sorted_weights
        fault = self._run("matrix_completion_sort", [], (keys.size, begin.size - 1), arrays)[0]
        checked([0, fault], "entry")

    def _rows(self, kernel, observed, V, k, more, arrays, numbers=()):
        sizes = observed[0].size, V.size // stride(k), observed[2].size, k, *more
        return self._run(kernel, [V.dtype], sizes, (*observed, *arrays, np.array(numbers, float)))

    def matrix_completion_half_step(
        self, observed, V, U, k, reg, n_cg, shrunk, relaxation=1.0, foreseen=False
    ):
        more, arrays = (n_cg, foreseen), (V, U, reg, shrunk)
        return checked(
            self._rows("matrix_completion_half_step", observed, V, k, more, arrays, [relaxation]), "row"
        )

    def matrix_completion_sketched_step(
        self, observed, V, U, k, reg, n_cg, chosen, kind, n_sketch, seed, shrunk
    ):
        more = n_cg, chosen.size, SKETCHES.index(kind), n_sketch, seed
        arrays = V, U, reg, shrunk, chosen
        return checked(self._rows("matrix_completion_sketched_step", observed, V, k, more, arrays), "row")

    def matrix_completion_nonneg_step(self, observed, V, U, k, reg, n_sweeps):
        out = self._rows("matrix_completion_nonneg_step", observed, V, k, [n_sweeps], (V, U, reg))
        return checked(out, "row")

    def matrix_completion_gradient(self, observed, V, U, out, k):
        return checked(self._rows("matrix_completion_gradient", observed, V, k, (), (V, U, out)), "row")

    def matrix_completion_normal(self, observed, U, V, P, Q, out, k, damping):
        arrays = U, V, P, Q, out
        return checked(self._rows("matrix_completion_normal", observed, V, k, (), arrays, [damping]), "row")

    def matrix_completion_blocks(self, observed, V, k, damping, H):
        return checked(self._rows("matrix_completion_blocks", observed, V, k, (), (V, H), [damping]), "row")

    def matrix_completion_apply_blocks(self, H, X, k, factor):
        arrays = H, X, np.array([factor])
        self._run("matrix_completion_apply_blocks", [X.dtype], (X.size // stride(k), k), arrays)

    def matrix_completion_residual(self, rows, cols, values, weights, U, V, k, r):
        sizes = rows.size, U.size // stride(k), V.size // stride(k), k
        arrays = rows, cols, values, weights, U, V, r
        return checked(self._run("matrix_completion_residual", [V.dtype], sizes, arrays), "entry")

    def matrix_completion_deviations(self, observed, V, U, k, r, medians):
        arrays = V, U, r, medians
        checked(self._rows("matrix_completion_deviations", observed, V, k, (), arrays), "row")

    def matrix_completion_gram(self, V, k, G):
        self._run("matrix_completion_gram", [V.dtype], (V.size // stride(k), k), (V, G))

    def matrix_completion_transform(self, V, k, R, limit):
        arrays = V, R, np.array([limit])
        return int(self._run("matrix_completion_transform", [V.dtype], (V.size // stride(k), k), arrays)[0])


def completion_arguments(claim):
    """What the kernels take, with arrays that are on no device, of one row, column and entry: name -> arguments."""
    long, index, x, row = claim("<i8", 1), claim("<i4", 1), claim("<f8", 1), claim("<f8", 8)
    observed = long, long, index, x, None
    calls = {
        "sort": (index, index, x, None, claim("<i8", 2), index, x, None),
        "half_step": (observed, row, row, 1, None, 2, None),
        "sketched_step": (observed, row, row, 1, None, 2, long, "count", 4, 1, None),
        "nonneg_step": (observed, row, row, 1, None, 2),
        "gradient": (observed, row, row, row, 1),
        "normal": (observed, row, row, row, row, row, 1, 0.5),
        "blocks": (observed, row, 1, 0.5, row),
        "apply_blocks": (row, row, 1, 0.5),
        "residual": (index, index, x, None, row, row, 1, None),
        "deviations": (observed, row, row, 1, x, x),
        "gram": (row, 1, x),
        "transform": (row, 1, x, 1.0),
    }
    return {f"matrix_completion_{verb}": call for verb, call in calls.items()}
