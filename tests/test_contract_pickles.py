"""Every public object pickles, and the copy does what the object does."""

import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from contract_cases import KINDS, RELAXATIONS, SOLVERS, N, dense, vector
from direction_net_cases import random_model

import pysolve

solvers = pytest.mark.parametrize("solve", [*SOLVERS, *RELAXATIONS])


def a_failure():
    return pysolve.cg(dense(), vector(), maxiter=1)


def a_network():
    return pysolve.DirectionNet(pysolve.StencilOperator((N, 1, 1), (1.0, 1.0, 1.0)), model=random_model())


ARMS = [1.0, 1.5, 1.9]


def a_sequence():
    sequence = pysolve.SolveSequence(arms=ARMS, rng=0)
    for _ in range(3):
        sequence(sp.csr_array(dense()), vector())
    return sequence


POLICIES = {
    "AutoPolicy": lambda: pysolve.AutoPolicy(ARMS, rng=0),
    "ChebCB": lambda: pysolve.ChebCB(ARMS, (0.0, 1.0), rng=0),
    "FixedArm": lambda: pysolve.FixedArm(ARMS),
    "SolveSequence": a_sequence,
    "SuccessiveReject": lambda: pysolve.SuccessiveReject(ARMS, 30, rng=0),
    "ThompsonSampling": lambda: pysolve.ThompsonSampling(ARMS, rng=0),
    "TsallisINF": lambda: pysolve.TsallisINF(ARMS, rng=0),
    "TsallisINFBins": lambda: pysolve.TsallisINFBins(ARMS, (0.0, 1.0), rng=0),
}
PUBLIC = {
    **POLICIES,
    "Call": lambda: a_sequence().history[1],
    "SequenceResult": lambda: a_sequence()(sp.csr_array(dense()), vector()),
    "SolveResult": lambda: pysolve.cg(dense(), vector()),
    "Status": lambda: pysolve.Status.STAGNATED,
    "ConvergenceError": lambda: pysolve.ConvergenceError(a_failure()),
    "DirectionNet": a_network,
    "GridGP": lambda: pysolve.grid_gp([np.arange(5.0)], vector()[:5], noise=0.1),
    "GPSolution": lambda: pysolve.gp_pde({2: 1.0}, 1.0, np.arange(9.0), (0.0, 0.0), return_std=True),
    "GPStatus": lambda: pysolve.GPStatus.UNRESOLVED,
    "Robin": lambda: pysolve.Neumann(3.0),
    "Unknown": lambda: pysolve.Unknown("kappa", 0.5),
    "Jacobi": lambda: pysolve.Jacobi(dense()),
    "Multilevel": lambda: pysolve.Multilevel(KINDS["StencilOperator"](dense())),
    "PackedMatrix": lambda: pysolve.PackedMatrix(sp.csr_array(dense())),
    "SSOR": lambda: pysolve.SSOR(dense(), 1.5),
    "SorWorkspace": pysolve.SorWorkspace,
    "Trial": lambda: pysolve.FixedArm(ARMS, 2).ask(0.5),
    "StencilOperator": lambda: KINDS["StencilOperator"](dense()),
    "KronOperator": lambda: pysolve.KronOperator(dense()),
    "KronSum": lambda: pysolve.KronSum(dense(), np.eye(1)),
    "KronTerms": lambda: pysolve.KronTerms([(2.0, [dense()])]),
    "Toeplitz": lambda: pysolve.Toeplitz(vector()),
    "CompletionBias": lambda: pysolve.CompletionBias(1.0, np.zeros(3), np.ones(2)),
    "CompletionResult": lambda: pysolve.matrix_completion(np.ones((6, 5)), 1, rng=0),
    "CompletionStatus": lambda: pysolve.CompletionStatus.RECOVERED,
    "MatrixCompletion": lambda: pysolve.MatrixCompletion(2, reg=0.5),
    "SpectralMixture": lambda: pysolve.SpectralMixture([0.0, 2.0], rho=0.5, kind="stm"),
}


def asked(policy):
    """What draws the arms."""
    return getattr(policy, "policy", policy)


def test_every_public_object_is_pickled_here():
    classes = {name for name in pysolve.__all__ if inspect.isclass(getattr(pysolve, name))}
    assert classes - {"Policy"} == set(PUBLIC)  # that one is the base of the others


@pytest.mark.parametrize("name", PUBLIC)
def test_public_object_pickles(name):
    made = PUBLIC[name]()
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is type(made)
    if isinstance(made, pysolve.Status | pysolve.CompletionStatus | pysolve.GPStatus):
        assert again is made
    elif name == "MatrixCompletion":
        assert again.get_params() == made.get_params()
    elif name == "CompletionBias":
        assert again.mean == made.mean
        np.testing.assert_array_equal(np.append(again.rows, again.cols), np.append(made.rows, made.cols))
    elif name == "GridGP":
        np.testing.assert_array_equal(again.predict(), made.predict())
    elif name == "GPSolution":
        np.testing.assert_array_equal([again.u, again.std], [made.u, made.std])
        np.testing.assert_array_equal(again.sample(2, rng=0), made.sample(2, rng=0))
    elif name == "CompletionResult":
        assert (again.status, again.message) == (made.status, made.message)
        np.testing.assert_array_equal(again.to_dense(), made.to_dense())
    elif name in POLICIES:
        context = None if name == "SolveSequence" else 0.5
        drawn = [[policy.ask(context).value for _ in range(20)] for policy in map(asked, (made, again))]
        assert drawn[0] == drawn[1]
    elif name in ("Call", "SpectralMixture", "Robin", "Unknown"):
        assert again == made
    elif name == "Trial":
        assert (again.value, again.index, again.context) == (1.9, 2, 0.5)
    elif name == "SorWorkspace":
        assert pysolve.ssor_cg(dense(), vector(), workspace=again).converged
    elif hasattr(made, "matvec"):
        np.testing.assert_array_equal(again @ vector(), made @ vector())
        assert pysolve.cg(
            dense(), vector(), M=again if name in ("Jacobi", "Multilevel", "SSOR") else None
        ).converged
    else:
        result, twin = (getattr(part, "result", part) for part in (made, again))
        np.testing.assert_array_equal(twin.x, result.x)
        assert (twin.info, twin.status, twin.message) == (result.info, result.status, result.message)


@solvers
def test_solvers_pickle(solve):
    assert pickle.loads(pickle.dumps(solve)) is solve
