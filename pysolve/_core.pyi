"""Types of the compiled kernels; csrc/<stem>.hpp says what each one computes and costs."""

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

# direction_net
def direction_net_work_size(n: tuple[int, int, int]) -> int: ...
def direction_net_pack(kernels: Array, packed: Array) -> None: ...
def direction_net_apply(
    weights: tuple[Any, ...], n: tuple[int, int, int], r: Array, d: Array, work: Array
) -> None: ...
