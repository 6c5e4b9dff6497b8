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
