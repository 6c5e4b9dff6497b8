"""Tables and bars as text and as Markdown; a file is written whole or not at all."""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Bar:
    """A figure to reach, and what was measured; `met` is None where nothing was."""

    what: str
    reach: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "NO", None: "not measured"}[self.met]


def at_least(what: str, reach: float, value: float, unit: str = "x") -> Bar:
    """A bar to be reached from below."""
    return Bar(what, f">= {reach:g}{unit}", f"{value:.3g}{unit}", value >= reach)


def at_most(what: str, reach: float, value: float, unit: str = "x") -> Bar:
    """A bar to stay under."""
    return Bar(what, f"<= {reach:g}{unit}", f"{value:.3g}{unit}", value <= reach)


@dataclass
class Section:
    """One table, what has to be known to read it, and the bars it answers."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


def summary(sections: list[Section]) -> Section:
    """The bars of all sections in one table."""
    bars = [bar for section in sections for bar in section.bars]
    rows = [[bar.what, bar.reach, bar.measured, bar.verdict] for bar in bars]
    return Section("Figures to reach", ["what", "bar", "measured", "met"], rows)


def as_text(section: Section) -> str:
    """Aligned columns: the first to the left, figures to the right."""
    table = [section.header, *section.rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(section.header))]
    figures = [
        bool(section.rows) and all(_is_figure(row[i]) for row in section.rows) for i in range(len(widths))
    ]

    def line(row: list[str]) -> str:
        cells = zip(row, widths, figures, strict=True)
        return "  ".join(cell.rjust(w) if right else cell.ljust(w) for cell, w, right in cells).rstrip()

    body = [line(section.header), line(["-" * width for width in widths]), *map(line, section.rows)]
    notes = [f"  {note}" for note in section.notes]
    return "\n".join([f"== {section.title} ==", *(body if section.rows else []), *notes, ""])


def _is_figure(cell: str) -> bool:
    return cell[:1] in "0123456789-" or cell == ""


def as_markdown(section: Section) -> str:
    """The same as a Markdown table."""
    lines = [f"## {section.title}", ""]
    if section.rows:
        lines += [_cells(section.header), _cells(["---"] * len(section.header))]
        lines += [*map(_cells, section.rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in section.notes), ""])


def _cells(row: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def file_name(date: Any, cpu: str) -> str:
    """<date>-<cpu>.md, in letters, digits and dashes."""
    return f"{date}-{re.sub(r'[^a-z0-9]+', '-', cpu.lower()).strip('-')}.md"


def write_whole(path: Path, text: str) -> None:
    """Write `text` beside `path`, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@dataclass
class Plan:
    """Sizes and repetitions of a run."""

    quick: bool
    n: int  # cells along a side, of the kernels and of the iterations
    n_large: int  # of the large solve
    n_peers: tuple[int, ...]
    repeat: int
    budget: float  # seconds of one comparison
    threads: list[int]
    limits: Callable[
        [int, int], Any
    ]  # (values in an array, threads) -> Limits beyond the caches, and of that size
    loops: Any = None  # the plain loops, or None

    @property
    def rounds(self) -> int:
        """Rounds of calls that take seconds."""
        return min(self.repeat, 5)


def plan(quick: bool, threads: list[int], limits: Callable[[int, int], Any], loops: Any) -> Plan:
    """The run that the bars are about, or a small one that only shows that everything works."""
    if quick:
        return Plan(True, 48, 64, (24,), 3, 2.0, threads, limits, loops)
    return Plan(False, 128, 256, (64, 128), 15, 30.0, threads, limits, loops)
