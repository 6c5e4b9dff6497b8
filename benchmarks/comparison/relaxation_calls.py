"""Sweeps of pysolve, pyamg and PETSc as calls of no arguments."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SWEEPS = 8  # of one call
MANY = 40  # of one call where the first has the vectors to bring into order
OMEGA = 1.5


def run_csr(split, b, x, sweeps, omega=OMEGA):
    """A call of `sweeps` sweeps with their norms, by the kernel, on a split that is there already."""
    from pysolve._backend import kernels

    state, norms = kernels(x).RunState(), np.empty(sweeps)

    def call():
        state.n_steps, state.tolerance = sweeps, 0.0
        kernels(x).sor_run_csr(split, b, x, omega, 0, norms, state)

    return call


def run_stencil(A, b, x, sweeps, order="natural", norms_too=False, omega=OMEGA):
    """The same on a stencil operator; without norms, which nobody asks for with a tolerance below 0."""
    from pysolve._backend import kernels

    state, norms = kernels(x).RunState(), np.empty(sweeps)

    def call():
        state.n_steps, state.tolerance = sweeps, 0.0 if norms_too else -1.0
        kernels(x).sor_run_stencil(A._kernel_args[0], b, x, omega, 0, order, norms, state)

    return call


def split_of(A, order="natural"):
    """What the kernels make of a matrix."""
    from pysolve._backend import kernels

    return kernels(A.data).SorSplit(A.indptr, A.indices, A.data, order)


def pyamg_sor(A, b, x, sweeps):
    """The same by pyamg."""
    import scipy.sparse as sp
    from pyamg.relaxation.relaxation import sor

    matrix = sp.csr_matrix(A)
    return lambda: sor(matrix, x, b, OMEGA, iterations=sweeps, sweep="forward")


def petsc_seconds(extents, rounds):
    """Seconds of PETSc's sweep in a process of its own, or None without petsc4py."""
    name = os.environ.get("PETSC_PYTHON", sys.executable)
    script = Path(__file__).with_name("petsc_sor.py")
    command = [name, str(script), "x".join(map(str, extents)), str(MANY), str(rounds)]
    found = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    return float(found.stdout) if found.returncode == 0 else None
