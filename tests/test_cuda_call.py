"""A call of a kernel runs on the device and in the stream of its arrays, and says so where they do not agree."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

CSRC = Path(__file__).resolve().parents[1] / "csrc"
HOST = -2


class Array:
    """Host memory that claims to be on a device."""

    def __init__(self, n=8, **more):
        self.host = np.ones(n)
        interface = {"shape": (n,), "typestr": "<f8", "data": (self.host.ctypes.data, False), "version": 3}
        self.__cuda_array_interface__ = interface | more


@pytest.fixture
def module(simulated_kernels):
    return simulated_kernels


@pytest.fixture
def library(module):
    found = ctypes.CDLL(module.__file__)
    found.last_stream.restype = ctypes.c_size_t
    return found


def place(library, array, device):
    library.place_memory(ctypes.c_void_p(array.host.ctypes.data), device)


@pytest.fixture
def elsewhere(library):
    """Makes an array on another device, or one whose memory is the host's."""
    made = []

    def make(device, n=8):
        made.append(Array(n))
        place(library, made[-1], device)
        return made[-1]

    yield make
    for array in made:
        place(library, array, 0)


@pytest.mark.parametrize(("stream", "used"), [(None, 1), (1, 1), (2, 2), (77, 77), (1 << 40, 1 << 40)])
def test_the_stream_of_the_arrays_is_used(module, library, stream, used):
    x = Array(stream=stream)
    module.conjugate_directions_dot(x, Array())  # an array of old, which names none
    assert library.last_stream() == used
    module.conjugate_directions_dot(Array(), Array())
    assert library.last_stream() == 1


def test_a_call_that_is_refused_leaves_nothing_behind(module, library):
    with pytest.raises(TypeError, match="z must have dtype f8, not f4"):
        module.conjugate_directions_dot(Array(stream=77), Array(typestr="<f4"))
    module.conjugate_directions_dot(Array(), Array())
    assert library.last_stream() == 1


def test_streams_that_differ_are_named(module):
    with pytest.raises(TypeError, match=r"^r and z name different streams"):
        module.conjugate_directions_dot(Array(stream=77), Array(stream=78))


def test_what_an_interface_must_not_say_is_refused(module):
    with pytest.raises(ValueError, match=r"^r names stream 0"):
        module.conjugate_directions_dot(Array(stream=0), Array())
    with pytest.raises(TypeError, match=r"^r must not be masked"):
        module.conjugate_directions_dot(Array(mask=Array()), Array())


def test_calls_run_on_the_device_of_their_arrays(module, library, elsewhere):
    module.conjugate_directions_dot(elsewhere(3), elsewhere(3))
    assert (library.device_of_last_launch(), library.device_in_use()) == (3, 0)
    module.conjugate_directions_dot(Array(), Array())
    assert (library.device_of_last_launch(), library.device_in_use()) == (0, 0)


def test_arrays_on_two_devices_are_named(module, library, elsewhere):
    with pytest.raises(TypeError, match=r"^r is on device 1, but z on device 0: move one of them$"):
        module.conjugate_directions_dot(elsewhere(1), Array())
    assert library.device_in_use() == 0


def test_memory_of_the_host_is_named(module, elsewhere):
    with pytest.raises(TypeError, match=r"^z claims to be a device array, but its memory is the host's$"):
        module.conjugate_directions_dot(Array(), elsewhere(HOST))
    empty = elsewhere(HOST, 0)  # no memory, nowhere
    assert module.conjugate_directions_dot(empty, empty) == 0


def test_the_arrays_of_a_grid_take_part(module, elsewhere):
    shift = elsewhere(2)
    grid = module.stencil_grid((2, 2, 2), (0,) * 3, (0,) * 3, (1.0, 1.0, 1.0), shift, None, "f8")
    with pytest.raises(TypeError, match=r"^grid is on device 2, but x on device 0: move one of them$"):
        module.stencil_matvec(grid, Array(), Array())
    y = elsewhere(2)
    module.stencil_matvec(grid, elsewhere(2), y)
    np.testing.assert_array_equal(y.host, 4.0)  # 3 at a corner of the box, and the shift


def test_every_kernel_is_bound_with_a_place():
    """On py::module_ a binding would run in the default stream, whatever its arrays say."""
    bindings = sorted(CSRC.glob("*_bind.[ch]pp"))
    plain = [path.name for path in bindings if re.search(r"\bpy::module_&", path.read_text())]
    assert bindings
    assert plain == []


def test_structs_of_the_device_have_names_of_their_own():
    """Of two with one name the linker would keep one, and launch its kernel with the arguments of the other."""
    found = {}
    for path in sorted([*CSRC.glob("*.hpp"), *CSRC.glob("*.cu*")]):
        text = path.read_text()
        if not re.search(r"^namespace pysolve::(PYSOLVE_BACKEND|cuda) {", text, re.MULTILINE):
            continue
        for name in re.findall(
            r"^(?:struct|class)(?: alignas\(\d+\))? (\w+)(?: : [^{]*)? {", text, re.MULTILINE
        ):
            found.setdefault(name, []).append(path.name)
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
