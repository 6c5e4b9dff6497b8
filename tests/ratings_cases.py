"""Files of ratings, for the tests of `pysolve complete`."""

import bz2
import gzip
import os

import numpy as np
import scipy.sparse as sp


def sample(m=40, n=30, share=0.6, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    M = 3 + rng.standard_normal((m, 2)) @ rng.standard_normal((2, n))
    i, j = np.nonzero(rng.random((m, n)) < share)
    order = rng.permutation(i.size)
    i, j = i[order], j[order]
    return i, j, np.round(M[i, j] + noise * rng.standard_normal(i.size), 6), M


def text_of(separator=",", header="", user="{}", item="{}", end="\n", tail=""):
    i, j, y, _ = sample()
    lines = [
        separator.join((user.format(a), item.format(b), repr(float(c)))) + tail
        for a, b, c in zip(i, j, y, strict=True)
    ]
    return header + end.join(lines) + end


def write(name, text):
    opened = {".gz": gzip.open, ".bz2": bz2.open}.get(os.path.splitext(name)[1], open)
    with opened(name, "wb") as file:
        file.write(text.encode())


def matrix():
    i, j, y, _ = sample()
    y[0] = 0  # stored, and so observed
    return sp.coo_array((y, (i, j)), shape=(40, 30))
