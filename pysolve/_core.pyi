"""Types of the compiled kernels; csrc/<stem>.hpp says what each one computes and costs."""

from collections.abc import Sequence
from typing import Any, Literal

Array = Any  # contiguous, of the types that the kernel's header names

version: str
compiler: str

def instruction_set() -> str: ...
def openmp_threads() -> int: ...

# csr
def csr_matvec(indptr: Array, indices: Array, data: Array, x: Array, y: Array) -> None: ...
def csr_matvec_dot(indptr: Array, indices: Array, data: Array, x: Array, y: Array) -> Any: ...
def csr_residual(indptr: Array, indices: Array, data: Array, b: Array, x: Array, r: Array) -> float: ...
def csr_check(indptr: Array, indices: Array, data: Array, n_cols: int) -> dict[str, Any]: ...

# sell
def sell_measure(
    indptr: Array, indices: Array, data: Array, n_cols: int, columns_of: Array, gathered_of: Array
) -> None: ...
def sell_pack(
    indptr: Array,
    indices: Array,
    data: Array,
    n_cols: int,
    slice_ptr: Array,
    gather_ptr: Array,
    column: Array,
    packed_indices: Array,
    packed_data: Array,
) -> None: ...
def sell_matvec(slice_ptr: Array, column: Array, indices: Array, data: Array, x: Array, y: Array) -> None: ...
def sell_matvec_dot(
    slice_ptr: Array, column: Array, indices: Array, data: Array, x: Array, y: Array
) -> Any: ...
def sell_residual(
    slice_ptr: Array, column: Array, indices: Array, data: Array, b: Array, x: Array, r: Array
) -> float: ...

# stencil
class StencilGrid: ...

def stencil_grid(
    n: tuple[int, int, int],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    weights: tuple[Any, Any, Any],
    shift: Any,
    decoupled: Array | None,
    dtype: str,
) -> StencilGrid: ...
def stencil_matvec(grid: StencilGrid, x: Array, y: Array) -> None: ...
def stencil_matvec_dot(grid: StencilGrid, x: Array, y: Array) -> float: ...
def stencil_residual(grid: StencilGrid, b: Array, x: Array, r: Array) -> float: ...
def stencil_components(grid: StencilGrid, labels: Array) -> int: ...
def stencil_project_out(labels: Array, n_components: int, d: Array) -> None: ...

# multilevel
def multilevel_narrow(values: Array, factor: float, least: float, out: Array) -> None: ...
def multilevel_cells(
    grid: StencilGrid, relaxation: Array, resistance: Array, inverse: Array | None, half: Array | None
) -> None: ...
def multilevel_join(
    n: tuple[int, int, int],
    axis: int,
    periodic: bool,
    weights: Array,
    half: Array,
    coarse: Array,
    alpha: Array,
) -> None: ...
def multilevel_add(n: tuple[int, int, int], axis: int, fine: Array, coarse: Array) -> None: ...
def multilevel_descend(
    grid: StencilGrid,
    b: Array,
    factor: float,
    inverse: Array,
    tau: Array,
    u: Array,
    x: Array,
    y: Array,
) -> tuple[float, float]: ...
def multilevel_ascend(
    grid: StencilGrid,
    alpha: Array | None,
    coarse: Array | None,
    scale: float,
    u: Array,
    inverse: Array,
    tau: Array,
    x: Array,
    y: Array,
    factor: float,
    z: Array,
) -> None: ...
def multilevel_restrict(
    n: tuple[int, int, int], axis: int, periodic: bool, alpha: Array, fine: Array, coarse: Array
) -> None: ...
def multilevel_prolong(
    n: tuple[int, int, int],
    axis: int,
    periodic: bool,
    alpha: Array,
    coarse: Array,
    scale: float,
    add: bool,
    fine: Array,
) -> None: ...

# conjugate_directions
def conjugate_directions_orthogonalise(
    z: Array, r: Array, P: Array, Q: Array, pq: Array, slot: int
) -> tuple[Any, float, list[Any]]: ...
def conjugate_directions_step(x: Array, r: Array, p: Array, q: Array, alpha: Any) -> float: ...

class RunState:
    rho: float
    beta: float
    tolerance: float
    floor: float
    n_steps: int
    @property
    def curvature(self) -> float: ...
    @property
    def end(self) -> Literal["steps", "tolerance", "not_positive", "not_finite"]: ...

def conjugate_directions_run_csr(
    indptr: Array,
    indices: Array,
    data: Array,
    inverse_diagonal: Array | None,
    x: Array,
    r: Array,
    p: Array,
    q: Array,
    norms: Array,
    state: RunState,
) -> None: ...
def conjugate_directions_run_sell(
    slice_ptr: Array,
    column: Array,
    indices: Array,
    data: Array,
    inverse_diagonal: Array | None,
    x: Array,
    r: Array,
    p: Array,
    q: Array,
    norms: Array,
    state: RunState,
) -> None: ...
def conjugate_directions_run_stencil(
    grid: StencilGrid,
    inverse_diagonal: Array | None,
    x: Array,
    r: Array,
    p: Array,
    q: Array | None,
    norms: Array,
    state: RunState,
) -> None: ...
def conjugate_directions_dot(r: Array, z: Array) -> float: ...
def conjugate_directions_toward_stencil(
    grid: StencilGrid, z: Array, beta: float, p: Array
) -> tuple[float, float]: ...
def conjugate_directions_along_stencil(
    grid: StencilGrid, alpha: float, x: Array, r: Array, p: Array
) -> float: ...
def conjugate_directions_advance_stencil(
    grid: StencilGrid, z: Array, x: Array, r: Array, p: Array, state: Array, work: Array
) -> None: ...

# sor on stencil operators
def sor_sweep_stencil(grid: StencilGrid, b: Array, x: Array, omega: float, colour: int) -> None: ...
def sor_run_stencil(
    grid: StencilGrid,
    b: Array,
    x: Array,
    omega: float,
    sweep: int,
    order: Literal["natural", "multicolor"],
    norms: Array,
    state: RunState,
) -> None: ...
def sor_precondition_stencil(grid: StencilGrid, omega: float, r: Array, z: Array) -> None: ...
def ssor_cg_run_stencil(
    grid: StencilGrid, omega: float, x: Array, r: Array, work: Array, norms: Array, state: RunState
) -> None: ...

# direction_net
def direction_net_work_size(n: tuple[int, int, int]) -> int: ...
def direction_net_pack(kernels: Array, packed: Array) -> None: ...
def direction_net_apply(
    weights: tuple[Any, ...], n: tuple[int, int, int], r: Array, d: Array, work: Array
) -> None: ...

# sor
def sor_sweep_csr(
    indptr: Array, indices: Array, data: Array, rows: Array, b: Array, x: Array, omega: float
) -> None: ...

class SorSplit:
    fault: Literal["none", "indptr", "index", "value", "duplicate", "diagonal"]
    row: int
    column: int
    value: complex
    n: int
    n_levels: int
    n_colors: int
    nbytes: int
    norm: float
    symmetric: bool
    asymmetry: float
    def __init__(
        self, indptr: Array, indices: Array, data: Array, order: Literal["natural", "multicolor"]
    ) -> None: ...
    def update(self, indptr: Array, indices: Array, data: Array) -> bool: ...

def sor_run_csr(
    split: SorSplit, b: Array, x: Array, omega: float, sweep: int, norms: Array, state: RunState
) -> None: ...
def ssor_cg_run_csr(
    split: SorSplit, omega: float, x: Array, r: Array, work: Array, norms: Array, state: RunState
) -> None: ...
def sor_precondition_csr(split: SorSplit, omega: float, r: Array, z: Array) -> None: ...

# kron
def kron_mode_product(A: Array, x: Array, y: Array) -> None: ...
def kron_work_size(factors: Sequence[Array], columns: int = 1) -> int: ...
def kron_matvec(factors: Sequence[Array], x: Array, y: Array, work: Array) -> None: ...

# matrix_completion
Observed = tuple[Any, Any, Any, Any, Any]  # begin, end, indices, values, weights

def matrix_completion_sort(
    keys: Array,
    others: Array,
    values: Array,
    weights: Array | None,
    begin: Array,
    sorted_others: Array,
    sorted_values: Array,
    sorted_weights: Array | None,
) -> None: ...
def matrix_completion_half_step(
    observed: Observed,
    V: Array,
    U: Array,
    k: int,
    reg: Array | None,
    n_cg: int,
    shrunk: Array | None,
    relaxation: float = 1.0,
) -> float: ...
def matrix_completion_nonneg_step(
    observed: Observed, V: Array, U: Array, k: int, reg: Array | None, n_sweeps: int
) -> float: ...
def matrix_completion_sketched_step(
    observed: Observed,
    V: Array,
    U: Array,
    k: int,
    reg: Array | None,
    n_cg: int,
    chosen: Array,
    kind: Literal["count", "rows", "srht"],
    n_sketch: int,
    seed: int,
    shrunk: Array | None,
) -> float: ...
def matrix_completion_gradient(
    observed: Observed, V: Array, U: Array | None, out: Array, k: int
) -> float: ...
def matrix_completion_blocks(observed: Observed, V: Array, k: int, damping: float, H: Array) -> float: ...
def matrix_completion_apply_blocks(H: Array, X: Array, k: int, factor: float) -> None: ...
def matrix_completion_normal(
    observed: Observed, U: Array, V: Array, P: Array | None, Q: Array, out: Array, k: int, damping: float
) -> float: ...
def matrix_completion_residual(
    rows: Array,
    cols: Array,
    values: Array,
    weights: Array | None,
    U: Array,
    V: Array,
    k: int,
    r: Array | None,
) -> float: ...
def matrix_completion_deviations(
    observed: Observed, V: Array, U: Array, k: int, r: Array, medians: Array
) -> None: ...
def matrix_completion_gram(V: Array, k: int, G: Array) -> None: ...
def matrix_completion_transform(V: Array, k: int, R: Array, limit: float) -> int: ...
