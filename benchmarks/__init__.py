"""Benchmarks: `bench_<stem>.py` for asv, and `table.py`, which prints the comparison with the peers.

asv imports every module of this package into a server and forks from it for each benchmark. OpenMP's threads do
not survive a fork, so nothing here may load pysolve on import: benchmarks load it in `setup`, and what the table
needs lies in `comparison/`, a folder that is no package and that asv therefore leaves alone.

    PYSOLVE_BENCH_SIZE=full asv run --python=same      small (48^3 cells, the default) or full (128^3)
"""

from . import environment as environment  # first: its settings must stand before NumPy is loaded
