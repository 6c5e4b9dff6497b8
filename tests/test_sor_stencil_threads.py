"""Large boxes: the kernels on stencil operators give the same bits with any number of threads, however they fuse."""

import numpy as np
import pytest
from test_sor_stencil_kernels import SWEEPS, run, uncolourable, vectors
from threadpoolctl import threadpool_limits

from pysolve import StencilOperator
from pysolve._backend import kernels

core = kernels(np.empty(0))
BIG = [  # enough cells for two threads and for sweeps that are taken together
    ((700, 1003), "dirichlet"),
    ((640, 901), ("neumann", "periodic")),
    ((512, 1000), ("periodic", "dirichlet")),
    ((1, 600, 1100), "neumann"),
    ((40, 120, 132), ("neumann", "dirichlet", "neumann")),
    ((40, 120, 130), ("dirichlet", "periodic", "neumann")),
]


@pytest.mark.parametrize("order", ["natural", "multicolor"])
@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize(("shape", "boundary"), BIG)
def test_threads_and_sweeps_taken_together_give_the_same_bits(shape, boundary, sweep, order):
    A = StencilOperator(shape, (1.0,) * len(shape), boundary=boundary, shift=0.1)
    if order == "multicolor" and uncolourable(A):
        return
    (b, start), n_steps, found = vectors(A), 11, []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads):
            x = start.copy()
            norms, _ = run(A, b, x, 1.3, sweep, order, n_steps)
            one_by_one = start.copy()
            each = [run(A, b, one_by_one, 1.3, sweep, order)[0][0] for _ in range(n_steps)]
            unasked = start.copy()
            assert np.isnan(run(A, b, unasked, 1.3, sweep, order, n_steps, -1.0)[0]).all()
            found += [(x, norms), (one_by_one, np.array(each)), (unasked, norms)]
    for x, norms in found:
        assert np.array_equal(x, found[0][0])
        assert np.array_equal(norms, found[0][1])
    residual = np.linalg.norm(b - A @ found[0][0])
    assert abs(residual - found[0][1][-1]) < 1e-13 * np.linalg.norm(b)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize(
    "boundary", ["dirichlet", "neumann", ("neumann", "dirichlet"), ("dirichlet", "periodic")]
)
@pytest.mark.parametrize(
    "shape", [(5, 200_003), (4, 150_000), (6001, 64), (4003, 93), (257, 2065), (130, 4110)]
)
def test_colours_kept_apart_give_the_bits_of_those_side_by_side(shape, boundary, sweep, dtype):
    A = StencilOperator(shape, (1.0, 2.5), boundary=boundary, shift=0.1, dtype=dtype)
    if uncolourable(A):
        return
    b, start = vectors(A)
    plain = start.copy()
    for _ in range(9):  # one by one, they are done in place
        run(A, b, plain, 1.3, sweep, "multicolor", 1, -1.0)
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads):
            x = start.copy()
            run(A, b, x, 1.3, sweep, "multicolor", 9, -1.0)
        assert np.array_equal(x, plain)


@pytest.mark.parametrize(("shape", "boundary"), BIG)
def test_ssor_cg_gives_the_same_bits_with_any_number_of_threads(shape, boundary):
    A = StencilOperator(shape, (1.0,) * len(shape), boundary=boundary, shift=0.02)
    b, found = vectors(A)[0], []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads):
            x, r, z, norms = np.zeros_like(b), b.copy(), np.empty_like(b), np.zeros(12)
            state, work = core.RunState(), np.full(5 * b.size, np.nan)
            state.n_steps, state.tolerance = 12, -1.0
            core.ssor_cg_run_stencil(A._kernel_args[0], 1.6, x, r, work, norms, state)
            core.sor_precondition_stencil(A._kernel_args[0], 1.6, b, z)
            found.append((x, r, z, norms))
    for other in found[1:]:
        assert all(np.array_equal(a, c) for a, c in zip(found[0], other, strict=True))
    assert abs(np.linalg.norm(b - A @ x) - norms[-1]) < 1e-12 * np.linalg.norm(b)
