"""sor, ssor_cg, SSOR and SolveSequence with arrays of the device: the host's iterations, and nothing copied unasked."""

import numpy as np
import pytest
import scipy.sparse as sp

import pysolve
from pysolve import StencilOperator, gallery

SCALARS = 4096  # bytes: what a solve may copy to the host at once
SHAPE = (9, 8)
N = 72


def stays(device):
    """Nothing but scalars and norms has been copied to the host."""
    return max(getattr(device, "transfers", []), default=0) <= SCALARS


@pytest.fixture
def on(device, sparse_on_device):
    """What a test gives, on the device: sparse matrices, operators and arrays."""

    def moved(x):
        if sp.issparse(x):
            return sparse_on_device(sp.csr_array(x))
        if isinstance(x, StencilOperator):
            return x.to_device("cuda")
        return None if x is None else device.asarray(x)

    return moved


def system(kind, dtype="f8"):
    b, x0 = np.random.default_rng(0).standard_normal((2, N)).astype(dtype)
    A = gallery.poisson(SHAPE, format="csr").astype(dtype)
    if kind == "stencil":
        A = StencilOperator(SHAPE, (1.0, 1.0), dtype=dtype)
    elif kind == "arrays":
        faces = [np.random.default_rng(1).uniform(0.5, 2, shape) for shape in ((10, 8), (9, 9))]
        A = StencilOperator(SHAPE, faces, dtype=dtype)
    return A, b, x0


def assert_same(device, ours, host):
    assert isinstance(ours.x, device.ndarray)
    assert (ours.status, ours.iterations, ours.info) == (host.status, host.iterations, host.info)
    scale = abs(host.x).max()
    eps = float(np.finfo(host.x.dtype).eps)
    np.testing.assert_allclose(device.asnumpy(ours.x), host.x, rtol=0, atol=1e4 * eps * scale)
    if host.x.ndim == 1:
        rounding = 1e3 * eps * max(host.residual_norms)
        np.testing.assert_allclose(ours.residual_norms, host.residual_norms, rtol=1e-3, atol=rounding)


@pytest.mark.parametrize("order", ["natural", "multicolor"])
@pytest.mark.parametrize("kind", ["csr", "stencil", "arrays"])
def test_sor_takes_the_sweeps_of_the_host(device, on, kind, order):
    A, b, x0 = system(kind)
    A_on, b_on, x0_on = map(on, (A, b, x0))
    for sweep in ("forward", "symmetric"):
        control = {"rtol": 1e-4, "omega": 1.5, "order": order, "sweep": sweep}
        ours = pysolve.sor(A_on, b_on, x0_on, **control)
        assert stays(device)
        assert_same(device, ours, pysolve.sor(A, b, x0, **control))
        assert ours.converged
    np.testing.assert_array_equal(device.asnumpy(b_on), b)
    np.testing.assert_array_equal(device.asnumpy(x0_on), x0)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["csr", "stencil", "arrays"])
def test_ssor_cg_takes_the_iterations_of_the_host(device, on, kind, dtype):
    A, b, x0 = system(kind, dtype)
    ours = pysolve.ssor_cg(on(A), on(b), on(x0), rtol=1e-4, omega=1.4)
    assert stays(device)
    assert ours.x.dtype == b.dtype
    assert_same(device, ours, pysolve.ssor_cg(A, b, x0, rtol=1e-4, omega=1.4))


def test_a_matrix_may_be_complex_and_have_columns(device, on):
    A = gallery.poisson(SHAPE, format="csr")
    A = (sp.diags_array(A.diagonal()) + sp.triu(A, 1) * (0.8 + 0.6j) + sp.tril(A, -1) * (0.8 - 0.6j)).tocsr()
    b = np.random.default_rng(2).standard_normal((N, 2)) + 1j
    ours, host = (pysolve.ssor_cg(*given, rtol=1e-8, omega=1.3) for given in ((on(A), on(b)), (A, b)))
    assert ours.x.shape == b.shape
    assert_same(device, ours, host)
    assert stays(device)


def test_callbacks_see_iterates_of_the_device(device, on):
    A, b, _ = system("stencil")
    seen = []
    for solve in (pysolve.sor, pysolve.ssor_cg):
        result = solve(on(A), on(b), rtol=1e-3, omega=1.5, callback=lambda x: seen.append(float(x[0])))
        assert result.converged
        assert seen[-1] == float(result.x[0])
    assert stays(device)


def test_numerical_outcomes_are_those_of_the_host(device, on):
    b = np.ones(2)
    for A in (np.array([[1.0, 3.0], [3.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])):
        A = sp.csr_array(A)
        ours, host = (pysolve.ssor_cg(*given, maxiter=20) for given in ((on(A), on(b)), (A, b)))
        assert ours.status == host.status
    zero = pysolve.sor(on(A), on(0 * b))
    assert zero.iterations == 0
    assert not zero.x.any()
    closed = StencilOperator(SHAPE, (1.0, 1.0), boundary="neumann")
    rhs = np.arange(N) % 5.0
    ours, host = (pysolve.ssor_cg(*given, rtol=1e-6) for given in ((on(closed), on(rhs)), (closed, rhs)))
    assert ours.status == host.status


def test_wrong_matrices_are_refused_as_on_the_host(device, on):
    good = gallery.poisson(SHAPE, format="csr")
    none, skew = good.copy(), good.copy()
    none.data[none.indices == np.repeat(np.arange(N), np.diff(none.indptr))] = 0
    skew.data[1] *= 2
    b = np.ones(N)
    for solve, A, message in (
        (pysolve.sor, none, "A must have a positive diagonal, but its entry in row 0 is 0"),
        (pysolve.ssor_cg, skew, "A must be symmetric"),
    ):
        for given in ((A, b), (on(A), on(b))):
            with pytest.raises(ValueError, match=message):
                solve(*given)
    odd = StencilOperator((4, 7), (1.0, 1.0), boundary="periodic", shift=1.0)
    with pytest.raises(ValueError, match="even extent along a periodic axis"):
        pysolve.sor(on(odd), on(np.ones(28)), order="multicolor")
    with pytest.raises(TypeError, match=r"b is complex, but a StencilOperator on the GPU"):
        pysolve.sor(on(odd), on(np.ones(28) + 1j))


def test_arrays_in_two_places_are_refused_by_name(device, on):
    A, b, x0 = system("csr")
    for solve in (pysolve.sor, pysolve.ssor_cg, pysolve.SolveSequence("sor")):
        with pytest.raises(TypeError, match=r"A .* is on the host, but b .* is on GPU 0"):
            solve(A, on(b))
        with pytest.raises(TypeError, match=r"A .* is on GPU 0, but b .* is on the host"):
            solve(on(A), b)
        with pytest.raises(TypeError, match=r"b .* is on GPU 0, but x0 .* is on the host"):
            solve(on(A), on(b), x0)
    # Constant weights serve both places.
    A = system("stencil")[0]
    assert pysolve.sor(A, on(b), omega=1.5).iterations == pysolve.sor(A, b, omega=1.5).iterations


def test_a_workspace_serves_both_places(device, on):
    A, b, _ = system("csr")
    workspace = pysolve.SorWorkspace()
    for scale in (1.0, 3.0):
        host = pysolve.ssor_cg(A * scale, b, omega=1.4, workspace=workspace)
        ours = pysolve.ssor_cg(on(A * scale), on(b), omega=1.4, workspace=workspace)
        assert_same(device, ours, host)


@pytest.mark.parametrize("kind", ["csr", "stencil"])
def test_ssor_is_a_preconditioner_on_the_device(device, on, kind):
    A, b, _ = system(kind)
    M, host = pysolve.SSOR(on(A), omega=1.5), pysolve.SSOR(A, omega=1.5)
    np.testing.assert_allclose(device.asnumpy(M @ on(b)), host @ b, rtol=0, atol=1e-13)
    pair = np.stack([b, b + 1j], axis=1)
    np.testing.assert_allclose(device.asnumpy(M @ on(pair)), host @ pair, rtol=0, atol=1e-13)
    ours = pysolve.cg(on(A), on(b), M=M, rtol=1e-6)
    assert_same(device, ours, pysolve.cg(A, b, M=host, rtol=1e-6))
    if kind == "csr":
        with pytest.raises(TypeError, match=r"M \(SSOR\) is on the GPU, but r"):
            M @ b


def test_a_sequence_learns_on_the_device_what_it_learns_on_the_host(device, on):
    arms, A, rng = [1.0, 1.3, 1.6, 1.9], gallery.poisson(SHAPE, format="csr"), np.random.default_rng(5)
    for method in ("ssor_cg", "sor"):
        ours, host = (pysolve.SolveSequence(method, arms=arms, rng=0) for _ in range(2))
        for scale in rng.uniform(1, 2, 6):
            b = rng.standard_normal(N)
            given = A * scale, b
            assert_same(device, ours(*map(on, given), rtol=1e-3), host(*given, rtol=1e-3))
        assert [call.arm for call in ours.history] == [call.arm for call in host.history]
        assert ours.total_cost == host.total_cost
    assert stays(device)


def test_a_sequence_of_solvers_takes_device_arrays(device, on):
    A, b, x0 = system("csr")
    solvers = {"cg": pysolve.cg, "sor": pysolve.sor}
    sequence = pysolve.SolveSequence(solvers, cost="iterations", rng=0)
    for start in (None, x0, x0):
        result = sequence(on(A), on(b), on(start), rtol=1e-3, maxiter=300)
        assert result.converged
        assert isinstance(result.x, device.ndarray)
    short = sequence(on(A), on(b), on(x0), rtol=1e-12, maxiter=1)
    assert not short.converged
    assert isinstance(short.x, device.ndarray)
    solved = sequence(on(A), on(A @ x0), on(x0))
    assert solved.iterations == 0
    assert isinstance(solved.x, device.ndarray)
    assert stays(device)
