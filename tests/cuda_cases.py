"""The CUDA kernels for the tests, with NumPy arrays in and out: on a device, or simulated on the host."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cuda_completion_kernels import CompletionKernels
from cuda_device import DeviceKernels
from kron_cuda_cases import KronCalls
from reference.csr import wide
from reference.stencil import NEUMANN, PERIODIC
from stencil_cases import reference_grid

ROOT = Path(__file__).resolve().parents[1]
FAULTS = ["", "indptr", "index", "value"]
# What _core has and _cuda has not, with the reason.
ONLY_CPU: dict[str, str] = {}
SOR_RUNS = "sor_run", "sor_solve", "sor_precondition", "ssor_cg_run"
# Simulated with the whole module (`make simulated`), not by SimulatedKernels.
OF_THE_MODULE = {
    *("stencil_components", "stencil_project_out"),
    *(f"conjugate_directions_run_{kind}" for kind in ("csr", "sell", "stencil")),
    "conjugate_directions_dot",
    *(f"conjugate_directions_{way}_stencil" for way in ("toward", "along", "advance")),
    *(f"{run}_csr" for run in SOR_RUNS),
    *(f"{run}_stencil" for run in SOR_RUNS),
}

# Few small blocks walk their data in several rounds, as full-sized launches do with large data.
PLACES = ["simulated", "few blocks", pytest.param("device", marks=pytest.mark.gpu)]


def kernels_at(request):
    """The kernels at one of PLACES, the parameter of a fixture."""
    if request.param == "device":
        return DeviceKernels()
    library = request.getfixturevalue("simulation")
    return SimulatedKernels(library, *((64, 2) if request.param == "few blocks" else ()))


class Claim:
    """Says that it is a device array."""

    def __init__(self, typestr, *shape, **more):
        interface = {"shape": shape, "typestr": typestr, "data": (64, False), "version": 3}
        self.__cuda_array_interface__ = interface | more


def build_simulation(folder):
    """The library of the .cu files, compiled for the host; skips where that cannot be done."""
    compilers = (os.environ.get("CXX", "").split()[:1] or [""])[0], "c++", "g++", "clang++"
    compiler = next(filter(None, map(shutil.which, filter(None, compilers))), None)
    if compiler is None:
        pytest.skip("no C++ compiler")
    if not (ROOT / "csrc").is_dir():
        pytest.skip("the C++ sources are not here")
    library = folder / "cuda_host.so"
    source = ROOT / "tests" / "cuda_host" / "kernels.cpp"
    options = [
        "-std=c++20",
        "-O1",
        "-U_FORTIFY_SOURCE",
        "-fPIC",
        "-shared",
        "-DPYSOLVE_BACKEND=cuda",
        f"-I{ROOT / 'csrc'}",
    ]
    built = subprocess.run(
        [compiler, *options, str(source), "-o", str(library)], capture_output=True, text=True
    )
    if built.returncode and "ucontext.h" in built.stderr.partition("error")[2].partition("\n")[0]:
        pytest.skip("no ucontext.h on this system")
    assert built.returncode == 0, built.stderr
    simulation = ctypes.CDLL(str(library))
    simulation.run.restype = simulation.names.restype = ctypes.c_char_p
    return simulation


class SimulatedKernels(KronCalls, CompletionKernels):
    """The same kernels, thread by thread on the host, in launches of at most so many blocks."""

    def __init__(self, library, threads=256, most_blocks=2048):
        self.library, self.launch = library, (threads, most_blocks)

    def _run(self, kernel, types, sizes, arrays):
        out = np.full(5, np.nan)
        pointers = [None if x is None else x.ctypes.data for x in arrays]
        n = np.array(sizes, np.int64)
        name = "_".join([kernel, *(np.dtype(t).str[1:] for t in types)])
        self.library.simulate(self.launch[0], ctypes.c_int64(self.launch[1]))
        fault = self.library.run(
            name.encode(),
            ctypes.c_void_p(n.ctypes.data),
            (ctypes.c_void_p * len(pointers))(*pointers),
            ctypes.c_void_p(out.ctypes.data),
        )
        assert fault == b"", f"{name}: {fault.decode()}"
        return out

    def csr_matvec(self, indptr, indices, data, x, y):
        types = indptr.dtype, data.dtype
        self._run("csr_matvec", types, (indptr.size - 1, x.size), (indptr, indices, data, x, y))

    def csr_matvec_dot(self, indptr, indices, data, x, y):
        types = indptr.dtype, data.dtype
        out = self._run("csr_matvec_dot", types, (indptr.size - 1, x.size), (indptr, indices, data, x, y))
        return scalar(out, data)

    def csr_residual(self, indptr, indices, data, b, x, r):
        types = indptr.dtype, data.dtype
        return self._run("csr_residual", types, (indptr.size - 1, x.size), (indptr, indices, data, b, x, r))[
            0
        ]

    def csr_check(self, indptr, indices, data, n_cols):
        sizes = indptr.size - 1, n_cols, data.size
        out = self._run("csr_check", (indptr.dtype, data.dtype), sizes, (indptr, indices, data))
        names = "asymmetry", "frobenius", "max_row_sum"
        return {
            "fault": FAULTS[int(out[0])],
            "position": int(out[1]),
            **dict(zip(names, out[2:], strict=True)),
        }

    def sell_measure(self, indptr, indices, data, n_cols, *lengths):
        sizes = indptr.size - 1, n_cols
        self._run("sell_measure", (indptr.dtype, data.dtype), sizes, (indptr, indices, data, *lengths))

    def sell_pack(self, indptr, indices, data, n_cols, *packed):
        sizes = indptr.size - 1, n_cols
        self._run("sell_pack", (indptr.dtype, data.dtype), sizes, (indptr, indices, data, *packed))

    def _sell(self, kernel, slice_ptr, column, indices, data, *vectors):
        sizes = vectors[-1].size, vectors[-2].size, slice_ptr.size - 1
        return self._run(kernel, [data.dtype], sizes, (slice_ptr, column, indices, data, *vectors))

    def sell_matvec(self, *arrays):
        self._sell("sell_matvec", *arrays)

    def sell_matvec_dot(self, *arrays):
        return scalar(self._sell("sell_matvec_dot", *arrays), arrays[3])

    def sell_residual(self, *arrays):
        return self._sell("sell_residual", *arrays)[0]

    def stencil_grid(self, n, low, high, weights, shift, decoupled, dtype):
        constants = np.array([w if isinstance(w, float) else 0.0 for w in (*weights, shift)])
        *faces, shifts = (None if isinstance(w, float) else w for w in (*weights, shift))
        sizes = (*n, *low, *high, 0 if decoupled is None else decoupled.size)
        return dtype, sizes, (*faces, shifts, decoupled, constants)

    def _stencil(self, kernel, grid, *vectors):
        dtype, sizes, arrays = grid
        return self._run(kernel, [dtype], sizes, (*arrays, *vectors))[0]

    def stencil_matvec(self, grid, x, y):
        self._stencil("stencil_matvec", grid, x, y)

    def stencil_matvec_dot(self, grid, x, y):
        return self._stencil("stencil_matvec_dot", grid, x, y)

    def stencil_residual(self, grid, b, x, r):
        return self._stencil("stencil_residual", grid, b, x, r)

    def sor_sweep_csr(self, indptr, indices, data, rows, b, x, omega):
        sizes, types = (indptr.size - 1, x.size, rows.size), (indptr.dtype, data.dtype)
        self._run("sor_sweep_csr", types, sizes, (indptr, indices, data, rows, b, x, np.array([omega])))

    def sor_sweep_stencil(self, grid, b, x, omega, colour):
        dtype, sizes, arrays = grid
        self._run("sor_sweep_stencil", [dtype], (*sizes, colour), (*arrays, b, x, np.array([omega])))

    def conjugate_directions_orthogonalise(self, z, r, P, Q, pq, slot):
        c = np.empty(pq.size, np.result_type(z, np.float64))
        sizes = pq.size, slot, z.size
        out = self._run("conjugate_directions_orthogonalise", [z.dtype], sizes, (z, r, P, Q, pq, c))
        return scalar(out, z), out[2], c.tolist()

    def conjugate_directions_step(self, x, r, p, q, alpha):
        factor = np.array([alpha], x.dtype)
        return self._run("conjugate_directions_step", [x.dtype], [x.size], (x, r, p, q, factor))[0]

    def multilevel_cells(self, grid, *arrays):
        self._sweep("multilevel_cells", [], grid, arrays)

    def _sweep(self, kernel, types, grid, vectors, *numbers):
        _, sizes, arrays = grid
        return self._run(kernel, types, sizes, (*arrays, *vectors, np.array(numbers, float)))

    def multilevel_narrow(self, values, factor, least, out):
        arrays = values, np.array([factor, least]), out
        self._run("multilevel_narrow", [values.dtype], [values.size], arrays)

    def multilevel_descend(self, grid, b, factor, inverse, tau, u, x, y):
        out = self._sweep("multilevel_descend", [b.dtype], grid, (b, inverse, tau, u, x, y), factor, tau.size)
        return float(out[0]), float(out[1])

    def multilevel_ascend(self, grid, alpha, coarse, scale, u, inverse, tau, x, y, factor, z):
        vectors = alpha, coarse, u, inverse, tau, x, y, z
        self._sweep("multilevel_ascend", [z.dtype], grid, vectors, scale, factor, tau.size)

    def multilevel_join(self, n, axis, periodic, *arrays):
        self._run("multilevel_join", [], (*n, axis, periodic), arrays)

    def multilevel_add(self, n, axis, *arrays):
        self._run("multilevel_add", [], (*n, axis, False), arrays)

    def multilevel_restrict(self, n, axis, periodic, *arrays):
        self._run("multilevel_restrict", [], (*n, axis, periodic), arrays)

    def multilevel_prolong(self, n, axis, periodic, alpha, coarse, scale, add, fine):
        arrays = alpha, coarse, fine, np.array([scale])
        self._run("multilevel_prolong", [], (*n, axis, periodic, add), arrays)

    def direction_net_work_size(self, n):
        return int(self._run("direction_net_work_size", ["f4"], n, ())[0])

    def direction_net_pack(self, kernels, packed):
        self._run("direction_net_pack", ["f4"], [kernels.size // 6912], (kernels, packed))

    def direction_net_apply(self, weights, n, r, d, work):
        blocks, *arrays, last_bias = weights
        bias = np.array([last_bias], np.float32)
        self._run("direction_net_apply", ["f4"], (*n, *blocks), (*arrays, bias, r, d, work))


def scalar(out, like):
    """A sum of the type that goes with the values of `like`."""
    return complex(*out[:2]) if like.dtype.kind == "c" else float(out[0])


def size(x, y):
    """What rounding in a dot product of x and y is relative to."""
    return float(abs(wide(x)) @ abs(wide(y)))


def stencil_handle(kernels, A):
    """The grid of the reference, and the handle that the kernels make of the same."""
    grid = reference_grid(A)
    constant = isinstance(A.weights[0], float)
    weights = tuple(w if constant or not isinstance(w, float) else None for w in grid.weights)
    shift = A.shift if isinstance(A.shift, float) else A.shift.ravel()
    decoupled = np.array(grid.decoupled, np.int64) if grid.decoupled else None
    # An axis of one cell that is periodic is handed over closed, as the package does.
    sides = (
        tuple(NEUMANN if n == 1 and side == PERIODIC else side for n, side in zip(grid.n, ends, strict=True))
        for ends in (grid.low, grid.high)
    )
    return grid, kernels.stencil_grid(grid.n, *sides, weights, shift, decoupled, grid.dtype)


def packed(module, A):
    """The packed copy that a module of kernels makes of a matrix with sorted rows."""
    n_slices = -(-A.shape[0] // 8)
    lengths = np.zeros((2, n_slices), np.int64)
    module.sell_measure(*A.arrays, A.shape[1], *lengths)
    slice_ptr, gather_ptr = (np.concatenate([[0], np.cumsum(row)]).astype(np.int64) for row in lengths)
    column, indices = (np.full(n, -99, np.int32) for n in (slice_ptr[-1], 8 * gather_ptr[-1]))
    data = np.full(8 * slice_ptr[-1], np.nan, A.data.dtype)
    module.sell_pack(*A.arrays, A.shape[1], slice_ptr, gather_ptr, column, indices, data)
    return slice_ptr, column, indices, data
