"""pysolve: iterative solvers with SciPy's calls, that learn from the solves they have done."""

from pysolve import gallery
from pysolve._backend import config as show_config
from pysolve._bandit import Policy, Trial
from pysolve._bandit_chebyshev import ChebCB
from pysolve._bandit_fixed import FixedArm, SuccessiveReject
from pysolve._bandit_thompson import AutoPolicy, ThompsonSampling
from pysolve._bandit_tsallis import TsallisINF, TsallisINFBins
from pysolve._conjugate_directions import cg, conjugate_directions
from pysolve._direction_net import DirectionNet
from pysolve._gp_pde import gp_pde
from pysolve._gp_pde_arguments import Unknown
from pysolve._gp_pde_boundary import Neumann, Robin
from pysolve._gp_pde_outcome import GPStatus
from pysolve._gp_pde_result import GPSolution
from pysolve._grid_gp import GridGP, grid_gp
from pysolve._jacobi import Jacobi
from pysolve._kron import KronOperator
from pysolve._kron_sum import KronSum
from pysolve._kron_terms import KronTerms
from pysolve._kron_toeplitz import Toeplitz
from pysolve._matrix_completion import matrix_completion
from pysolve._matrix_completion_estimator import MatrixCompletion
from pysolve._matrix_completion_result import CompletionBias, CompletionResult, CompletionStatus
from pysolve._multilevel import Multilevel
from pysolve._result import ConvergenceError, SolveResult, Status
from pysolve._sell import PackedMatrix
from pysolve._solve_sequence import SolveSequence
from pysolve._solve_sequence_result import Call, SequenceResult
from pysolve._sor import sor, ssor_cg
from pysolve._sor_matrix import SorWorkspace
from pysolve._sor_theory import jacobi_radius, optimal_omega, sor_radius
from pysolve._spectral_mixture import SpectralMixture
from pysolve._ssor import SSOR
from pysolve._stencil import StencilOperator

__version__ = show_config()["version"]

__all__ = [
    "SSOR",
    "AutoPolicy",
    "Call",
    "ChebCB",
    "CompletionBias",
    "CompletionResult",
    "CompletionStatus",
    "ConvergenceError",
    "DirectionNet",
    "FixedArm",
    "GPSolution",
    "GPStatus",
    "GridGP",
    "Jacobi",
    "KronOperator",
    "KronSum",
    "KronTerms",
    "MatrixCompletion",
    "Multilevel",
    "Neumann",
    "PackedMatrix",
    "Policy",
    "Robin",
    "SequenceResult",
    "SolveResult",
    "SolveSequence",
    "SorWorkspace",
    "SpectralMixture",
    "Status",
    "StencilOperator",
    "SuccessiveReject",
    "ThompsonSampling",
    "Toeplitz",
    "Trial",
    "TsallisINF",
    "TsallisINFBins",
    "Unknown",
    "cg",
    "conjugate_directions",
    "gallery",
    "gp_pde",
    "grid_gp",
    "jacobi_radius",
    "matrix_completion",
    "optimal_omega",
    "show_config",
    "sor",
    "sor_radius",
    "ssor_cg",
]
