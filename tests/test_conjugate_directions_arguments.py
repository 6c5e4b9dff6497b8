"""The kernels of conjugate_directions refuse wrong arguments, by name."""

import functools
import subprocess
import sys

import numpy as np
import pytest
from csr_cases import spd_matrix
from kernel_arguments import KINDS, assert_refused

import pysolve
from pysolve._backend import kernels

core = kernels(np.empty(0))
MATRIX = {
    "csr": ("indptr", "indices", "data"),
    "sell": ("slice_ptr", "column", "indices", "data"),
    "stencil": ("grid",),
}
# Name -> arrays written, and those whose size the kernel cannot know (it is told of slices, not of gathers).
KERNELS = {"orthogonalise": ("P", ()), "step": ("xr", ())}
KERNELS |= {f"run_{kind}": (["x", "r", "p", "q", "norms"], ["norms"]) for kind in MATRIX}
KERNELS["run_sell"][1].append("indices")


def arguments(name, dtype="f8", n=10, n_keep=3):
    """Good arguments of a kernel, by name."""
    vectors = {v: np.ones(n, dtype) for v in "zrxpq"}
    if name == "orthogonalise":
        kept = {"P": np.ones((n_keep, n), dtype), "Q": np.ones((n_keep, n), dtype), "pq": np.ones(n_keep)}
        return {"z": vectors["z"], "r": vectors["r"]} | kept | {"slot": 1}
    if name == "step":
        return {v: vectors[v] for v in "xrpq"} | {"alpha": 0.5}
    kind, matrix, state = name.removeprefix("run_"), spd_matrix(n, dtype), core.RunState()
    state.n_steps, state.tolerance = 3, -1.0
    operators = {
        "csr": lambda: (matrix.indptr, matrix.indices, matrix.data),
        "sell": lambda: pysolve.PackedMatrix(matrix)._kernel_args,
        "stencil": lambda: pysolve.gallery.poisson((2, 5), dtype=dtype)._kernel_args,
    }
    found = dict(zip(MATRIX[kind], operators[kind](), strict=True))
    found |= {"inverse_diagonal": np.ones(n, vectors["r"].real.dtype)} | {v: vectors[v] for v in "xrpq"}
    if kind == "stencil":
        found["q"] = None  # not used
    return found | {"norms": np.empty(3), "state": state}


def kernel_of(name):
    return getattr(core, f"conjugate_directions_{name}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
def test_wrong_arguments_are_refused(name, kind, dtype):
    if name == "run_stencil" and dtype == "c8":
        dtype = "f8"
    written, any_size = KERNELS[name]
    kernel, good = kernel_of(name), arguments(name, dtype)
    if kind == "another object":  # None is none
        kernel = functools.partial(kernel, **{"inverse_diagonal": good.pop("inverse_diagonal", None)})
        kernel = kernel if name.startswith("run") else kernel.func
        if name in ("run_csr", "run_sell"):  # None: see below
            kernel = functools.partial(kernel, q=good.pop("q"))
    assert_refused(kernel, good, kind, written, any_size)


@pytest.mark.parametrize("name", KERNELS)
def test_types_that_differ_are_refused(name):
    good, other = arguments(name), {"i4": "i8", "i8": "i4", "f8": "f4"}
    for changed, array in good.items():
        if isinstance(array, np.ndarray):
            wrong = array.astype(other[array.dtype.str[1:]])
            with pytest.raises(TypeError, match=r"must have dtype"):
                kernel_of(name)(**good | {changed: wrong})


@pytest.mark.parametrize("name", ["run_csr", "run_sell"])
@pytest.mark.parametrize("bad", [[1.0], "text", 2.0])
def test_scratch_and_diagonal_that_are_no_arrays_are_refused(name, bad):
    for changed in ("q", "inverse_diagonal"):
        with pytest.raises(TypeError, match=f"{changed} must be a NumPy array"):
            kernel_of(name)(**arguments(name) | {changed: bad})


@pytest.mark.parametrize("name", ["run_csr", "run_sell"])
def test_run_that_needs_scratch_refuses_to_go_without(name):
    # In a process of its own, which a write through a null pointer may end.
    script = (
        "import test_conjugate_directions_arguments as here\n"
        f"try:\n    here.kernel_of({name!r})(**here.arguments({name!r}) | {{'q': None}})\n"
        "except TypeError as error:\n    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:] = {sys.path!r}\n{script}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (found.returncode, found.stdout[:1]) == (0, "q"), found.stderr[-500:]


@pytest.mark.parametrize("name", ["run_csr", "run_sell", "run_stencil"])
def test_norms_too_few_for_the_steps_are_refused(name):
    good = arguments(name)
    with pytest.raises(ValueError, match="norms must have n_steps values"):
        kernel_of(name)(**good | {"norms": np.empty(2)})
    kernel_of(name)(**good | {"norms": np.empty(4)})
    good["state"].n_steps = 0
    kernel_of(name)(**good | {"norms": np.empty(0)})
    with pytest.raises(TypeError, match="RunState"):
        kernel_of(name)(**good | {"state": None})


@pytest.mark.parametrize("slot", [-1, 3])
def test_slot_out_of_range_is_refused(slot):
    with pytest.raises(ValueError, match=r"slot must lie in \[0, n_keep\)"):
        core.conjugate_directions_orthogonalise(**arguments("orthogonalise") | {"slot": slot})


@pytest.mark.parametrize("n_keep", [0, 65])
def test_number_of_directions_out_of_range_is_refused(n_keep):
    with pytest.raises(ValueError, match="pq must have 1 to 64 values"):
        core.conjugate_directions_orthogonalise(**arguments("orthogonalise", n_keep=n_keep) | {"slot": 0})


@pytest.mark.parametrize("alpha", ["text", None, 1j])
def test_factor_that_is_no_real_number_is_refused(alpha):
    with pytest.raises(TypeError, match=r"(?i)alpha|number|complex|str|None"):
        core.conjugate_directions_step(**arguments("step") | {"alpha": alpha})


def test_diagonal_of_a_complex_run_is_real():
    good = arguments("run_csr", "c16")
    with pytest.raises(TypeError, match="inverse_diagonal must have dtype f8"):
        core.conjugate_directions_run_csr(**good | {"inverse_diagonal": np.ones(10, "c16")})
