"""Processes that work on one matrix: sums over all of them, rows of factors that travel, and what a failure does.

Every wait looks for a word from the others: a rank that fails tells all, and they raise instead of waiting for ever.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import numpy as np

FAILED = 1  # the tag of a last word
PATIENT = 200  # looks before a wait begins to sleep
NAP = 1e-4  # seconds


class RankError(RuntimeError):
    """Another rank failed, died or fell silent: this one cannot go on.

    Examples
    --------
    >>> from pysolve.distributed import RankError
    >>> raise RankError("rank 2 of 4 failed: MemoryError")
    Traceback (most recent call last):
        ...
    pysolve._distributed_ranks.RankError: rank 2 of 4 failed: MemoryError
    """


def mpi() -> Any:
    """mpi4py's module, or an error that names the extra."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            "pysolve.distributed needs mpi4py and an MPI library: pip install pysolve[mpi]"
        ) from error
    return MPI


class Ranks:
    """The processes of a communicator, each with a block of the rows of U and of V."""

    def __init__(self, comm: Any, timeout: float) -> None:
        self.MPI = mpi()
        self.comm, self.timeout = comm.Dup(), timeout
        self.words = comm.Dup()  # for those that fail
        self.comm.Set_errhandler(self.MPI.ERRORS_RETURN)
        self.words.Set_errhandler(self.MPI.ERRORS_RETURN)
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.halos: dict[str, Halo] = {}
        self.processes = self.everybody((socket.gethostname(), os.getpid()))

    # ---- what the iteration asks for ----

    def sum(self, x: Any) -> Any:
        """The sum over all ranks, with the same bits on each: added on one of them and sent to all."""
        given = np.ascontiguousarray(x)
        total = np.empty_like(given)
        self.wait(self.comm.Ireduce(given, total, self.MPI.SUM, root=0))
        self.wait(self.comm.Ibcast(total, root=0))
        return total if isinstance(x, np.ndarray) else total.item()

    def largest(self, x: float) -> float:
        return float(max(self.everybody(x)))

    def named(self, factor: np.ndarray, which: str) -> np.ndarray:
        return self.halos[which].collect(factor, self)

    # ---- what the set-up asks for ----

    def everybody(self, x: Any) -> list[Any]:
        """A small object of each rank, on every rank."""
        data = np.frombuffer(self.MPI.pickle.dumps(x), np.uint8)
        sizes = np.empty(self.size, np.int64)
        self.wait(self.comm.Iallgather(np.array([data.size]), sizes))
        all_data = np.empty(int(sizes.sum()), np.uint8)
        self.wait(self.comm.Iallgatherv(data, [all_data, sizes]))
        ends = np.cumsum(sizes)
        return [self.MPI.pickle.loads(all_data[e - s : e]) for s, e in zip(sizes, ends, strict=True)]

    def exchange(self, data: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sends data, counts[p] values (or rows) to rank p. Returns what came, and from whom how many."""
        came = np.empty(self.size, np.int64)
        self.wait(self.comm.Ialltoall(counts.astype(np.int64), came))
        out = np.empty((int(came.sum()), *data.shape[1:]), data.dtype)
        self.send_rows(np.ascontiguousarray(data), counts, out, came)
        return out, came

    def send_rows(self, data: np.ndarray, counts: np.ndarray, out: np.ndarray, came: np.ndarray) -> None:
        """Rows of data to their ranks, into out; the counts are known on both sides."""
        width = int(np.prod(data.shape[1:], dtype=np.int64))
        self.wait(self.comm.Ialltoallv([data, counts * width], [out, came * width]))

    # ---- waiting, and failing ----

    def wait(self, request: Any) -> None:
        """Until the request is done; RankError if a rank has failed meanwhile, or none has moved for too long."""
        looks, begin = 0, time.monotonic()
        try:
            while not request.Test():
                looks += 1
                if looks % PATIENT == 0:
                    self._listen(time.monotonic() - begin)
                if looks > PATIENT:
                    time.sleep(NAP)
        except self.MPI.Exception as error:
            self._listen(0.0)
            raise RankError(f"a message of rank {self.rank} of {self.size} was lost: {error}") from error

    def _listen(self, waited: float) -> None:
        status = self.MPI.Status()
        if self.words.Iprobe(self.MPI.ANY_SOURCE, FAILED, status):
            raise RankError(self.words.recv(source=status.Get_source(), tag=FAILED))
        if waited > 1:
            for rank, (host, process) in enumerate(self.processes):
                if host == self.processes[self.rank][0] and not _lives(process):
                    raise RankError(f"rank {rank} of {self.size} (process {process}) died")
        if waited > self.timeout:
            raise RankError(
                f"rank {self.rank} of {self.size} has waited for the others for {waited:.0f} s: one of them may be "
                "dead or much slower; timeout= is the limit"
            )

    def fail(self, error: BaseException) -> None:
        """The last word of this rank: what went wrong here, or who died."""
        known = isinstance(error, RankError)
        word = (
            str(error)
            if known
            else f"rank {self.rank} of {self.size} failed: {type(error).__name__}: {error}"
        )
        pending = [self.words.isend(word, rank, FAILED) for rank in range(self.size) if rank != self.rank]
        end = time.monotonic() + 1.0
        while time.monotonic() < end and not all(request.Test() for request in pending):
            time.sleep(NAP)


def _lives(process: int) -> bool:
    """Whether a process of this machine runs (a zombie does not)."""
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (ProcessLookupError, FileNotFoundError):
        return False
    except OSError:
        return True


class Halo:
    """The rows of a factor that entries of one rank name, in the order of their numbers.

    Made once: each rank tells the owners which rows it needs. `bounds` are the first rows of the ranks' blocks.
    """

    def __init__(self, ranks: Ranks, needed: np.ndarray, bounds: np.ndarray) -> None:
        self.came = np.diff(np.searchsorted(needed, bounds))
        asked, self.given = ranks.exchange(needed, self.came)
        self.rows = asked - bounds[ranks.rank]
        self.buffers: dict[Any, np.ndarray] = {}

    def collect(self, factor: np.ndarray, ranks: Ranks) -> np.ndarray:
        """The rows, in a buffer that the next call overwrites."""
        key = factor.shape[1], factor.dtype
        if key not in self.buffers:
            self.buffers = {key: np.empty((int(self.came.sum()), factor.shape[1]), factor.dtype)}
        out = self.buffers[key]
        ranks.send_rows(factor[self.rows], self.given, out, self.came)
        return out
