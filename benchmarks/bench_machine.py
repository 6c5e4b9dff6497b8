"""The limits of the machine, as asv sees them over time: what every share in these benchmarks is a share of."""

from . import cases, machine


class Limits:
    """Bandwidth in GB/s, and GFlop/s of dgemm."""

    params = (cases.THREADS,)
    param_names = ("threads",)
    unit = "GB/s"

    def track_copy(self, threads: int) -> float:
        """The faster of NumPy's copies."""
        return max(self._measured(threads).copy.values())

    def track_triad(self, threads: int) -> float:
        """NumPy's sum of two arrays, which has the traffic of a triad."""
        return max(self._measured(threads).triad.values())

    def track_read(self, threads: int) -> float:
        """NumPy's dot product."""
        return max(self._measured(threads).read.values())

    def track_gigaflops(self, threads: int) -> float:
        """dgemm."""
        return machine.gigaflops(threads, seconds=0.2)

    @staticmethod
    def _measured(threads: int) -> machine.Limits:
        return machine.bandwidth(cases.SIDE**3, threads, seconds=0.1)


Limits.track_gigaflops.unit = "GFlop/s"
