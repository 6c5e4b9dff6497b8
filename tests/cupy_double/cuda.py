"""Streams, graphs and devices of the stand-in."""

import ctypes
import threading
import types

_current = threading.local()


class Device:
    """The one device there is."""

    def __init__(self, id=0):
        self.id = int(id)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def use(self):
        """Make it the current one."""

    def synchronize(self):
        """Wait for it: all is done already."""

    mem_info = (1 << 34, 1 << 34)


class MemoryPointer:
    def __init__(self, ptr):
        self.ptr = ptr


class Stream:
    """A queue of launches, which can be captured."""

    _numbers = iter(range(1000, 10**9))

    def __init__(self, null=False, non_blocking=False, ptds=False):
        self.ptr = 0 if null else next(Stream._numbers)
        self.calls = None

    def __enter__(self):
        _stack().append(self)
        return self

    def __exit__(self, *error):
        _stack().pop()

    def use(self):
        _stack()[-1] = self
        return self

    def synchronize(self):
        forbidden_in_capture("a wait")

    def wait_event(self, event):
        """Nothing is under way."""

    def record(self, event=None):
        return event or Event()

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.calls = []

    def end_capture(self):
        graph, self.calls = Graph(self.calls), None
        return graph

    def is_capturing(self):
        return self.calls is not None


Stream.null = Stream(null=True)


class ExternalStream(Stream):
    def __init__(self, ptr, device_id=-1):
        super().__init__()
        self.ptr = ptr


class Graph:
    """Calls of kernels that were captured, with the arguments that they had."""

    def __init__(self, calls):
        self.calls, self.launches = calls, 0

    def launch(self, stream=None):
        self.launches += 1
        for kernel, arguments in self.calls:
            kernel(*arguments)

    def upload(self, stream=None):
        """It is there."""


class Event:
    def __init__(self, *options, **more):
        """Nothing to keep."""

    def record(self, stream=None):
        """Everything before it is done."""

    def synchronize(self):
        forbidden_in_capture("a wait")


def get_elapsed_time(start, stop):
    return 0.0


def _stack():
    if not hasattr(_current, "streams"):
        _current.streams = [Stream.null]
    return _current.streams


def get_current_stream():
    return _stack()[-1]


def get_device_id():
    return 0


def is_available():
    return True


def forbidden_in_capture(what):
    """What is no kernel of ours would be lost, or is refused, while a stream is captured."""
    if get_current_stream().calls is not None:
        raise RuntimeError(f"operation not permitted when stream is capturing: {what}")


class Kernels(types.ModuleType):
    """A module of kernels whose calls a stream that is captured keeps for its graph.

    What a call launches must be in the current stream, which its arrays name.
    """

    def __init__(self, module):
        super().__init__(module.__name__)
        self._module = module
        self._last_stream = lambda: 0
        if hasattr(module, "__file__"):
            self._last_stream = ctypes.CDLL(module.__file__).last_stream
            self._last_stream.restype = ctypes.c_size_t

    def __dir__(self):
        return dir(self._module)

    def __getattr__(self, name):
        found = getattr(self._module, name)
        if isinstance(found, type) or not callable(found):
            return found

        def call(*arguments):
            stream = get_current_stream()
            if stream.calls is None:
                return self._checked(name, found, arguments)
            if "-> None" not in found.__doc__ and "-> object" not in found.__doc__:
                raise RuntimeError(
                    f"operation not permitted when stream is capturing: {name} waits for its result"
                )
            stream.calls.append((found, arguments))
            return None

        call.__doc__ = found.__doc__
        return call

    def _checked(self, name, kernel, arguments):
        before, result = self._last_stream(), kernel(*arguments)
        stream, wanted = self._last_stream(), get_current_stream().ptr or 1
        if stream not in (before, wanted):
            raise AssertionError(
                f"{name} launched in stream {stream}, not in {wanted}, which is the current one"
            )
        return result


class OutOfMemoryError(MemoryError):
    """The device has no more memory."""


runtime = types.SimpleNamespace(
    getDeviceCount=lambda: 1,
    streamLegacy=1,
    memGetInfo=lambda: (1 << 34, 1 << 34),
    streamCaptureModeThreadLocal=1,
    streamCaptureModeRelaxed=2,
    getDeviceProperties=lambda device: {"name": b"simulated", "multiProcessorCount": 1},
    CUDARuntimeError=RuntimeError,
)
memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
