"""
Ratings from a file
===================

Users rate some of the items; what would they give the others? This reads a file of ratings, such as those of MovieLens
(``ratings.csv``, ``ratings.dat`` or ``u.data``), completes the matrix for a few ranks, keeps the one that predicts
ratings best which it has not seen, and prints what to show one of the users::

    python examples/ratings.py ratings.csv --user 42

The same from the command line: ``pysolve complete ratings.csv --rank 10 --output model.npz``, then
``pysolve predict model.npz 42``.
"""

import argparse
import csv
import dataclasses
import gzip
import sys

import numpy as np

import pysolve

# %%
# Any reader will do: what is wanted are three arrays, with users and items numbered from 0.


def read(path):
    """(users, items, ratings) with the names of users and items as texts."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        first = file.readline().replace("::", "\t")
        separator = next((s for s in "\t,;" if s in first), " ")
        file.seek(0)
        lines = [
            fields[:3]
            for fields in csv.reader((line.replace("::", "\t") for line in file), delimiter=separator)
        ]
    lines = [fields for fields in lines if fields]
    if not lines or min(map(len, lines)) < 3:
        sys.exit(f"{path} must have a user, an item and a rating in every line")
    if not lines[0][2].replace(".", "", 1).isdigit():  # a header
        del lines[0]
    users, items, ratings = map(np.array, zip(*lines, strict=True))
    return users, items, ratings.astype(float)


# %%
# A tenth of the ratings is kept out of the fit. The mean and what each user and item deviates from it are taken off
# first: most of what can be known is there.


def baseline(rows, cols, values, shape, damping=10.0):
    """The mean, and the mean deviations of rows and columns, drawn towards 0 where there are few."""
    mean = values.mean()

    def deviation(index, left, extent):
        return np.bincount(index, left, extent) / (np.bincount(index, minlength=extent) + damping)

    by_col = deviation(cols, values - mean, shape[1])
    by_row = deviation(rows, values - mean - by_col[cols], shape[0])
    return pysolve.CompletionBias(float(mean), by_row, by_col)


def complete(rows, cols, values, shape, ranks, reg, seed=0):
    """The result of the best rank with its bias, and a table: rank -> error on the ratings kept for validation."""
    kept = np.zeros(values.size, bool)
    kept[np.random.default_rng(seed).choice(values.size, max(1, values.size // 10), replace=False)] = True
    fit = ~kept
    bias = baseline(rows[fit], cols[fit], values[fit], shape)
    left = values - bias.at(rows, cols)
    errors, best = {"the mean": rms(values[kept] - bias.mean), "mean, users, items": rms(left[kept])}, None
    for rank in ranks:
        result = pysolve.matrix_completion(
            ((rows[fit], cols[fit], left[fit]), shape),
            rank,
            reg=reg,
            validation=((rows[kept], cols[kept], left[kept]), shape),
            rng=seed,
        )
        result = dataclasses.replace(result, bias=bias)
        errors[f"rank {rank}"] = error = rms(values[kept] - result.predict(rows[kept], cols[kept]))
        if best is None or error < best[0]:
            best = error, result
    return best[1], errors


def rms(x):
    return float(np.sqrt(np.mean(x**2)))


# %%
# What to show a user: the largest predictions among the items whose rating was not in the fit.


def main(argv=None):
    parser = argparse.ArgumentParser(description="Complete ratings from a file.")
    parser.add_argument("file", help="lines of user, item, rating: .csv, .tsv, .dat, perhaps .gz")
    parser.add_argument("--ranks", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--reg", type=float, default=4.0)
    parser.add_argument("--user", help="whom to recommend items to (default: the first in the file)")
    parser.add_argument("--top", type=int, default=10)
    arguments = parser.parse_args(argv)
    users, items, ratings = read(arguments.file)
    row_ids, rows = np.unique(users, return_inverse=True)
    col_ids, cols = np.unique(items, return_inverse=True)
    shape = row_ids.size, col_ids.size
    print(
        f"{shape[0]} users, {shape[1]} items, {ratings.size} ratings from {ratings.min():g} to {ratings.max():g}"
    )
    ranks = [rank for rank in arguments.ranks if rank <= min(shape)]
    result, errors = complete(rows, cols, ratings, shape, ranks, arguments.reg)
    print("\nroot-mean-square error on a tenth of the ratings, kept out of the fit")
    for name, error in errors.items():
        print(f"  {name:<20}{error:.4f}")
    user = users[0] if arguments.user is None else arguments.user
    if user not in row_ids:
        sys.exit(f"no user {user!r} in {arguments.file}")
    best, values = result.top(int(np.searchsorted(row_ids, user)), arguments.top)
    print(f"\nfor user {user} (rank {result.rank})")
    for item, value in zip(col_ids[best], values, strict=True):
        print(f"  {item:<20}{value:.2f}")


if __name__ == "__main__":
    main()
