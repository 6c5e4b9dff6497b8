"""The CUDA kernels equal the reference: on a device where there is one, and always as simulated launches.

For the simulated launches the .cu files themselves are compiled for the host (tests/cuda_host) and run thread by
thread, so that their arithmetic, their indices and their sums are tested without a device. What only a device shows
(the launches themselves, memory, streams) is tested by the same functions with the mark `gpu`.

The products of matrices are in `test_cuda_matrices.py`, the parts of the V-cycle in `test_cuda_multilevel.py`, sweeps
in `test_cuda_sor.py`, the network in `test_cuda_direction_net.py`, launches of other shapes in `test_cuda_bodies.py`;
the module itself, with or without a device, is at the end of this file.
"""

import numpy as np
import pytest
import reference.conjugate_directions
import reference.stencil
from csr_cases import VALUES, random_values
from cuda_cases import ONLY_CPU, PLACES, Claim, kernels_at, size, stencil_handle
from cuda_completion_kernels import completion_arguments
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.csr import wide
from stencil_cases import operators

from pysolve import _backend, gallery

checked = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module", params=PLACES)
def kernels(request):
    """Every kernel, with NumPy arrays in and out."""
    return kernels_at(request)


def empty_vectors(n, dtype, count):
    return [np.full(n, np.nan, dtype) for _ in range(count)]


# ---- stencil -----------------------------------------------------------------------------------------------


@given(A=operators())
@checked
def test_stencil_products_equal_the_reference(kernels, A):
    grid, ours = stencil_handle(kernels, A)
    x, b = np.random.default_rng(0).standard_normal((2, A.shape[0])).astype(A.dtype)
    y, z, r = empty_vectors(x.size, A.dtype, 3)
    expected = np.empty(x.size)
    reference.stencil.stencil_matvec(grid, x, expected)
    eps = float(np.finfo(A.dtype).eps)
    tolerance = 32 * eps * float(A.diagonal().max()) * float(abs(x).max())
    kernels.stencil_matvec(ours, x, y)
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    dot = kernels.stencil_matvec_dot(ours, x, z)
    np.testing.assert_array_equal(z, y)
    assert dot == pytest.approx(float(wide(x) @ wide(y)), rel=1e-12, abs=1e-12 * size(x, y))
    squared = kernels.stencil_residual(ours, b, x, r)
    np.testing.assert_allclose(r, b - expected, rtol=2 * eps, atol=2 * tolerance)
    assert squared == pytest.approx(size(r, r), rel=1e-12)


def test_norm_of_a_stencil_residual_is_not_drowned_by_decoupled_cells(kernels):
    solid = np.zeros((6, 5, 40), bool)
    solid[2:4, 1:3, 7:30] = True
    A = gallery.poisson(solid.shape, solid=solid)
    x = np.random.default_rng(0).standard_normal(A.shape[0])
    x[solid.ravel()] = 1e12
    b, r = A @ x, np.empty(x.size)
    b[~solid.ravel()] += 1e-3
    squared = kernels.stencil_residual(stencil_handle(kernels, A)[1], b, x, r)
    assert squared == pytest.approx(1e-6 * (~solid).sum(), rel=1e-6)


# ---- conjugate_directions ----------------------------------------------------------------------------------


@given(
    n=st.sampled_from([0, 1, 7, 33, 300]),
    n_keep=st.sampled_from([1, 2, 3, 4, 5, 9, 64]),
    dtype=st.sampled_from(VALUES),
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
@checked
def test_orthogonalise_equals_the_reference(kernels, n, n_keep, dtype, seed, share):
    rng = np.random.default_rng(seed)
    z, r = (random_values(rng, n, dtype) for _ in range(2))
    P, Q = (random_values(rng, n_keep * n, dtype).reshape(n_keep, n) for _ in range(2))
    pq = np.where(rng.random(n_keep) < share, rng.uniform(n, 2 * n, n_keep), rng.choice([0.0, -1.0, np.nan]))
    P[~(pq > 0)] = np.nan  # what is not in use may hold anything
    slot = int(rng.integers(n_keep))
    expected = P.copy()
    pr, pp, c = kernels.conjugate_directions_orthogonalise(z, r, P, Q, pq, slot)
    wanted = reference.conjugate_directions.conjugate_directions_orthogonalise(z, r, expected, Q, pq, slot)
    eps = float(np.finfo(z.dtype).eps)
    np.testing.assert_allclose(P, expected, rtol=0, atol=50 * n_keep * eps)
    p = wide(P[slot])
    assert pr == pytest.approx(np.vdot(p, wide(r)), rel=1e-12, abs=1e-12 * size(p, r))
    assert pp == pytest.approx(np.vdot(p, p).real, rel=1e-12)
    np.testing.assert_allclose(c, wanted[2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("n", [0, 1, 255, 1000])
def test_step_equals_the_reference(kernels, dtype, n):
    rng = np.random.default_rng(n)
    x, r, p, q = (random_values(rng, n, dtype) for _ in range(4))
    alpha = complex(0.3, -0.7) if dtype[0] == "c" else 0.3
    new_x, new_r = x.copy(), r.copy()
    rr = kernels.conjugate_directions_step(x, r, p, q, alpha)
    reference.conjugate_directions.conjugate_directions_step(new_x, new_r, p, q, alpha)
    eps = float(np.finfo(x.dtype).eps)
    np.testing.assert_allclose(x, new_x, rtol=0, atol=16 * eps)
    np.testing.assert_allclose(r, new_r, rtol=0, atol=16 * eps)
    assert rr == pytest.approx(size(r, r), rel=1e-12)


# ---- the module, device or not -----------------------------------------------------------------------------

# What only the CPU has, with the reason in csrc/conjugate_directions.cu: whole solves in one call.
ONLY_CUDA = {
    "device_count": "what _core runs on is the host",
    **dict.fromkeys(
        ("MultilevelPlan", "multilevel_plan", "multilevel_cycle"),
        "a V-cycle is one call, for a graph; on the host Python walks the levels, and scales by what it meets",
    ),
}
NO_KERNELS = {"StencilGrid", "stencil_grid", "compiler", "version", "instruction_set", "openmp_threads"}
NO_KERNELS |= {"RunState", "direction_net_work_size", "kron_work_size"}
# What takes a split, which cannot be made without a device.
NO_KERNELS |= {"sor_run_csr", "sor_solve_csr", "sor_precondition_csr", "ssor_cg_run_csr"}


@pytest.fixture
def module():
    if _backend._cuda is None:
        pytest.skip("this build has no CUDA backend")
    return _backend._cuda


def public(module):
    return {name for name in dir(module) if not name.startswith("_")}


def arguments(module):
    """What every kernel takes, with arrays that are on no device: name -> arguments."""
    ints, longs, one, x = Claim("<i4", 8), Claim("<i8", 2), Claim("<i8", 1), Claim("<f8", 8)
    csr, sell = (Claim("<i4", 9), ints, x), (longs, Claim("<i4", 1), ints, x)
    grid = module.stencil_grid((2, 2, 2), (0, 0, 0), (0, 0, 0), (1.0, 1.0, 1.0), 0.0, None, "f8")
    matrices = {"csr": csr, "sell": sell, "stencil": (grid,)}
    single = module.stencil_grid((2, 2, 2), (0, 0, 0), (0, 0, 0), (1.0, 1.0, 1.0), 0.0, None, "f4")
    f, pair, faces, net = Claim("<f4", 8), Claim("<f4", 4), Claim("<f4", 12), np.ones(31, np.float32)
    place, apart = ((2, 2, 2), 1, False), Claim("<f8", 8, data=(1024, False))
    floats = {k: Claim("<f4", k) for k in (8, 16, 432, 6 * 16, 6 * 6912, 12 * 6912)}
    cells = floats[8]
    inner = floats[6 * 6912], floats[12 * 6912], floats[6 * 16]
    direction_net = ((2, 2, 2), floats[432], floats[16], *inner, floats[16], 0.0)
    work = Claim("<f4", module.direction_net_work_size((2, 2, 2)))
    return {
        **{f"{stem}_matvec": (*A, x, x) for stem, A in matrices.items()},
        **{f"{stem}_matvec_dot": (*A, x, x) for stem, A in matrices.items()},
        **{f"{stem}_residual": (*A, x, x, x) for stem, A in matrices.items()},
        "stencil_components": (grid, ints),
        "stencil_project_out": (ints, 1, x),
        "csr_check": (*csr, 8),
        "sell_measure": (*csr, 8, one, one),
        "sell_pack": (*csr, 8, longs, longs, Claim("<i4", 1), ints, x),
        "sor_sweep_csr": (*csr, one, x, x, 1.0),
        "sor_sweep_stencil": (grid, x, apart, 1.0, 0),
        "SorSplit": (*csr, "natural"),
        "sor_run_stencil": (grid, x, apart, 1.0, 0, "natural", np.empty(0), module.RunState()),
        "sor_precondition_stencil": (grid, 1.0, x, apart),
        "ssor_cg_run_stencil": (
            *(grid, 1.0, x, apart, Claim("<f8", 40, data=(4096, False)), np.empty(0)),
            module.RunState(),
        ),
        "sor_solve_stencil": (grid, "natural", x, apart, Claim("<f8", 56), 1.0, 0, 1e-5, 0.0, 10),
        "conjugate_directions_orthogonalise": (x, x, x, x, np.ones(1), 0),
        "conjugate_directions_step": (x, x, x, x, 1.0),
        "conjugate_directions_dot": (x, x),
        "conjugate_directions_toward_stencil": (grid, x, 0.5, x),
        "conjugate_directions_along_stencil": (grid, 0.5, x, x, x),
        "conjugate_directions_advance_stencil": (grid, x, x, x, x, Claim("<f8", 9), Claim("<f8", 4097)),
        **{
            f"conjugate_directions_run_{stem}": (*A, None, x, x, x, x, np.empty(0), module.RunState())
            for stem, A in matrices.items()
        },
        "multilevel_cells": (single, net, net, f, f),
        "multilevel_join": (*place, faces, f, f, f),
        "multilevel_add": (*place[:2], f, pair),
        "multilevel_narrow": (x, 1.0, 1e-18, f),
        "multilevel_descend": (single, x, 1.0, f, np.ones(2, np.float32), f, f, f),
        "multilevel_ascend": (single, f, pair, 1.0, f, f, np.ones(2, np.float32), f, f, 1.0, x),
        "multilevel_restrict": (*place, f, f, pair),
        "multilevel_prolong": (*place, f, pair, 1.0, True, f),
        "kron_mode_product": (
            Claim("<f8", 2, 2),
            Claim("<f8", 2, 2, 2),
            Claim("<f8", 2, 2, 2, data=(1024, False)),
        ),
        "kron_matvec": ([Claim("<f8", 8, 8)], x, Claim("<f8", 8, data=(1024, False)), Claim("<f8", 0)),
        "direction_net_pack": (floats[6 * 6912], floats[12 * 6912]),
        "direction_net_apply": (direction_net, (2, 2, 2), cells, cells, work),
        **completion_arguments(Claim),
    }


def test_both_backends_have_the_same_names(module):
    assert public(_backend._core) - public(module) == set(ONLY_CPU)
    assert public(module) - public(_backend._core) == set(ONLY_CUDA)


def test_both_backends_have_the_same_signatures_and_docstrings(module):
    for name in public(module) - set(ONLY_CUDA) - {"version", "compiler"}:
        ours, cpu = (getattr(m, name).__doc__.replace(m.__name__, "") for m in (module, _backend._core))
        assert ours == cpu
        assert ours.strip()


def test_module_says_how_many_devices_there_are(module):
    assert module.device_count() >= 0


def test_every_kernel_says_that_there_is_no_device(module):
    if module.device_count() > 0:
        pytest.skip("there is a device")
    calls = arguments(module)
    assert set(calls) == public(module) - set(ONLY_CUDA) - NO_KERNELS
    for name, call in calls.items():
        with pytest.raises(
            RuntimeError, match=rf"^{name}: this machine has no CUDA device that can be used \("
        ):
            getattr(module, name)(*call)


def test_host_arrays_are_refused_by_name(module):
    x = np.ones(3)
    with pytest.raises(TypeError, match=r"^x must be a device array .* not ndarray$"):
        module.conjugate_directions_step(x, x, x, x, 1.0)
    weights = (np.ones(2), np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match="weights must be a device array"):
        module.stencil_grid((1, 1, 1), (0, 0, 0), (0, 0, 0), weights, 0.0, None, "f8")
    x = Claim("<f8", 3)
    with pytest.raises(TypeError, match="pq must be a NumPy array, not Claim"):
        module.conjugate_directions_orthogonalise(x, x, x, x, Claim("<f8", 1), 0)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (Claim("<f4", 6), TypeError, "r must have dtype f8, not f4"),
        (Claim(">f8", 6), TypeError, "r must be in the machine's own byte order, not >f8"),
        (Claim("<f8", 5), ValueError, "r must have 6 values, not 5"),
        (Claim("<f8", 6, strides=(16,)), ValueError, "r must be C-contiguous"),
        (Claim("<f8", 2, 3, strides=(8, 16)), ValueError, "r must be C-contiguous"),
        (Claim("<f8", 6, data=(64, True)), ValueError, "r must be writeable"),
    ],
)
def test_wrong_device_arrays_are_refused_by_name(module, wrong, error, message):
    x = Claim("<f8", 6)
    with pytest.raises(error, match=f"^{message}$"):
        module.conjugate_directions_step(x, wrong, x, x, 1.0)


@pytest.mark.parametrize("strides", [(24, 8), (0, 8), None])
def test_strides_without_gaps_are_taken(module, strides):
    if module.device_count() > 0:
        pytest.skip("there is a device, which would read the arrays")
    x = Claim("<f8", 1 if strides == (0, 8) else 2, 3, strides=strides)
    with pytest.raises(RuntimeError, match="no CUDA device"):
        module.conjugate_directions_step(x, x, x, x, 1.0)
