"""Multilevel with its arrays on the device: the host's cycle, alone, captured as a graph, and in `cg`."""

import pickle
import threading

import numpy as np
import pytest

import pysolve
from pysolve import Multilevel, StencilOperator, gallery
from pysolve._backend import empty

SCALARS = 4096  # bytes: what may be copied to the host at once

# More than one level below the finest, solid cells, both kinds of weights, a null space with and without solid cells.
CASES = {
    "obstacles": gallery.obstacle_box((9, 10, 12)),
    "float32": gallery.obstacle_box((9, 10, 12)).astype("f4"),
    "constant": gallery.poisson((10, 8, 9), format="stencil"),
    "plane": gallery.poisson((24, 20), boundary="periodic", format="stencil"),
    "closed": gallery.poisson(
        (10, 9, 8), boundary="neumann", solid=np.arange(720).reshape(10, 9, 8) % 7 == 0
    ),
    "shift": StencilOperator((12, 30), (1.0, 1e-3), shift=np.linspace(0, 1, 360).reshape(12, 30)),
    "coarsest alone": gallery.poisson((4, 4, 3), format="stencil"),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def vector(A, seed=0):
    return np.random.default_rng(seed).standard_normal(A.shape[0]).astype(A.dtype)


def stays(device):
    return max(getattr(device, "transfers", []), default=0) <= SCALARS


def close(device, found, expected):
    found = device.asnumpy(found)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_cycle_is_that_of_the_host(device, case):
    M, r = Multilevel(case.to_device("cuda")), vector(case)
    expected = Multilevel(case) @ r
    given = device.asarray(r)
    z = M @ given
    assert isinstance(z, device.ndarray)
    assert z.dtype == case.dtype
    assert stays(device)
    close(device, z, expected)
    np.testing.assert_array_equal(device.asnumpy(given), r)
    assert M.levels == Multilevel(case).levels


def test_cycle_is_symmetric_and_positive(device, case):
    M = Multilevel(case.to_device("cuda"))
    u, v = (device.asarray(vector(case, seed)) for seed in (1, 2))
    Mu, Mv = M @ u, M @ v
    uMu = float(u @ Mu)
    assert abs(float(v @ Mu) - float(u @ Mv)) <= 1e-5 * uMu
    assert uMu > 0


@pytest.mark.parametrize("size", [1e-200, 1e-15, 1e-9, 1.0, 1e13, 1e200])
def test_sizes_beyond_float32_are_scaled(device, size):
    A = CASES["obstacles"]
    M, r = Multilevel(A.to_device("cuda")), vector(A)
    close(device, (M @ device.asarray(r * size)) / size, Multilevel(A) @ r)
    z, given = device.empty(r.size), device.asarray(r * size)
    M._captured(given, z, size * np.linalg.norm(r))()
    close(device, z / size, Multilevel(A) @ r)


def test_every_kind_of_vector(device):
    A = CASES["obstacles"]
    M, r = Multilevel(A.to_device("cuda")), device.asarray(vector(A))
    z = device.asnumpy(M @ r)
    assert (M @ r.astype("f4")).dtype == np.float32
    np.testing.assert_array_equal(device.asnumpy(M.matvec(r[:, None]))[:, 0], z)
    np.testing.assert_array_equal(device.asnumpy(M @ device.repeat(r, 2)[::2]), z)
    np.testing.assert_allclose(device.asnumpy(M @ (r + 1j * r)), z + 1j * z)
    np.testing.assert_array_equal(device.asnumpy(M @ device.zeros(r.size)), 0)
    with pytest.raises(TypeError, match=r"A .* is on .*GPU.*, but x .* is on the host"):
        M @ np.ones(r.size)


def test_operators_without_arrays_serve_both_places(device):
    A = CASES["constant"]
    M, r = Multilevel(A), vector(A)
    close(device, M @ device.asarray(r), M @ r)
    with pytest.raises(TypeError, match="is on the host"):
        Multilevel(CASES["obstacles"]) @ device.ones(CASES["obstacles"].shape[0])


# ---- captured ----------------------------------------------------------------------------------------------


def test_captured_cycle_has_the_same_bits(device, case):
    M, r = Multilevel(case.to_device("cuda")), device.asarray(vector(case))
    z = device.empty(r.size, case.dtype)
    launch = M._captured(r, z, 30.0)
    expected = device.asnumpy(M @ r)
    for _ in range(2):
        z.fill(np.nan)
        launch()
        np.testing.assert_array_equal(device.asnumpy(z), expected)
    assert list(M._hierarchy.on_device._workspace().graphs.values()) != [None]
    r *= 0.5
    launch()
    np.testing.assert_array_equal(device.asnumpy(z), expected / 2)


def test_graphs_are_made_anew_only_where_they_must_be(device):
    A = CASES["obstacles"].to_device("cuda")
    M, r = Multilevel(A), device.asarray(vector(CASES["obstacles"]))
    z = device.empty(r.size)
    graphs = M._hierarchy.on_device._workspace().graphs
    for norm in (1.0, 30.0, 1e-4, 1e4):
        M._captured(r, z, norm)()
    assert len(graphs) == 1
    assert graphs[next(iter(graphs))] is not None
    M._captured(r, z, 1e-9)()
    M._captured(z, r, 1.0)
    assert len(graphs) == 3
    for k in range(40):
        M._captured(device.empty(r.size), z, 10.0 ** (10 * k - 200))
    assert len(graphs) <= 32
    M.update()
    assert len(M._hierarchy.on_device._workspace().graphs) == 0


def test_launches_join_a_graph_that_someone_else_captures(device):
    A = CASES["obstacles"]
    M, r = Multilevel(A.to_device("cuda")), device.asarray(vector(A))
    z = device.empty(r.size)
    expected = device.asnumpy(M @ r)
    stream = device.cuda.Stream(non_blocking=True)
    with stream:
        launch = M._captured(r, z, 30.0)
        stream.begin_capture()
        launch()
        graph = stream.end_capture()
        graph.launch()
        stream.synchronize()
    np.testing.assert_array_equal(device.asnumpy(z), expected)


def test_streams_and_threads_have_room_of_their_own(device):
    A = CASES["obstacles"]
    M = Multilevel(A.to_device("cuda"))
    vectors = [vector(A, seed) for seed in range(4)]
    expected = [device.asnumpy(M @ device.asarray(v)) for v in vectors]
    found = [None] * 4

    def work(k):
        with device.cuda.Stream(non_blocking=True) as stream:
            r = device.asarray(vectors[k])
            z = device.empty(r.size)
            M._captured(r, z, 30.0)()
            once = M @ r
            stream.synchronize()
            found[k] = device.asnumpy(z), device.asnumpy(once)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pair, z in zip(found, expected, strict=True):
        np.testing.assert_array_equal(pair[0], z)
        np.testing.assert_array_equal(pair[1], z)


# ---- in a solve, updated, in files --------------------------------------------------------------------------


def test_cg_takes_the_iterations_of_the_host(device):
    A = CASES["obstacles"]
    b = A @ vector(A)
    expected = pysolve.cg(A, b, M=Multilevel(A), rtol=1e-6)
    D = A.to_device("cuda")
    result = pysolve.cg(D, device.asarray(b), M=Multilevel(D), rtol=1e-6)
    assert result.converged
    assert result.iterations == expected.iterations
    assert isinstance(result.x, device.ndarray)
    assert stays(device)
    close(device, result.x, expected.x)


def test_update_follows_the_operator(device):
    A = gallery.obstacle_box((8, 9, 10))
    D, r = A.to_device("cuda"), vector(A)
    M = Multilevel(D)
    coefficient = np.random.default_rng(1).uniform(0.5, 2, A.grid_shape)
    A.update(coefficient)
    D.update(device.asarray(coefficient))
    M.update()
    close(device, M @ device.asarray(r), Multilevel(A) @ r)
    with pytest.raises(TypeError, match="A is on the host, but M on the GPU"):
        M.update(A)


def test_files_and_pickles_keep_what_it_was(device, tmp_path):
    A = CASES["obstacles"]
    M, r = Multilevel(A.to_device("cuda")), vector(A)
    expected = device.asnumpy(M @ device.asarray(r))
    again = pickle.loads(pickle.dumps(M))
    np.testing.assert_array_equal(device.asnumpy(again @ device.asarray(r)), expected)
    M.save(tmp_path / "cycle.npz")
    loaded = Multilevel.load(tmp_path / "cycle.npz")  # on the host, as every file is read
    close(device, device.asarray(loaded @ r), expected)
    moved = loaded.to_device("cuda")
    np.testing.assert_array_equal(device.asnumpy(moved @ device.asarray(r)), expected)
    np.testing.assert_array_equal(moved.to_device("cpu") @ r, loaded @ r)


def test_bytes_of_a_cycle_are_those_that_its_kernels_state(device):
    """147 a cell in float64 with weights in 3-D, and 135 on the coarser levels."""
    A = gallery.obstacle_box((16, 16, 16))
    M = Multilevel(A.to_device("cuda"))
    assert M.levels == [(16, 16, 16), (8, 8, 8), (4, 4, 4)]
    assert M.bytes_per_cycle == 147 * 16**3 + 135 * 8**3


# ---- the plan, refused by name ------------------------------------------------------------------------------


def parts(M):
    """What the plan of a `Multilevel` on the device is made of, with room to work in."""
    h = M._hierarchy
    level = h.levels[0]
    below = [transfer.box.size for transfer in level.transfers]
    work = tuple(empty(n, np.float32, h.solve) for n in (*[level.box.size] * 3, below[0], below[-1]))
    alphas = tuple(transfer.alpha for transfer in level.transfers)
    return [level.box.grid, level.inverse, 1.0, (0, 1, 2), alphas, work]


@pytest.mark.parametrize(
    ("place", "wrong", "error", "message"),
    [
        (3, (1, 0, 2), ValueError, "axes must be 0, 1 or 2, and rise"),
        (3, (0, 1, 3), ValueError, "axes must be 0, 1 or 2, and rise"),
        (3, (0, 1), ValueError, "alphas hold an array for each"),
        (4, "shift", ValueError, "alpha must have 960 values"),
        (5, (), ValueError, r"work must be \(u, x, y, half, coarse\)"),
        (1, None, ValueError, "a level of the first axis and others must have sweeps"),
    ],
)
def test_plans_that_do_not_fit_are_refused(device, place, wrong, error, message):
    M = Multilevel(gallery.obstacle_box((8, 10, 12)).to_device("cuda"))
    level = parts(M)
    level[place] = level[4][::-1] if wrong == "shift" else wrong
    solution, tau = device.empty(64, np.float32), (np.ones(2, np.float32),) * 2
    with pytest.raises(error, match=message):
        M._hierarchy.module.multilevel_plan([tuple(level)], tau, M._hierarchy.solve, solution)


def test_calls_that_do_not_fit_a_plan_are_refused(device):
    M = Multilevel(CASES["obstacles"].to_device("cuda"))
    plan, r = M._hierarchy.on_device._workspace().plan, device.ones(1080)
    cycle = M._hierarchy.module.multilevel_cycle
    for arguments, error, message in [
        ((plan, r[:-1], 1.0, 1.0, False, r), ValueError, "r must have 1080 values, not 1079"),
        ((plan, r, 1.0, 1.0, False, r.astype("f4")), TypeError, "z must have dtype f8, not f4"),
        ((plan, np.ones(1080), 1.0, 1.0, False, r), TypeError, "r must be a device array"),
    ]:
        with pytest.raises(error, match=message):
            cycle(*arguments)
