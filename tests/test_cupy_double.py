"""The stand-in for CuPy is as strict as CuPy, and offers nothing that CuPy has not."""

import numpy as np
import pytest


@pytest.fixture
def double():
    import cupy_double

    return cupy_double


def test_names_are_those_of_cupy(double):
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    for part, of in ((np, cupy), (np.linalg, cupy.linalg), (np.fft, cupy.fft)):
        ours = double if of is cupy else getattr(double, of.__name__.split(".")[-1])
        offered = [name for name in dir(part) if not name.startswith("_") and hasattr(ours, name)]
        functions = [
            name
            for name in offered
            if callable(getattr(part, name)) and not isinstance(getattr(part, name), type)
        ]
        assert [name for name in functions if not hasattr(of, name)] == []
    arrays = [name for name in dir(double.ndarray) if not name.startswith("_")]
    assert [name for name in arrays if not hasattr(cupy.ndarray, name)] == []
    for name in ("Stream", "Graph", "Device", "Event", "ExternalStream"):
        theirs = getattr(cupy.cuda, name, None) or getattr(cupy.cuda.graph, name)
        offered = [entry for entry in dir(getattr(double.cuda, name)) if not entry.startswith("_")]
        assert [
            entry for entry in offered if not hasattr(theirs, entry) and entry not in ("null", "ptr", "id")
        ] == []


def test_arrays_never_become_host_arrays_by_themselves(double):
    x = double.asarray(np.arange(3.0))
    for convert in (np.asarray, np.array, lambda x: np.empty(3).__setitem__(slice(None), x)):
        with pytest.raises(TypeError, match="Implicit conversion"):
            convert(x)
    for mixed in (
        lambda: x + np.ones(3),
        lambda: np.ones(3) + x,
        lambda: x.__setitem__(slice(None), np.ones(3)),
    ):
        with pytest.raises(TypeError):
            mixed()


def test_results_stay_on_the_device_and_copies_are_counted(double):
    x = double.asarray(np.arange(3.0))
    double.transfers.clear()
    for y in (
        x + 1,
        np.sqrt(x),
        np.vdot(x, x),
        x.sum(),
        x[1:],
        double.linalg.norm(x),
        x.astype("f4"),
        np.where(x > 1, x, 0),
    ):
        assert isinstance(y, double.ndarray)
    assert double.transfers == []
    assert float(x.sum()) == 3.0
    assert bool((x > -1).all())
    assert x.get().tolist() == [0, 1, 2]
    assert double.transfers == [8, 1, 24]
    with pytest.raises(TypeError, match="no argument 'initial'"):
        x.max(initial=0)
    with pytest.raises(TypeError, match="no argument 'where'"):
        np.sqrt(x, where=x > 0, out=x)
    with pytest.raises(TypeError):
        range(x.sum())
    with pytest.raises(AttributeError):
        x.setflags(write=False)
    with pytest.raises(AttributeError):
        double.vecdot(x, x)


def test_an_array_of_another_library_is_taken_without_a_copy(double):
    host = np.arange(4.0)

    interface = {"shape": (4,), "typestr": "<f8", "data": (host.ctypes.data, False), "version": 2}
    x = double.asarray(type("Tensor", (), {"__cuda_array_interface__": interface})())
    x[0] = 7
    assert host[0] == 7


def test_a_capture_keeps_kernels_and_refuses_everything_else(double):
    calls = []

    def kernel(x):
        """kernel(x: object) -> None"""
        calls.append(x)

    def sums(x):
        """sums(x: object) -> float"""

    module = type(
        "module", (), {"kernel": staticmethod(kernel), "sums": staticmethod(sums), "__name__": "_cuda"}
    )
    kernels, stream, x = (
        double.cuda.Kernels(module),
        double.cuda.Stream(non_blocking=True),
        double.asarray([1.0]),
    )
    with stream:
        stream.begin_capture()
        kernels.kernel(x)
        for forbidden in (lambda: kernels.sums(x), lambda: x + 1, lambda: float(x[0]), stream.synchronize):
            with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
                forbidden()
        graph = stream.end_capture()
    assert calls == []
    graph.launch()
    graph.launch()
    assert calls == [x, x] or [a is x for a in calls] == [True, True]
    with pytest.raises(RuntimeError, match="default"):
        double.cuda.Stream.null.begin_capture()
