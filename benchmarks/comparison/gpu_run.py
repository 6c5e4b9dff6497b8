"""The tables of the GPU, by name: what `gpu.py` prints, and the other commands with ``--device cuda``."""

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path

import command
import environment
import gpu_place
import report

TITLE = "pysolve on the GPU"


def run(rows: Sequence[str], chosen: argparse.Namespace, simulated: bool = False, what: str = "") -> int:
    """Measure, print, and write where that was asked for. Without a device it says why, and that is no failure."""
    place, why = gpu_place.find(chosen.quick, simulated)
    if place is None:
        print(f"{TITLE}: nothing was measured, {why}")
        return 0
    import gpu_learned as learned
    import gpu_products as products
    import gpu_solves as solves

    makers = {
        "matvec": products.matvec_section,
        "cg": solves.cg_section,
        "cycle": solves.cycle_section,
        "sweep": products.sweep_section,
        "network": learned.network_section,
        "completion": learned.completion_section,
        "kron": products.kron_section,
    }
    gpu_place.measure(place)
    head = [*environment.described(), *gpu_place.described(place)]
    wanted = [(name, lambda make=makers[name]: make(place)) for name in rows]
    return command.run(command.titled(TITLE, place.quick), head, wanted, _path(chosen, place, what))


def _path(chosen: argparse.Namespace, place: gpu_place.Place, what: str) -> Path | None:
    """The file of the result, if one was asked for: by default benchmarks/results/<date>-<device>[-<what>].md."""
    if chosen.output is None:
        return None
    return Path(
        chosen.output or command.RESULTS / report.file_name(datetime.date.today(), f"{place.name} {what}")
    )
