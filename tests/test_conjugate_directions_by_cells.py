"""CG on a stencil operator with an M of ours: its kernels equal the reference, and its steps are those of any M."""

import numpy as np
import pytest
import reference.conjugate_directions as reference
from hypothesis import given, settings
from stencil_cases import operators, reference_grid
from threadpoolctl import threadpool_limits

import pysolve
from pysolve import _backend, gallery

core = _backend._core


@given(operators(scales=(1.0,)))
@settings(max_examples=100, deadline=None)
def test_kernels_equal_the_reference(A):
    rng, n = np.random.default_rng(0), A.shape[0]
    z, p, x, r = rng.standard_normal((4, n)).astype(A.dtype)
    for vector in (z, p, r):
        vector[A.decoupled.ravel()] = 0
    eps = 64 * n * float(np.finfo(A.dtype).eps)
    expected = p.astype(float)
    found = core.conjugate_directions_toward_stencil(A._kernel_args[0], z, 0.7, p)
    wanted = reference.conjugate_directions_toward_stencil(reference_grid(A), z, 0.7, expected)
    np.testing.assert_allclose(p, expected, rtol=0, atol=eps)
    assert found == pytest.approx(wanted, rel=eps, abs=eps)
    dot = core.conjugate_directions_dot(z, r)
    assert dot == pytest.approx(z.astype(float) @ r.astype(float), rel=1e-12, abs=1e-12)
    twins = x.astype(float), r.astype(float)
    rr = core.conjugate_directions_along_stencil(A._kernel_args[0], 0.3, x, r, p)
    expected_rr = reference.conjugate_directions_along_stencil(
        reference_grid(A), 0.3, *twins, p.astype(float)
    )
    np.testing.assert_allclose(x, twins[0], rtol=0, atol=eps)
    np.testing.assert_allclose(r, twins[1], rtol=0, atol=eps)
    assert rr == pytest.approx(expected_rr, rel=eps, abs=eps)


class Theirs:
    """The same preconditioner, as of somebody else's making."""

    def __init__(self, M):
        self.M, self.shape, self.dtype = M, M.shape, M.dtype

    def matvec(self, r):
        return self.M.matvec(r)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("scene", gallery.scenes)
def test_steps_are_those_of_any_preconditioner(scene, dtype):
    A = gallery.scenes[scene]((18, 17, 19), dtype=dtype)
    b = np.random.default_rng(1).standard_normal(A.shape[0]).astype(dtype)
    M, rtol = pysolve.Multilevel(A), 1e-4 if dtype == "f4" else 1e-8
    ours, theirs = (pysolve.cg(A, b, M=inverse, rtol=rtol) for inverse in (M, Theirs(M)))
    assert ours.converged
    assert abs(ours.iterations - theirs.iterations) <= 1
    n = min(4, ours.iterations)
    np.testing.assert_allclose(ours.residual_norms[:n], theirs.residual_norms[:n], rtol=1e-2)


@pytest.mark.parametrize("threads", [2, 3])
def test_bits_do_not_depend_on_the_number_of_threads(threads):
    A = gallery.obstacle_box((96, 64, 65))
    b, M = np.random.default_rng(1).standard_normal(A.shape[0]), pysolve.Multilevel(A)
    results = []
    for count in (1, threads):
        with threadpool_limits(count):
            results.append(pysolve.cg(A, b, M=M, rtol=1e-6).residual_norms)
    np.testing.assert_array_equal(*results)


def test_a_singular_operator_with_b_out_of_range_ends_in_words():
    A = gallery.poisson((20, 20), boundary="neumann")
    result = pysolve.cg(A, np.ones(400), M=pysolve.Multilevel(A))
    assert not result.converged
    assert np.isfinite(result.x).all()
    assert "null space" in result.message


def test_callback_sees_every_step_and_may_stop():
    A = gallery.poisson((30, 30))
    seen = []

    def stop(x):
        seen.append(x.copy())
        if len(seen) == 3:
            raise StopIteration

    result = pysolve.cg(A, np.ones(900), M=pysolve.Multilevel(A), rtol=1e-12, callback=stop)
    assert (result.status.name, result.iterations, len(seen)) == ("STOPPED", 3, 3)
    np.testing.assert_array_equal(seen[-1], result.x)


def test_preconditioner_of_another_operator_is_found_out():
    """It is positive definite all the same: slow, and right."""
    A = gallery.log_normal((30, 30), contrast=1e4)
    M = pysolve.Multilevel(gallery.poisson((30, 30)))
    b = np.ones(900)
    result = pysolve.cg(A, b, M=M, rtol=1e-8)
    assert result.converged
    assert np.linalg.norm(b - A @ result.x) <= 1e-8 * np.linalg.norm(b)
