"""`pysolve compare` and `pysolve demo`: every line of their tables, and their pictures."""

import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

from pysolve import _cli_peers, _cli_table
from pysolve._cli import main

MATRICES = os.environ.get("PYSOLVE_MATRICES")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def call(*argv):
        code = main(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as `demo` wants it, so that it runs in this process
    return call


def without(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def rows(out):
    """The cells of the table's lines by (library, method, preconditioner)."""
    lines = [line for line in out.splitlines() if line.startswith(("scipy ", "pysolve ", "PETSc "))]
    cells = [[cell for cell in line.split("  ") if cell] for line in lines]
    return {tuple(c.strip() for c in row[:3]): [c.strip() for c in row[3:]] for row in cells}


def test_compare_has_a_line_for_every_library_and_method(run, monkeypatch):
    without(monkeypatch, "petsc4py")
    code, out, err = run("compare", "poisson:9x8x7", "--repeat", "1")
    table = rows(out)
    wanted = {(library, "cg", name) for library in ("scipy", "pysolve") for name in ("none", "Jacobi")}
    assert (code, err) == (0, "")
    assert wanted | {
        ("pysolve", "conjugate_directions", "Jacobi"),
        ("pysolve", "cg, matrix-free", "none"),
        ("pysolve", "cg, matrix-free", "Multilevel"),
    } <= set(table)
    assert (
        table.pop(("pysolve", "cg, matrix-free", "Multilevel"))[-1] == "-"
    )  # scipy has none to compare with
    for setup, solve, iterations, residual, ratio in table.values():
        assert float(setup) >= 0
        assert float(solve) > 0
        assert int(iterations) > 5
        assert float(residual) <= 1.01e-8
        assert ratio.endswith("x")
    assert table["scipy", "cg", "none"][-1] == "1.00x"
    assert "not installed: petsc4py (pip install" in out


def test_compare_says_where_the_stored_matrix_has_rows_of_solid_cells(run, monkeypatch):
    without(monkeypatch, "pyamg", "petsc4py")
    said = "the stored matrix has a row for each solid cell"
    assert said in run("compare", "obstacle_box:16x16", "--repeat", "1")[1]
    assert said not in run("compare", "poisson:16x16", "--repeat", "1")[1]


def test_compare_uses_pyamg_in_both_where_it_is_installed(run, monkeypatch):
    pytest.importorskip("pyamg")
    table = rows(run("compare", "poisson:16x16", "--repeat", "1")[1])
    assert ("scipy", "cg", "pyamg SA") in table
    assert ("pysolve", "cg", "pyamg SA") in table
    without(monkeypatch, "pyamg")
    out = run("compare", "poisson:8x8", "--repeat", "1")[1]
    assert not any(name == "pyamg SA" for _, _, name in rows(out))
    assert "pyamg (pip install pyamg)" in out


def test_compare_uses_petsc_where_it_is_installed(run):
    pytest.importorskip("petsc4py", reason="petsc4py is not installed")
    table = rows(run("compare", "poisson:16x16", "--repeat", "1")[1])
    assert float(table["PETSc", "cg", "Jacobi"][3]) <= 1.01e-8
    assert table["PETSc", "cg", "GAMG"][4] == "-"


def test_line_that_did_not_converge_says_so(run, monkeypatch):
    without(monkeypatch, "pyamg", "petsc4py")
    code, out, _ = run("compare", "poisson:9x9", "--maxiter", "2", "--repeat", "1")
    assert code == 1
    assert all(row[-2:] == ["-", "not converged"] for row in rows(out).values())


def test_line_that_raises_says_so_and_the_others_go_on(run, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("out of luck")

    without(monkeypatch, "pyamg", "petsc4py")
    monkeypatch.setattr(_cli_peers, "scipy_jacobi", fail)
    code, out, _ = run("compare", "poisson:9x9", "--repeat", "1", *plot())
    table = rows(out)
    assert code == 0
    assert table["scipy", "cg", "Jacobi"][-1] == "failed: out of luck"
    assert table["pysolve", "cg", "Jacobi"][-1] == "-"
    assert table["pysolve", "cg", "none"][-1].endswith("x")


def plot():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return []
    return ["--plot", "table.png"]


def test_claim_of_convergence_is_checked_with_the_true_residual(run, monkeypatch):
    without(monkeypatch, "pyamg", "petsc4py")
    monkeypatch.setattr(_cli_peers.spla, "cg", lambda A, b, **options: (np.zeros_like(b), 0))
    out = run("compare", "poisson:9x9", "--repeat", "1")[1]
    assert rows(out)["scipy", "cg", "none"][-1] == "not converged, though it says so"


@pytest.mark.parametrize(
    "command", ["compare poisson:8x8x8 --repeat 1 --plot a.png", "demo --size 8 --plot a.png"]
)
def test_picture_is_a_png(run, tmp_path, command):
    image = pytest.importorskip("matplotlib.image")
    code, out, _ = run(*command.split())
    assert (code, "drawn: a.png" in out) == (0, True)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert np.ptp(image.imread("a.png")) > 0.5


def test_demo_shows_both_sides_of_five_problems(run):
    code, out, err = run("demo", "--size", "8")
    lines = [line for line in out.splitlines() if line.endswith("x")][:5]
    assert (code, len(lines)) == (0, 5)
    for line, name in zip(
        lines, ("Poisson 8^3, CSR", "Poisson", "obstacle box", "log-normal", "100 small"), strict=True
    ):
        assert line.startswith(name)
        cells = line.split()[-8:]
        assert max(float(cells[3]), float(cells[6])) <= 1.01e-6
    assert [f"[{i}/8]" in err for i in range(1, 9)] == [True] * 8


def simulated(out):
    """The lines of the simulation's table: name -> figures."""
    lines = out.split("pressure of one step")[1].splitlines()[2:]
    table = lines[: lines.index("")]
    return {cells[0]: cells[1:] for cells in (re.split(r"  +", line) for line in table)}


def test_demo_simulates_with_every_library_that_is_installed(run, monkeypatch):
    pytest.importorskip("pyamg")
    table = simulated(run("demo", "--size", "8")[1])
    assert list(table) == ["scipy", "scipy with pyamg SA", "pysolve, Multilevel"]
    for setup, solve, iterations, residual, ratio in table.values():
        assert float(setup) >= 0 < float(solve)
        assert int(iterations) > 0 < float(residual) <= 1.01e-6
        assert ratio.endswith("x")
    without(monkeypatch, "pyamg")
    code, out, _ = run("demo", "--size", "8")
    assert (code, list(simulated(out))) == (0, ["scipy", "pysolve, Multilevel"])
    assert "Not installed: pyamg (pip install pyamg)." in out


def test_demo_learns_the_parameter_of_a_sequence(run):
    lines = run("demo", "--size", "8")[1].split("all steps")[1].splitlines()[2:5]
    table = {cells[0]: cells[1:] for cells in (re.split(r"  +", line) for line in lines)}
    assert list(table) == ["scipy cg", "pysolve ssor_cg, omega = 1", "pysolve, SolveSequence"]
    counts = [int(cells[1]) for cells in table.values()]
    assert counts[0] > 1.5 * counts[1] > 1.5 * 300
    assert counts[2] <= 1.1 * counts[1]
    assert all(0 < float(cells[2]) <= 1.01e-6 for cells in table.values())


def test_demo_solves_an_equation_with_noise_that_integration_amplifies(run):
    lines = run("demo", "--size", "8")[1].split("u = sin 100x")[1].splitlines()[2:4]
    integrated, own = (float(re.split(r"  +", line)[2]) for line in lines)
    assert own < 0.01 < 1 < integrated


def test_demo_draws_the_simulation_beside_the_table(run, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    assert (
        "drawn: a.png, a_smoke.png, a_sequence.png, a_equation.png"
        in run("demo", "--size", "8", "--plot", "a.png")[1]
    )
    for name in ("a_smoke.png", "a_sequence.png", "a_equation.png"):
        assert np.ptp(image.imread(name)) > 0.3
    (tmp_path / "b_smoke.png").mkdir()
    code, _, err = run("demo", "--size", "8", "--plot", "b.png")
    assert (code, err) == (2, "pysolve: cannot write 'b_smoke.png': it is a folder\n")


def test_demo_is_1_where_the_simulation_misses_the_tolerance(run, monkeypatch):
    def half(A, b, x0=None, **options):
        x = np.zeros_like(b) if x0 is None else x0
        return (x, 1) if options["maxiter"] is None and x0 is not None else cg(A, b, x0, **options)

    cg = _cli_peers.spla.cg
    monkeypatch.setattr(_cli_peers.spla, "cg", half)
    assert run("demo", "--size", "8")[0] == 1


def test_demo_without_matplotlib_says_how_to_get_it(run, monkeypatch):
    without(monkeypatch, "matplotlib")
    code, out, _ = run("demo", "--size", "8")
    assert (code, "pip install pysolve[plot]" in out, os.listdir()) == (0, True, [])
    assert run("demo", "--size", "8", "--plot", "a.png")[0] == 2


@pytest.mark.parametrize("size", ["7", "9999", "8.5", "x"])
def test_demo_of_an_odd_size_is_2_and_says_what_is_wanted(run, size):
    code, out, err = run("demo", "--size", size)
    assert (code, out) == (2, "")
    assert f"argument --size: must be a whole number, from 8 to 256, got '{size}'" in err


def test_indefinite_matrix_is_no_warning_of_numpy_but_a_line_of_the_table(run, monkeypatch):
    without(monkeypatch, "pyamg", "petsc4py")
    np.savez("A.npz", A=np.diag([1.0, -1.0]), b=np.ones(2))  # p @ A @ p is 0 in the first step
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, out, _ = run("compare", "A.npz", "--repeat", "1")
    assert code == 1
    assert rows(out)["scipy", "cg", "none"][-1].startswith("not converged")


def test_other_number_of_threads_is_another_process(tmp_path):
    command = ["compare", "poisson:8x8", "--repeat", "1", "--threads", "2"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pysolve", *command], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "poisson:8x8: n = 64" in done.stdout


def test_table_is_aligned_words_left_figures_right():
    lines = _cli_table.aligned(["name", "s"], [["a", "1.5"], ["longer", "-"]]).splitlines()
    assert lines == ["name      s", "------  ---", "a       1.5", "longer    -"]


@pytest.mark.skipif(MATRICES is None, reason="PYSOLVE_MATRICES, the folder of real systems, is not set")
@pytest.mark.parametrize("name", ["gr_30_30", "494_bus", "bcsstk14", "wathenSmall"])
def test_real_system_is_solved(run, name):
    path = os.path.join(MATRICES or "", f"{name}.mtx.gz")
    code, out, err = run("solve", path, "--preconditioner", "jacobi", "--output", "x.npy")
    assert (code, err) == (0, "")
    assert float(out.split("true relative residual ")[1].split()[0]) <= 1e-8
