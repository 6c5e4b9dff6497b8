"""sell kernels in plain Python loops, with the compiled ones' names and arguments: the specification.

A slice is 8 neighbouring rows. A diagonal of the matrix that 5 of them or more have, and that lies inside the
matrix all along the slice, is stored as a *run*: 8 values and the column of the first. Every other entry is
*gathered*: the g-th entry that a row has left goes to the g-th gathered column of its slice, 8 values with 8
column numbers.
"""

import numpy as np
from reference.csr import wide

ROWS, LEAST_RUN = 8, 5


def diagonals(indptr, indices, n_cols, s):
    """(offset, [(row in the slice, entry)], whether it is a run) for each diagonal of slice s, in rising order.

    The offset is the column in the first row of the slice. A row that has an entry twice has it on two
    diagonals of the same offset.
    """
    rows = range(s * ROWS, min((s + 1) * ROWS, len(indptr) - 1))
    found = {}
    for i in rows:
        seen = {}
        for k in range(indptr[i], indptr[i + 1]):
            offset = int(indices[k]) - (i - s * ROWS)
            seen[offset] = seen.get(offset, -1) + 1
            found.setdefault((offset, seen[offset]), []).append((i - s * ROWS, k))
    for (offset, _), entries in sorted(found.items()):
        yield offset, entries, len(entries) >= LEAST_RUN and 0 <= offset <= n_cols - ROWS


def sell_measure(indptr, indices, data, n_cols, columns_of, gathered_of):
    """Columns of every slice, and how many of them are gathered."""
    for s in range(len(columns_of)):
        runs, left = 0, [0] * ROWS
        for _, entries, is_run in diagonals(indptr, indices, n_cols, s):
            runs += is_run
            for row, _ in () if is_run else entries:
                left[row] += 1
        gathered_of[s] = max(left)
        columns_of[s] = runs + max(left)


def sell_pack(indptr, indices, data, n_cols, slice_ptr, gather_ptr, column, packed_indices, packed_data):
    """Runs first, then the gathered columns; a slot without an entry is 0 at the column of its own row."""
    packed_data[:] = 0
    for s in range(len(slice_ptr) - 1):
        n_runs = slice_ptr[s + 1] - slice_ptr[s] - (gather_ptr[s + 1] - gather_ptr[s])
        first_gathered = slice_ptr[s] + n_runs
        for g in range(gather_ptr[s], gather_ptr[s + 1]):
            column[first_gathered + g - gather_ptr[s]] = -1 - g
            own = s * ROWS + np.arange(ROWS)
            packed_indices[g * ROWS : (g + 1) * ROWS] = np.minimum(own, n_cols - 1)
        run, left = slice_ptr[s], [0] * ROWS
        for offset, entries, is_run in diagonals(indptr, indices, n_cols, s):
            if is_run:
                column[run] = offset
            for row, k in entries:
                slot = run if is_run else first_gathered + left[row]
                packed_data[slot * ROWS + row] = data[k]
                if not is_run:
                    packed_indices[(gather_ptr[s] + left[row]) * ROWS + row] = indices[k]
                    left[row] += 1
            run += is_run


def sell_matvec(slice_ptr, column, indices, data, x, y):
    """y = A x, slice by slice and column by column."""
    data, x, n_rows = wide(data), wide(x), len(y)
    for s in range(len(slice_ptr) - 1):
        total = np.zeros(ROWS, data.dtype)
        for c in range(slice_ptr[s], slice_ptr[s + 1]):
            g = -1 - column[c]
            at = column[c] + np.arange(ROWS) if g < 0 else indices[g * ROWS : (g + 1) * ROWS]
            total += data[c * ROWS : (c + 1) * ROWS] * x[at]
        y[s * ROWS : (s + 1) * ROWS] = total[: n_rows - s * ROWS]


def sell_matvec_dot(slice_ptr, column, indices, data, x, y):
    """y = A x; returns x^H y."""
    sell_matvec(slice_ptr, column, indices, data, x, y)
    return np.vdot(wide(x), wide(y))


def sell_residual(slice_ptr, column, indices, data, b, x, r):
    """r = b - A x; returns r^H r."""
    product = np.empty(len(r), wide(r).dtype)
    sell_matvec(slice_ptr, column, indices, data, x, product)
    r[:] = wide(b) - product
    return float(np.vdot(wide(r), wide(r)).real)
