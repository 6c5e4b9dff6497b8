"""matrix_completion with entries on the device: the host's answers, and nothing copied to the host but scalars."""

import numpy as np
import pytest
import scipy.sparse as sp
from matrix_completion_cases import sampled, unseen_error

from pysolve import CompletionStatus, MatrixCompletion, matrix_completion

SCALARS = 16  # bytes: what a run may copy to the host at once


def problem(m=24, n=20, k=2, oversampling=3.5, seed=1):
    (i, j, y), U, V = sampled(m, n, k, oversampling, seed)
    return (i, j, y), (m, n), U, V


def moved(device, arrays):
    return tuple(device.asarray(x) for x in arrays)


def stays(device):
    return max(getattr(device, "transfers", []), default=0) <= SCALARS


def assert_like_the_host(device, ours, host, rtol=1e-6):
    assert isinstance(ours.U, device.ndarray)
    assert isinstance(ours.V, device.ndarray)
    there = ours.to_device("cpu")
    assert there.status is host.status
    assert abs(there.iterations - host.iterations) <= 1
    size = abs(host.to_dense()).max()
    np.testing.assert_allclose(there.to_dense(), host.to_dense(), rtol=0, atol=rtol * size)


def test_recovery_on_the_device_is_that_on_the_host(device):
    entries, shape, U, V = problem()
    given = moved(device, entries)
    kept = [x.copy() for x in given]
    ours = matrix_completion((given, shape), 2, rng=3)
    assert stays(device)
    host = matrix_completion((entries, shape), 2, rng=3, method="als")
    assert ours.status is CompletionStatus.RECOVERED
    assert_like_the_host(device, ours, host, 1e-5)
    assert unseen_error(ours.to_device("cpu"), U, V) < 1e-5
    for x, before in zip(given, kept, strict=True):
        np.testing.assert_array_equal(device.asnumpy(x), device.asnumpy(before))


@pytest.mark.parametrize("form", ["csr", "coo", "int64", "dense"])
def test_every_form_of_entries_on_the_device_is_taken(device, form):
    entries, shape, *_ = problem()
    host = matrix_completion((entries, shape), 2, rng=3, maxiter=3, method="als")
    given = on_the_device(device, form, entries, shape)
    order = sp.coo_array((entries[2], entries[:2]), shape=shape)
    if form != "int64":  # entries come in the order of the matrix
        host = matrix_completion(order.tocsr(), 2, rng=3, maxiter=3, method="als")
    ours = matrix_completion(given, 2, rng=3, maxiter=3)
    assert stays(device)
    assert_like_the_host(device, ours, host, 1e-4)


def on_the_device(device, form, entries, shape):
    matrix = sp.coo_array((entries[2], entries[:2]), shape=shape)
    if form == "int64":
        rows, cols, values = entries
        return moved(device, (rows.astype(np.int64), cols.astype(np.int64), values)), shape
    if form == "dense":
        dense = np.full(shape, np.nan)
        dense[entries[0], entries[1]] = entries[2]
        return device.asarray(dense)
    if device.__name__ == "cupy":
        sparse = pytest.importorskip("cupyx.scipy.sparse")
    else:
        from cupy_double import sparse
    ordered = matrix.tocsr().tocoo() if form == "coo" else matrix.tocsr()
    return sparse.coo_matrix(ordered) if form == "coo" else sparse.csr_matrix(sp.csr_matrix(ordered))


@pytest.mark.parametrize(
    "options",
    [
        {"reg": 0.3, "maxiter": 6},
        {"init": "random", "dtype": "f4", "maxiter": 5},
        {"init": "degree", "maxiter": 4},
        {"nonneg": True, "reg": 0.1, "maxiter": 4},
        {"sketch": "count", "maxiter": 2},
        {"validation": 0.1, "maxiter": 4},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_mean_on_the_device_what_they_mean_on_the_host(device, options):
    entries, shape, U, V = problem()
    if "nonneg" in options:
        entries = *entries[:2], (abs(U) @ abs(V).T)[entries[0], entries[1]]
    weights = 0.5 + np.random.default_rng(0).random(entries[2].size)
    ours = matrix_completion(
        (moved(device, entries), shape), 2, weights=device.asarray(weights), rng=5, **options
    )
    assert stays(device)
    host = matrix_completion((entries, shape), 2, weights=weights, rng=5, method="als", **options)
    assert_like_the_host(device, ours, host, 1e-3)
    assert ours.U.dtype == options.get("dtype", "f8")
    assert not options.get("nonneg") or (device.asnumpy(ours.U) >= 0).all()


def test_a_run_goes_on_from_given_factors_with_given_entries_for_validation(device):
    entries, shape, U, V = problem()
    some = np.arange(entries[2].size) < 12
    fitted, held = ([x[mask] for x in entries] for mask in (~some, some))
    rng = np.random.default_rng(0)
    start = U + 0.1 * rng.standard_normal(U.shape), V + 0.1 * rng.standard_normal(V.shape)
    options = {"rng": 0, "maxiter": 5}
    ours = matrix_completion(
        (moved(device, fitted), shape),
        2,
        x0=moved(device, start),
        validation=(moved(device, held), shape),
        **options,
    )
    args = (tuple(fitted), shape), 2
    host = matrix_completion(*args, x0=start, validation=(tuple(held), shape), method="als", **options)
    assert_like_the_host(device, ours, host)
    np.testing.assert_allclose(ours.history["held_out"], host.history["held_out"], rtol=0.05)


def test_a_result_on_the_device_predicts_there_and_comes_to_the_host_when_asked(device):
    entries, shape, *_ = problem()
    result = matrix_completion((moved(device, entries), shape), 2, rng=0, maxiter=3)
    there = result.to_device("cpu")
    assert isinstance(there.U, np.ndarray)
    assert there.to_device("cpu") is there
    assert isinstance(there.to_device("cuda").U, device.ndarray)
    np.testing.assert_allclose(device.asnumpy(result.predict([0, 1], -1)), there.predict([0, 1], -1))
    np.testing.assert_allclose(device.asnumpy(result.to_dense()), there.to_dense())
    np.testing.assert_allclose(device.asnumpy(result.block([0, 2], slice(3))), there.block([0, 2], slice(3)))
    np.testing.assert_allclose(device.asnumpy(result.singular_values), there.singular_values)
    with pytest.raises(TypeError, match=r"i is on a GPU, but indices .* cupy.asnumpy\(i\)"):
        there.predict(device.asarray([0]), 1)
    for call in (lambda: result.top(0, 1), lambda: result.fold_in([[1.0]]), lambda: result.save("x.npz")):
        with pytest.raises(TypeError, match=r"is for results on the host.*to_device\('cpu'\).*cupy.asnumpy"):
            call()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rank": "auto"}, "rank='auto'"),
        ({"loss": "huber"}, "loss='huber'"),
        ({"bias": True}, "bias=True"),
        ({"method": "gauss-newton"}, "method='gauss-newton'"),
        ({"split": True}, "split=True"),
        ({"checkpoint": "run.npz"}, "checkpoint"),
    ],
)
def test_what_is_for_the_host_says_so(device, options, named):
    entries, shape, *_ = problem()
    with pytest.raises(TypeError, match=rf"^{named} is for arrays on the host, .* cupy.asnumpy$"):
        matrix_completion((moved(device, entries), shape), **{"rank": 2} | options)


def test_estimators_and_rows_to_fold_in_are_for_the_host(device):
    entries, shape, *_ = problem()
    dense = device.asarray(np.ones((4, shape[1])))
    result = matrix_completion((entries, shape), 2, rng=0, maxiter=2)
    with pytest.raises(TypeError, match=r"^MatrixCompletion is for arrays on the host, .* cupy.asnumpy$"):
        MatrixCompletion(2).fit(dense)
    with pytest.raises(TypeError, match=r"^fold_in is for arrays on the host, .* cupy.asnumpy$"):
        result.fold_in(dense)


def test_arrays_in_two_places_are_refused_by_name(device):
    (rows, cols, values), shape, U, V = problem()
    there = moved(device, (rows, cols, values))
    with pytest.raises(TypeError, match=r"rows .* is on the host, but values .* is on GPU 0: move one"):
        matrix_completion(((rows, cols, there[2]), shape), 2)
    with pytest.raises(TypeError, match=r"observed .* is on GPU 0, but weights .* is on the host"):
        matrix_completion((there, shape), 2, weights=np.ones(values.size))
    with pytest.raises(TypeError, match=r"observed .* is on the host, but x0\[1\] .* is on GPU 0"):
        matrix_completion(((rows, cols, values), shape), 2, x0=(U, device.asarray(V)))
    with pytest.raises(TypeError, match=r"observed .* is on GPU 0, but validation .* is on the host"):
        matrix_completion(
            ((there[0][1:], there[1][1:], there[2][1:]), shape),
            2,
            validation=((rows[:1], cols[:1], values[:1]), shape),
        )


def test_wrong_entries_on_the_device_are_refused_by_name(device):
    entries, shape, *_ = problem()
    for place, value, message in (
        (0, 24, r"rows must be from 0 to 23, but rows\[3\] is 24"),
        (2, np.nan, r"values must be finite, but values\[3\] is nan"),
        (0, -1, r"rows must be from 0 to 23, but rows\[3\] is -1"),
    ):
        arrays = [x.copy() for x in entries]
        arrays[place][3] = value
        with pytest.raises(ValueError, match=message):
            matrix_completion((moved(device, arrays), shape), 2)
    twice = [np.append(x, x[:1]) for x in entries]
    with pytest.raises(ValueError, match="two entries in one place"):
        matrix_completion((moved(device, twice), shape), 2)
