"""What several test files share: the folder of real matrices, simulated CUDA, the rule for tests that need a GPU."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, so that an unchanged tree stays green; HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs the CUDA backend and a device; skipped without them")
    if os.environ.get("PYSOLVE_CUPY_POOL") == "off":  # memory checkers see one block of a pool
        import cupy

        cupy.cuda.set_allocator(None)


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import pysolve

        if not pysolve.show_config()["cuda_devices"]:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="no CUDA backend in this build, or no device"))


@pytest.fixture(scope="session")
def matrices():
    """The folder that PYSOLVE_MATRICES names."""
    folder = os.environ.get("PYSOLVE_MATRICES")
    if not folder:
        pytest.skip("PYSOLVE_MATRICES names no folder of real systems")
    return Path(folder)


@pytest.fixture(scope="session")
def simulation(tmp_path_factory):
    """The .cu files compiled for the host, once for all tests (seconds)."""
    from cuda_cases import build_simulation

    return build_simulation(tmp_path_factory.mktemp("cuda_host"))


def simulated_module():
    """The CUDA backend with simulated launches (`make simulated`), as a module of kernels."""
    import importlib.util

    built = Path(__file__).parents[1] / "build" / os.environ.get("PYSOLVE_SIMULATED", "simulated")
    library = next(built.glob("_cuda*.so"), None)
    if library is None:
        pytest.skip("the simulated CUDA backend is not built: make simulated")
    spec = importlib.util.spec_from_file_location("_cuda", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def simulated_kernels():
    """`simulated_module`, loaded once."""
    return simulated_module()


@pytest.fixture(params=["simulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request, monkeypatch):
    """The namespace of device arrays, CuPy or its stand-in, with the kernels for them in place."""
    if request.param == "gpu":
        return pytest.importorskip("cupy", reason="CuPy is not installed")
    import sys

    import cupy_double
    from cupy_double import cupyx, sparse

    from pysolve import _backend

    monkeypatch.setitem(sys.modules, "cupy", cupy_double)
    monkeypatch.setitem(sys.modules, "cupyx", cupyx)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.linalg", cupyx)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", sparse)
    monkeypatch.setattr(
        _backend, "_cuda", cupy_double.cuda.Kernels(request.getfixturevalue("simulated_kernels"))
    )
    cupy_double.transfers.clear()
    cupy_double.uploads.clear()
    return cupy_double


@pytest.fixture
def sparse_on_device(device):
    """Makes a sparse matrix on the device of one of SciPy."""
    if device.__name__ == "cupy":
        return pytest.importorskip("cupyx.scipy.sparse").csr_matrix
    from cupy_double import sparse

    return sparse.csr_matrix
