"""pysolve: iterative solvers with SciPy's calls, that learn from the solves they have done."""

from pysolve import gallery
from pysolve._backend import config as show_config
from pysolve._conjugate_directions import cg, conjugate_directions
from pysolve._direction_net import DirectionNet
from pysolve._jacobi import Jacobi
from pysolve._matrix_completion import matrix_completion
from pysolve._matrix_completion_result import CompletionResult, CompletionStatus
from pysolve._multilevel import Multilevel
from pysolve._result import ConvergenceError, SolveResult, Status
from pysolve._sell import PackedMatrix
from pysolve._stencil import StencilOperator

__version__ = show_config()["version"]

__all__ = [
    "CompletionResult",
    "CompletionStatus",
    "ConvergenceError",
    "DirectionNet",
    "Jacobi",
    "Multilevel",
    "PackedMatrix",
    "SolveResult",
    "Status",
    "StencilOperator",
    "cg",
    "conjugate_directions",
    "gallery",
    "matrix_completion",
    "show_config",
]
