"""`pysolve solve`: what it reads, writes and says, through `main` and through `python -m pysolve`."""

import gzip
import sys
import warnings

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from pysolve._cli import main

PNG = b"\x89PNG\r\n\x1a\n"


def tridiagonal(n=20, diagonal=3.0):
    return sp.diags_array(
        [-np.ones(n - 1), np.full(n, diagonal), -np.ones(n - 1)], offsets=[-1, 0, 1], format="csr"
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    def call(*argv):
        code = main([str(a) for a in argv])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def system(here):
    scipy.io.mmwrite("A.mtx", tridiagonal())
    return "A.mtx"


def write_gz(path, A):
    with gzip.open(path, "wb") as file:
        scipy.io.mmwrite(file, A)


PARTS = ("data", "indices", "indptr", "shape")
WRITERS = {
    "mtx": ("A.mtx", lambda p, A: scipy.io.mmwrite(p, A)),
    "symmetric": ("A.mtx", lambda p, A: scipy.io.mmwrite(p, A, symmetry="symmetric")),
    "array": ("A.mtx", lambda p, A: scipy.io.mmwrite(p, A.toarray())),
    "gz": ("A.mtx.gz", write_gz),
    "csr": ("A.npz", lambda p, A: sp.save_npz(p, A)),
    "csc": ("A.npz", lambda p, A: sp.save_npz(p, A.tocsc())),
    "coo": ("A.npz", lambda p, A: sp.save_npz(p, A.tocoo())),
    "bsr": ("A.npz", lambda p, A: sp.save_npz(p, A.tobsr())),
    "dia": ("A.npz", lambda p, A: sp.save_npz(p, A.todia())),
    "dense": ("A.npz", lambda p, A: np.savez(p, A=A.toarray())),
    "float32": ("A.npz", lambda p, A: sp.save_npz(p, A.astype(np.float32))),
    "integer": ("A.npz", lambda p, A: sp.save_npz(p, A.astype(np.int8))),
    "parts": ("A.npz", lambda p, A: np.savez(p, **{part: getattr(A, part) for part in PARTS})),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_system_is_read(run, kind):
    name, write = WRITERS[kind]
    write(name, tridiagonal())
    code, out, err = run("solve", name, "--rtol", "1e-5", "--output", "x.npy")
    assert (code, err) == (0, "")
    assert "n = 20, nnz = 58" in out
    assert "A @ ones" in out
    np.testing.assert_allclose(np.load("x.npy"), 1, rtol=1e-4)


def test_pattern_matrix_is_read(run, here):
    text = "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 3\n1 1\n2 2\n3 3\n"
    (here / "P.mtx").write_text(text)
    assert run("solve", "P.mtx", "--quiet") == (0, "", "")


RHS = {
    "b.npy": lambda p, b: np.save(p, b),
    "b.npz": lambda p, b: np.savez(p, other=b * 2, b=b),
    "one.npz": lambda p, b: np.savez(p, b),
    "b.mtx": lambda p, b: scipy.io.mmwrite(p, b[:, None]),
    "sparse.mtx": lambda p, b: scipy.io.mmwrite(p, sp.coo_array(b[:, None])),
}


@pytest.mark.parametrize("name", RHS)
def test_every_kind_of_right_hand_side_is_read(run, system, name):
    x = np.arange(1.0, 21)
    RHS[name](name, tridiagonal() @ x)
    code, out, _ = run("solve", system, "--rhs", name, "--output", "x.npy")
    assert (code, name in out) == (0, True)
    np.testing.assert_allclose(np.load("x.npy"), x, rtol=1e-6)


def test_b_in_the_file_of_the_system_is_used(run):
    A, x = tridiagonal(), np.arange(20.0)
    np.savez("A.npz", A=A.toarray(), b=A @ x)
    assert run("solve", "A.npz", "--output", "x.npy")[0] == 0
    np.testing.assert_allclose(np.load("x.npy"), x, atol=1e-6)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.mtx"])
def test_every_kind_of_output_is_written(run, system, name):
    code, out, _ = run("solve", system, "--output", name)
    x = {"npy": np.load, "npz": lambda p: np.load(p)["x"], "mtx": scipy.io.mmread}[name[-3:]](name)
    assert (code, f"written   {name}" in out) == (0, True)
    np.testing.assert_allclose(np.ravel(x), 1, rtol=1e-6)


def test_several_columns_are_solved(run, system):
    X = np.random.default_rng(0).standard_normal((20, 3))
    np.save("B.npy", tridiagonal() @ X)
    assert run("solve", system, "--rhs", "B.npy", "--output", "X.npy")[0] == 0
    np.testing.assert_allclose(np.load("X.npy"), X, atol=1e-6)


@pytest.mark.parametrize("method", ["cg", "conjugate_directions"])
@pytest.mark.parametrize("preconditioner", ["none", "jacobi", "pyamg"])
def test_report_names_system_method_status_and_true_residual(run, system, method, preconditioner):
    if preconditioner == "pyamg":
        pytest.importorskip("pyamg")
    code, out, err = run("solve", system, "--method", method, "--preconditioner", preconditioner)
    assert (code, err) == (0, "")
    for words in (
        "A.mtx: n = 20, nnz = 58, float64",
        f"{method}, preconditioner {preconditioner}",
        "set-up",
        "solve",
    ):
        assert words in out
    assert float(out.split("true relative residual ")[1].split()[0]) <= 1e-8


def test_multilevel_is_for_problems_on_a_grid(run, system):
    code, out, err = run("solve", "obstacle_box:20x20", "--preconditioner", "multilevel")
    assert (code, err) == (0, "")
    assert "preconditioner multilevel" in out
    code, out, err = run("solve", system, "--preconditioner", "multilevel")
    assert (code, out) == (2, "")
    assert "needs a built-in problem on a grid" in err


@pytest.mark.parametrize("name", ["poisson:8x9", "poisson:6x5x4", "obstacle_box:12x12x12"])
def test_gallery_problem_needs_no_file(run, name):
    code, out, err = run("solve", name, "--preconditioner", "jacobi")
    assert (code, err) == (0, "")
    assert name in out


def test_default_b_is_not_zero_where_ones_is_in_the_null_space(run):
    A = tridiagonal(20, 2.0).tolil()
    A[0, 0] = A[19, 19] = 1.0
    scipy.io.mmwrite("N.mtx", A.tocoo())
    code, out, _ = run("solve", "N.mtx")
    assert (code, "seed 0" in out, "0 iterations" not in out.splitlines()[4]) == (0, True, True)


def test_quiet_prints_nothing(run, system):
    assert run("solve", system, "--quiet", "--output", "x.npy") == (0, "", "")


def test_not_converged_is_1_with_a_sentence_and_keeps_the_answer(run, system):
    code, out, err = run("solve", system, "--maxiter", "2", "--output", "x.npy")
    assert (code, "2 iterations" in out) == (1, True)
    assert err.startswith("pysolve: not converged: ")
    assert np.isfinite(np.load("x.npy")).all()


def test_unsymmetric_matrix_is_refused(run):
    A = tridiagonal().tolil()
    A[0, 1] = 1.0
    scipy.io.mmwrite("U.mtx", A.tocoo())
    code, out, err = run("solve", "U.mtx")
    assert (code, out, "symmetric" in err, err.count("\n")) == (2, "", True, 1)


def test_picture_of_the_history_is_a_png(run, system, here):
    pytest.importorskip("matplotlib")
    code, out, _ = run("solve", system, "--plot", "history.png")
    assert (code, "drawn     history.png" in out) == (0, True)
    assert_is_png(here / "history.png")


@pytest.mark.parametrize("rtol", ["1e-8", "0"])
def test_picture_of_residuals_that_are_all_0_is_no_warning(run, system, here, rtol):
    pytest.importorskip("matplotlib")
    np.save("zeros.npy", np.zeros(20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, _, err = run("solve", system, "--rhs", "zeros.npy", "--rtol", rtol, "--plot", "history.png")
    assert (code, err) == (0, "")
    assert_is_png(here / "history.png")


def assert_is_png(path):
    import matplotlib.image

    assert path.read_bytes().startswith(PNG)
    assert np.ptp(matplotlib.image.imread(path)) > 0.5


@pytest.mark.parametrize("option", ["--plot h.png", "--preconditioner pyamg"])
def test_missing_library_is_named_with_how_to_install_it(run, system, monkeypatch, option):
    for name in ("matplotlib", "pyamg"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, err = run("solve", system, *option.split())
    wanted = "pip install pysolve[plot]" if "plot" in option else "pip install pyamg"
    assert (code, out, wanted in err) == (2, "", True)
