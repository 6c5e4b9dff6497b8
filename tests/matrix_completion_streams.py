"""Entries in files, for the tests of streaming, and a look at what a run leaves behind."""

import contextlib
import os

import numpy as np
from matrix_completion_cases import sampled

LITTLE = 1 << 20  # bytes: the entries below take six times that
SHAPE = 1500, 1200


ENTRIES = sampled(*SHAPE, 8, 5)[0]


def saved(path, entries, shape=SHAPE, save=np.savez):
    rows, cols, values = entries
    save(path, rows=rows, cols=cols, values=values, shape=shape)
    return path


@contextlib.contextmanager
def nothing_left(folder):
    """Neither a file with a name nor one without, which a descriptor would hold."""
    before = deleted_files()
    yield
    assert deleted_files() == before
    assert not list(folder.glob(".*"))


def deleted_files():
    found = []
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []:
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(name for name in found if name.endswith("(deleted)"))
