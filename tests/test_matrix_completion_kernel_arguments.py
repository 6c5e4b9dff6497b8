"""matrix_completion: wrong arguments for the compiled kernels are refused, and nothing crashes."""

import numpy as np
import pytest
from kernel_arguments import KINDS, assert_refused
from matrix_completion_cases import entries, padded

from pysolve._backend import kernels

core = kernels(np.empty(0))


def unpacked(name):
    """The kernel with the parts of `observed` as arguments of their own."""

    def call(**given):
        if "end" in given:
            parts = ("begin", "end", "indices", "values", "weights")
            given["observed"] = tuple(given.pop(part) for part in parts)
        return getattr(core, name)(**given)

    return call


def arguments(name, dtype):
    rng = np.random.default_rng(0)
    m, n, k = 6, 9, 3
    begin, end, indices, values, weights = entries(rng, m, n, np.full(m, 4), dtype, weighted=True)
    observed = {"begin": begin, "end": end, "indices": indices, "values": values, "weights": weights}
    U, V = padded(rng.standard_normal((m, k)), dtype), padded(rng.standard_normal((n, k)), dtype)
    step = {"V": V, "U": U, "k": k, "reg": np.ones(k), "n_cg": 2}
    return {
        "half_step": observed | step | {"shrunk": np.empty(m, "f4")},
        "sketched_step": observed
        | step
        | {
            "chosen": np.array([1, 4]),
            "kind": "count",
            "n_sketch": 12,
            "seed": 1,
            "shrunk": np.empty(2, "f4"),
        },
        "nonneg_step": observed | {"V": abs(V), "U": U, "k": k, "reg": np.ones(k), "n_sweeps": 2},
        "deviations": observed | {"V": V, "U": U, "k": k, "r": values.copy(), "medians": np.empty(m, dtype)},
        "gradient": observed | {"V": V, "U": U, "out": U.copy(), "k": k},
        "normal": observed | {"U": U, "V": V, "P": U, "Q": V, "out": U.copy(), "k": k, "damping": 0.0},
        "blocks": observed | {"V": V, "k": k, "damping": 0.5, "H": np.empty((m, k, 8), dtype)},
        "apply_blocks": {"H": np.ones((m, k, 8), dtype), "X": U, "k": k, "factor": 1.0},
        "sort": {
            **{
                "keys": indices,
                "others": indices,
                "values": values.astype("f8"),
                "weights": weights.astype("f8"),
            },
            **{"begin": np.empty(n + 1, np.int64), "sorted_others": indices.copy()},
            **{"sorted_values": values.astype("f8"), "sorted_weights": values.astype("f8")},
        },
        "residual": {
            **{"rows": indices % m, "cols": indices, "values": values, "weights": weights},
            **{"U": U, "V": V, "k": k, "r": values.copy()},
        },
        "gram": {"V": V, "k": k, "G": np.empty((k, k))},
        "transform": {"V": V, "k": k, "R": np.eye(k), "limit": 1.0},
    }[name]


WRITTEN = {
    "half_step": ["U", "shrunk"],
    "sketched_step": ["U", "shrunk"],
    "nonneg_step": ["U"],
    "deviations": ["r", "medians"],
    "gradient": ["out"],
    "normal": ["out"],
    "blocks": ["H"],
    "apply_blocks": ["X"],
    "sort": ["begin", "sorted_others", "sorted_values", "sorted_weights"],
    "residual": ["r"],
    "gram": ["G"],
    "transform": ["V"],
}
ANY_SIZE = {"sort": ["begin"], "residual": "UV", "gram": "V", "transform": "V"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", WRITTEN)
def test_wrong_arrays_are_refused_by_name(name, dtype, kind):
    kernel = unpacked(f"matrix_completion_{name}")

    def call(**given):  # None stands for "no such array" where an array may be absent
        return kernel(
            **{
                key: "None" if value is None and kind == "another object" else value
                for key, value in given.items()
            }
        )

    assert_refused(call, arguments(name, dtype), kind, WRITTEN[name], any_size=ANY_SIZE.get(name, ""))


WALKED = ["half_step", "sketched_step", "nonneg_step", "deviations", "gradient", "normal", "blocks"]


@pytest.mark.parametrize("name", WALKED)
@pytest.mark.parametrize(
    ("part", "at", "value"),
    [
        *[("indices", 5, value) for value in (-1, 9, 2**31 - 1, -(2**31))],
        *[("begin", 1, value) for value in (-1, 25, 2**62, -(2**62))],
        *[("end", 1, value) for value in (-1, 25, 3, 2**62, -(2**62))],
    ],
)
def test_entries_that_are_not_there_are_refused(name, part, at, value):
    good = arguments(name, "f8")
    good[part] = good[part].copy()
    good[part][at] = value
    with pytest.raises(ValueError, match="row 1 does not fit"):
        unpacked(f"matrix_completion_{name}")(**good)


def test_other_wrong_numbers_are_refused():
    good = arguments("half_step", "f8")
    step = unpacked("matrix_completion_half_step")
    for k in (0, -1, 4097, 2**40):
        with pytest.raises(ValueError, match="k must be from 1 to 4096"):
            step(**good | {"k": k})
    with pytest.raises(ValueError, match="n_cg"):
        step(**good | {"n_cg": -1})
    with pytest.raises(ValueError, match="rows of 8"):
        step(**good | {"V": np.zeros(9)})
    sketched = arguments("sketched_step", "f8")
    for wrong in (
        {"kind": "other"},
        {"n_sketch": 0},
        {"chosen": np.array([6])},
        {"chosen": np.array([3, 3])},
    ):
        with pytest.raises(ValueError):
            unpacked("matrix_completion_sketched_step")(**sketched | wrong)
    residual = arguments("residual", "f8")
    with pytest.raises(ValueError, match="entry 0 does not fit"):
        core.matrix_completion_residual(**residual | {"rows": residual["rows"] - 10})


def test_values_that_are_not_finite_do_no_harm():
    good = arguments("half_step", "f8")
    good["values"][0] = np.nan
    good["weights"][9] = np.inf
    unpacked("matrix_completion_half_step")(**good)
    good["V"][:] = 1e300
    unpacked("matrix_completion_half_step")(**good)
