"""Whatever an arm does, `info` is 0 if and only if the recomputed residual meets the tolerance, and x is finite."""

import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp
from solve_sequence_cases import A, B, N, Scripted, Steady, result

import pysolve
from pysolve import SolveSequence, Status


def lies(A, b, **_):
    return np.full_like(b, 7.0), 0


def lies_in_a_result(A, b, **_):
    return result(np.full_like(b, 7.0), 3, Status.CONVERGED, np.array([1.0, 0.5, 0.1, 0.0]))


def says_it_failed_but_did_not(A, b, **_):
    return np.linalg.solve(A, b), 5


def returns_nan(A, b, **_):
    return np.full_like(b, np.nan), 0


def returns_inf_in_a_result(A, b, **_):
    return result(np.full_like(b, np.inf), 1, Status.CONVERGED, np.array([1.0, 0.0]))


def returns_the_wrong_shape(A, b, **_):
    return np.zeros(b.size + 1), 0


def returns_words(A, b, **_):
    return "solved", 0


def returns_its_start(A, b, x0=None, **_):
    return (np.zeros_like(b) if x0 is None else x0), 0


def makes_it_worse(A, b, **_):
    return np.full_like(b, 1e200), 1


def overflows(A, b, **_):
    return np.full_like(b, 1e308), 0


def divides_by_zero(A, b, **_):
    raise ZeroDivisionError("pivot")


def is_singular(A, b, **_):
    raise np.linalg.LinAlgError("singular")


def factor_is_singular(A, b, **_):
    raise RuntimeError("Factor is exactly singular")


def raises_its_failure(A, b, **_):
    pysolve.cg(-np.eye(N), b).raise_if_failed()


def has_no_memory(A, b, **_):
    raise MemoryError


LIARS = [lies, lies_in_a_result, returns_nan, returns_inf_in_a_result, returns_the_wrong_shape, returns_words]
LIARS += [returns_its_start, makes_it_worse, overflows, divides_by_zero, is_singular, factor_is_singular]
LIARS += [raises_its_failure, has_no_memory]
arms = pytest.mark.parametrize("arm", [*LIARS, says_it_failed_but_did_not], ids=lambda arm: arm.__name__)
starts = pytest.mark.parametrize("x0", [None, np.full(N, 0.3)], ids=["zero", "start"])


def meets(found, b=B, rtol=1e-5):
    return np.isfinite(found.x).all() and np.linalg.norm(b - A @ found.x) <= rtol * np.linalg.norm(b)


@starts
@arms
def test_default_makes_up_for_any_arm(arm, x0):
    sequence = SolveSequence({"safe": Steady(10), "arm": arm}, policy=Scripted("arm"))
    for _ in range(4):
        found = sequence(A, B, x0)
        assert found.info == 0
        assert found.status is Status.CONVERGED
        assert meets(found)
        assert found.x.shape == B.shape
        assert len(found.residual_norms) == found.iterations + 1
    assert len(sequence.policy.told) == 3
    for value, cost, censored, failed in sequence.policy.told:
        assert value == "arm"
        assert cost > 0
        assert not censored
        assert failed == (arm is not says_it_failed_but_did_not)


@starts
@arms
def test_info_is_true_where_the_default_itself_is_such(arm, x0):
    sequence = SolveSequence({"arm": arm}, policy=Scripted("arm"))
    for _ in range(3):
        found = sequence(A, B, x0)
        assert (found.info == 0) == meets(found)
        assert (found.status is Status.CONVERGED) == (found.info == 0)
        assert np.isfinite(found.x).all()
        start = np.linalg.norm(B if x0 is None else B - A @ x0)
        assert np.linalg.norm(B - A @ found.x) <= start or arm in (lies, lies_in_a_result, makes_it_worse)
        assert len(found.residual_norms) == found.iterations + 1
        assert not np.shares_memory(found.x, x0)


def test_nothing_is_told_where_the_default_fails_too():
    solvers = {"default": returns_nan, "arm": divides_by_zero}
    sequence = SolveSequence(solvers, policy=Scripted("arm"))
    assert [sequence(A, B).info for _ in range(3)] == [-4, -4, -4]
    assert sequence.policy.told == []


def test_default_that_fails_bounds_nothing_and_the_choice_solves_instead():
    sequence = SolveSequence({"default": returns_nan, "slow": Steady(3, sleep=0.01)}, policy=Scripted("slow"))
    found = [sequence(A, B) for _ in range(2)]
    assert [(f.info, f.aborted) for f in found] == [(0, False), (0, False)]
    assert [call.measured for call in sequence.history] == [True, False]


def test_missed_tolerance_is_finished_by_the_default_and_told_as_its_whole_cost():
    """SciPy's float32 cg: it says 0, and misses what was asked."""

    def nearly(A, b, x0=None, **_):
        return np.linalg.solve(A, b) * (1 + 1e-4), 0

    sequence = SolveSequence({"safe": Steady(10), "nearly": nearly}, policy=Scripted("nearly"))
    found = [sequence(A, B, rtol=1e-8) for _ in range(2)][1]
    assert found.info == 0
    assert not found.failed
    assert not found.aborted
    assert sequence.policy.told == [("nearly", found.cost, False, False)]


def test_solver_that_never_ends_is_stopped_through_its_callback():
    def endless(A, b, x0=None, *, callback=None, **_):
        while True:
            time.sleep(0.001)
            callback(np.zeros_like(b))

    def endless_result(A, b, x0=None, *, callback=None, **_):
        try:
            endless(A, b, callback=callback)
        except StopIteration:
            return result(np.zeros_like(b), 1, Status.STOPPED, np.array([1.0, 1.0]))

    solvers = {"safe": Steady(5, sleep=0.002), "endless": endless, "caught": endless_result}
    sequence = SolveSequence(solvers, policy=Scripted("endless", "caught"))
    first, *others = [sequence(A, B) for _ in range(3)]
    for found in others:
        assert found.info == 0
        assert found.aborted
        assert found.cost < 6 * first.cost + 0.1
    assert [(value, censored) for value, _, censored, _ in sequence.policy.told] == [
        ("endless", True),
        ("caught", True),
    ]


def test_callback_that_is_given_norms_or_nothing_stops_too():
    def by_norm(A, b, *, callback):
        while True:
            callback(1.0)

    def by_nothing(A, b, *, callback):
        while True:
            callback()

    solvers = {"safe": Steady(5, sleep=0.001), "norm": by_norm, "nothing": by_nothing}
    sequence = SolveSequence(solvers, policy=Scripted("norm", "nothing"))
    results = [sequence(A, B) for _ in range(3)]
    assert [(found.info, found.aborted) for found in results] == [(0, False), (0, True), (0, True)]


def test_stop_iteration_of_the_solver_itself_passes():
    def stops(A, b, **_):
        raise StopIteration("mine")

    with pytest.raises(StopIteration, match="mine"):
        SolveSequence({"stops": stops}, policy=Scripted("stops"))(A, B)


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, NotImplementedError, KeyboardInterrupt])
def test_wrong_calls_pass_and_leave_the_sequence_whole(error):
    def refuses(A, b, **_):
        raise error("no")

    sequence = SolveSequence({"safe": Steady(4), "refuses": refuses}, policy=Scripted("refuses", "safe"))
    sequence(A, B)
    with pytest.raises(error):
        sequence(A, B)
    assert sequence(A, B).info == 0
    assert sequence.policy.told[0][0] == "safe"
    assert len(sequence.history) == 2


def test_arguments_are_not_written_and_x_is_not_the_start():
    x0, b, matrix = np.full(N, 0.5), B.copy(), A.copy()
    for array in (x0, b, matrix):
        array.setflags(write=False)
    sequence = SolveSequence({"start": returns_its_start, "safe": Steady(3)}, policy=Scripted("safe"))
    for _ in range(3):
        assert not np.shares_memory(sequence(matrix, b, x0).x, x0)


def test_column_of_one_keeps_its_shape():
    sequence = SolveSequence(
        {"direct": lambda A, b: np.linalg.solve(A, b.ravel())}, policy=Scripted("direct")
    )
    found = sequence(A, B[:, None])
    assert (found.info, found.x.shape) == (0, (N, 1))


def test_threads_that_meet_a_failing_arm_all_get_answers():
    sequence = SolveSequence({"safe": Steady(4), "bad": returns_nan}, policy=Scripted("bad"))
    found = []
    threads = [threading.Thread(target=lambda: found.append(sequence(A, B).info)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * 8


def writes_b(A, b):
    b[:] = 0
    return np.zeros_like(b)


def writes_b_and_solves(A, b):
    b[:] = np.linalg.solve(A.toarray(), b)
    return b


def writes_x0(A, b, x0):
    x0[:] = np.linalg.solve(A.toarray(), b)
    return x0


@pytest.mark.parametrize("arm", [writes_b, writes_b_and_solves, writes_x0], ids=lambda arm: arm.__name__)
def test_arm_that_writes_to_its_arguments_changes_no_others(arm):
    matrix, b, x0 = sp.csr_array(A), B.copy(), np.full(N, 0.3)
    sequence = SolveSequence({"safe": lambda A, b: np.linalg.solve(A.toarray(), b), "arm": arm}, rng=0)
    for policy in (Scripted("arm"), Scripted("safe")):
        sequence.policy = policy
        for _ in range(3):
            found = sequence(matrix, b, x0)
            assert found.info == 0
            assert meets(found)
            assert (b == B).all()
            assert (x0 == 0.3).all()
            assert not np.shares_memory(found.x, b)
            assert not np.shares_memory(found.x, x0)


def test_arm_that_writes_to_a_sparse_matrix_is_named():
    def eats(A, b):
        A.data[:] = 1
        return b

    sequence = SolveSequence({"eats": eats})
    with pytest.raises(ValueError, match="must not write to A, but 'eats' did"):
        sequence(sp.csr_array(A), B)


def test_solver_that_uses_its_array_again_changes_no_earlier_result():
    kept = np.zeros(N)

    def again(A, b):
        kept[:] = np.linalg.solve(A, b)
        return kept

    sequence = SolveSequence({"again": again})
    first = sequence(A, B)
    x = first.x.copy()
    sequence(A, 2 * B)
    assert (first.x == x).all()
