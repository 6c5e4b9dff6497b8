"""What the ranks of tests/test_distributed.py run: ``mpiexec -n P python distributed_cases.py NAME FOLDER``."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from pysolve import distributed


def planted(m, n, k, per_row, seed=0, noise=0.0):
    """Some entries of a matrix of rank k, as COO."""
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    seen = sp.random_array((m, n), density=min(1.0, per_row / n), rng=rng, format="coo")
    i, j = seen.coords
    values = np.einsum("ek,ek->e", U[i], V[j]) + noise * rng.standard_normal(i.size)
    order = np.lexsort((j, i))
    return (i[order].astype(np.int32), j[order].astype(np.int32), values[order]), (m, n)


def weights_for(observed):
    return np.random.default_rng(5).random(observed[0][2].size)


def cases():
    """Name -> (entries, rank, further arguments)."""
    plain = planted(200, 150, 3, 50)
    noisy = planted(120, 180, 4, 60, seed=1, noise=0.1)
    extra = planted(120, 180, 4, 3, seed=1)
    (i, j, y), shape = extra
    new = ~np.isin(i.astype(np.int64) * 180 + j, noisy[0][0].astype(np.int64) * 180 + noisy[0][1])
    gaps = planted(40, 30, 2, 20, seed=2)
    kept = (gaps[0][0] % 7 != 3) & (gaps[0][1] != 11)
    return {
        "plain": (plain, 3, {}),
        "exact": (plain, 3, {"rtol": 1e-11}),
        "narrow": (plain, 3, {"dtype": "f4", "init": "random"}),
        "regularised": (noisy, 4, {"reg": 0.5, "weights": weights_for(noisy), "rtol": 1e-9}),
        "validated": (noisy, 4, {"validation": ((i[new], j[new], y[new]), shape)}),
        "few iterations": (noisy, 6, {"reg": 0.1, "maxiter": 3}),
        "empty rows": (((gaps[0][0][kept], gaps[0][1][kept], gaps[0][2][kept]), (40, 30)), 2, {"rtol": 1e-9}),
        "tiny": (planted(3, 5, 1, 5, seed=3), 1, {"reg": 1e-3, "rtol": 1e-10}),
        "zeros": (((plain[0][0], plain[0][1], np.zeros(plain[0][0].size)), (200, 150)), 2, {"reg": 1.0}),
    }


def share_of(observed, part, parts):
    """A part of the entries: the parts in their order are all of them."""
    (i, j, y), shape = observed
    cut = np.linspace(0, i.size, parts + 1).astype(int)[part : part + 2]
    return (i[slice(*cut)], j[slice(*cut)], y[slice(*cut)]), shape, slice(*cut)


def solve(comm, observed, rank, options, scattered=True):
    P, p = comm.Get_size(), comm.Get_rank()
    options = dict(options)
    if scattered:
        entries, shape, cut = share_of(observed, p, P)
        given = entries, shape
        if "weights" in options:
            options["weights"] = options["weights"][cut]
        if "validation" in options:
            options["validation"] = share_of(options["validation"], p, P)[:2]
    else:
        given = observed if p == P - 1 else None
        if "weights" in options and p != P - 1:
            options["weights"] = None
    return distributed.matrix_completion(given, rank, rng=0, **options)


def run_all(comm, folder):
    """Every case; rank 0 writes what came out."""
    found = {}
    for name, (observed, rank, options) in cases().items():
        result = solve(comm, observed, rank, options)
        whole = result.gather()
        if whole is not None:
            found |= {f"{name}.M": whole.to_dense(), f"{name}.status": whole.status.name}
            found |= {f"{name}.iterations": whole.iterations, f"{name}.training": whole.history["training"]}
        blocks = comm.gather((result.rows, result.cols, result.part.U.shape, result.part.V.shape))
        if blocks:
            found[f"{name}.blocks"] = np.array(blocks)
    last = solve(comm, *cases()["plain"], scattered=False).gather(root=comm.Get_size() - 1)
    if last is not None:
        np.save(folder / "from_one.npy", last.to_dense())
    if comm.Get_rank() == 0:
        np.savez(folder / "all.npz", **found)


def report_error(comm, folder, action):
    """Writes down which error this rank saw, and lets it end the program."""
    try:
        action()
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        (folder / f"error{comm.Get_rank()}.txt").write_text(text)
        raise


def bad_argument(comm, folder):
    (entries, shape), rank, _ = cases()["plain"]
    if comm.Get_rank() == 1:
        entries[2][7] = np.inf
    report_error(comm, folder, lambda: distributed.matrix_completion((entries, shape), rank))


def dies(comm, folder):
    observed, rank, _ = cases()["plain"]

    def killed(figures):
        if figures["iteration"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        report_error(comm, folder, lambda: solve(comm, observed, rank, {"callback": killed, "rtol": 0.0}))
    except distributed.RankError:
        end = time.monotonic() + 20
        while len(list(folder.glob("error*.txt"))) < comm.Get_size() - 1 and time.monotonic() < end:
            time.sleep(0.1)  # the first to leave takes the others with it
        raise


def ended_by(comm, folder, ending):
    observed, rank, _ = cases()["plain"]
    result = solve(comm, observed, rank, {"callback": ending, "rtol": 0.0})
    text = f"{result.part.status.name} {result.part.iterations}"
    (folder / f"end{comm.Get_rank()}.txt").write_text(text)


def leaves_a_checkpoint(comm, folder):
    """Killed in its fourth iteration, unless it has been before; the end goes into a file."""
    observed, rank, options = cases()[os.environ["CASE"]]
    told = []

    def killed(figures):
        told.append(figures["iteration"])
        if figures["iteration"] == 4 and len(told) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    options = options | {"checkpoint": folder / "kept.npz", "callback": killed}
    result = solve(comm, observed, rank, options).gather()
    if result is not None:
        np.savez(folder / "end.npz", M=result.to_dense(), iterations=result.iterations, first=told[:1])


def other_seed(comm, folder):
    observed, rank, _ = cases()["plain"]
    mine = share_of(observed, comm.Get_rank(), 2)[:2]
    path = folder / "kept.npz"
    distributed.matrix_completion(mine, rank, checkpoint=path)
    report_error(comm, folder, lambda: distributed.matrix_completion(mine, rank, checkpoint=path, rng=1))


def stops(comm, folder):
    def ending(figures):
        if figures["iteration"] == 4:
            raise StopIteration

    ended_by(comm, folder, ending)


def interrupted(comm, folder):
    def ending(figures):
        if figures["iteration"] == 4:
            os.kill(os.getpid(), signal.SIGINT)  # reaches one rank: all must end

    ended_by(comm, folder, ending)


def main():
    from mpi4py import MPI

    name, folder = sys.argv[1], Path(sys.argv[2])
    runs = run_all, bad_argument, dies, stops, interrupted, leaves_a_checkpoint, other_seed
    {f.__name__: f for f in runs}[name](MPI.COMM_WORLD, folder)


if __name__ == "__main__":
    main()
