"""The panels of a report as figures for a talk or a note: PNG and PDF, drawn by matplotlib.

In the style of ROOT's plots where mplhep is installed, else in matplotlib's own. The same report
gives the same bytes: no date is written.
"""

from __future__ import annotations

import importlib
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from reprun.errors import BackendError
from reprun.histograms import Floats
from reprun.histograms.titles import Piece, pieces_of, unicode_title
from reprun.report.model import Panel, PlotAxis, Report, ReportItem, brief
from reprun.wording import name_shown, shortened, visible

MOST_FIGURES = 50
"""Objects that are drawn, the worst first."""
LONGEST_NAME = 100
NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
MOST_LABELS = 20
MOST_BARS = 150
"""More points than these are a line and a band of errors."""
LONGEST_DRAWN_TITLE = 80
RUN, REFERENCE, HOT = "black", "#3b6ea5", "#b4231f"
FORMATS = ("png", "pdf")


def render_figures(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of a PNG and a PDF of each object that does not pass.

    At most `MOST_FIGURES` objects are drawn. Raises BackendError where matplotlib is missing.
    """
    matplotlib = _matplotlib()
    taken: set[str] = set()
    failed = [item for item in report.items if not item.passes and item.panels]
    with matplotlib.rc_context(_style()):
        for item in failed[:MOST_FIGURES]:
            for panel, name in zip(item.panels, _names(item, taken), strict=False):
                figure = _figure(matplotlib, item, panel, report.sides)
                for kind in FORMATS:
                    yield f"{name}.{kind}", _bytes(figure, kind)


def _matplotlib() -> Any:
    try:
        for part in ("figure", "backends.backend_agg", "backends.backend_pdf"):
            importlib.import_module(f"matplotlib.{part}")
        return importlib.import_module("matplotlib")
    except ImportError as error:
        raise BackendError(
            "figures need matplotlib, which is not installed", hint="pip install 'reprun[plots]'"
        ) from error


def _style() -> dict[str, Any]:
    found: dict[str, Any] = {}
    with suppress(ImportError):
        found |= importlib.import_module("mplhep").style.ROOT
    # Sizes for a figure of three parts; mplhep's are those of a single one.
    return found | {
        "figure.figsize": (8.0, 8.0), "figure.dpi": 100, "savefig.dpi": 150, "font.size": 14,
        "axes.labelsize": 15, "xtick.labelsize": 13, "ytick.labelsize": 13, "legend.fontsize": 14,
        "legend.frameon": False, "savefig.transparent": False, "svg.hashsalt": "reprun",
    }  # fmt: skip


def _names(item: ReportItem, taken: set[str]) -> Iterator[str]:
    """Yield a name for each panel's files, with no more of the object's than is harmless there."""
    stem = NOT_IN_FILE_NAMES.sub("_", item.name)[:LONGEST_NAME] or "object"
    for panel in item.panels:
        suffix = f"_{panel.kind}" if panel.kind == "map" else ""
        tries = (f"{stem}{suffix}{f'_{n}' if n > 1 else ''}" for n in itertools.count(1))
        name = next(each for each in tries if each not in taken)
        taken.add(name)
        yield name


def _bytes(figure: Any, kind: str) -> bytes:
    out = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    figure.savefig(out, format=kind, metadata=metadata)
    # The places are found: the second format need not look for them again.
    figure.set_layout_engine("none")
    return out.getvalue()


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def _figure(matplotlib: Any, item: ReportItem, panel: Panel, sides: tuple[str, str]) -> Any:
    figure = matplotlib.figure.Figure(layout="constrained")
    title = _plain(f"{name_shown(item.name)}: {item.verdict}")
    if panel.kind == "map":
        _draw_map(figure, panel, sides)
    else:
        _draw_line(figure, panel, sides)
    figure.suptitle(shortened(title, 70), fontsize=15, x=0.02, ha="left")
    return figure


def _plain(text: str) -> str:
    """Return a name of a file or of an axis; a dollar would begin a formula of matplotlib."""
    return visible(text).replace("$", r"\$")


_ACCENTS = {"\u0304": "bar", "\u0302": "hat", "\u0303": "tilde", "\u0307": "dot",
            "\u0308": "ddot", "\u20d7": "vec", "\u0301": "acute", "\u0300": "grave",
            "\u030c": "check"}  # fmt: skip
_ACCENTED = re.compile(f"([^\\W_])([{''.join(_ACCENTS)}])")
_OF_MATHTEXT = re.compile(r"[\\{}$%_^#~\"` ]")
_OUTSIDE = {"\\": r"$\backslash$", "$": r"\$"}
_ESCAPED = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", '"': "''", "`": "'", "#": "♯"}
"""What stands in a formula for a character that mathtext has no way to write."""


def _mathtext(title: str) -> str:
    """Return a title in matplotlib's mathtext; nothing in it is a command of its own."""
    pieces = pieces_of(visible(title), LONGEST_DRAWN_TITLE)
    return "".join(_in_mathtext(piece) for piece in pieces)


def _in_mathtext(piece: Piece) -> str:
    if not (piece.level or piece.italic):
        # A backslash as it is would take the dollar of a formula behind it.
        text = "".join(_OUTSIDE.get(each, each) for each in piece.text)
        return _ACCENTED.sub(lambda found: f"${_accent(found)}$", text)
    text = _OF_MATHTEXT.sub(lambda found: _ESCAPED.get(found[0], f"\\{found[0]}"), piece.text)
    text = _ACCENTED.sub(_accent, text)
    style = "mathit" if piece.italic else "mathrm"
    text = f"\\{style}{{{text}}}"
    for place in reversed(piece.level):
        text = f"{{}}{place}{{{text}}}"
    return f"${text}$"


def _accent(found: re.Match[str]) -> str:
    return f"\\{_ACCENTS[found[2]]}{{{found[1]}}}"


# -- one axis -------------------------------------------------------------------------------------


class _Line:
    """The bins of a panel, with a column for each flow bin in which both sides differ."""

    def __init__(self, panel: Panel) -> None:
        flow = panel.flow_pulls or (0.0, 0.0)
        self.ends = [side for side in (0, 1) if flow[side] != 0]
        self.inner = _edges(panel.axis)
        self.edges = self.inner
        for side in self.ends:
            at = self._beyond(side, logs=panel.axis.scale == "log")
            self.edges = np.append(self.edges, at) if side else np.insert(self.edges, 0, at)
        middles = _middles(self.edges, logs=panel.axis.scale == "log")
        self.x = middles if panel.x is None else np.array(panel.x)
        self.run = self._with_ends(panel.monitored, panel.monitored_flow)
        self.reference = self._with_ends(panel.reference, panel.reference_flow)
        self.run_errors = self._errors(
            self.run, panel.monitored_errors, panel.monitored_errors_low,
            panel.monitored_flow_errors,
        )  # fmt: skip
        self.reference_errors = self._errors(
            self.reference, panel.reference_errors, panel.reference_errors_low,
            panel.reference_flow_errors,
        )  # fmt: skip
        self.pulls = self._with_ends(panel.pulls, panel.flow_pulls)

    def _beyond(self, side: int, *, logs: bool) -> float:
        """Return where the column of a flow bin ends."""
        first, last = float(self.inner[0]), float(self.inner[-1])
        if logs:
            step = math.pow(last / first, 0.05)
            return last * step if side else first / step
        wide = 0.05 * (last - first)
        return last + wide if side else first - wide

    def _with_ends(
        self, values: Sequence[float] | None, flow: tuple[float, float] | None
    ) -> Floats | None:
        if values is None:
            return None
        line = np.array(values, dtype=np.float64)
        for side in self.ends:
            end = flow[side] if flow else np.nan
            line = np.append(line, end) if side else np.insert(line, 0, end)
        return line

    def _errors(
        self,
        values: Floats | None,
        up: Sequence[float] | None,
        down: Sequence[float] | None,
        flow: tuple[float, float] | None,
    ) -> Floats | None:
        """Return errors downwards and upwards, sqrt(|contents|) where none are stored."""
        if values is None:
            return None
        high = np.sqrt(np.abs(values)) if up is None else self._with_ends(up, flow)
        low = high if down is None else self._with_ends(down, flow)
        both: Floats = np.abs(np.array([low, high], dtype=np.float64))
        return both


def _edges(axis: PlotAxis) -> Floats:
    if axis.edges is not None:
        return np.array(axis.edges)
    return np.linspace(axis.lower, axis.upper, axis.bins + 1)


def _middles(edges: Floats, *, logs: bool) -> Floats:
    """Return the middles of bins as they are drawn."""
    found: Floats = (
        np.sqrt(edges[1:] * edges[:-1]) if logs else (edges[1:] + edges[:-1]) / 2
    )  # fmt: skip
    return found


def _draw_line(figure: Any, panel: Panel, sides: tuple[str, str]) -> None:
    line = _Line(panel)
    both = line.run is not None and line.reference is not None
    rows = 3 if both else 1
    axes = figure.subplots(
        rows, 1, sharex=True, squeeze=False, height_ratios=[3, 1, 1][:rows]
    )[:, 0]  # fmt: skip
    _draw_contents(axes[0], panel, line, sides)
    if both:
        _draw_ratio(axes[1], line)
        _draw_pulls(axes[2], line)
    for each in axes:
        for side in line.ends:
            each.axvline(line.inner[-1 if side else 0], color="grey", linestyle=":", linewidth=1)
    bottom = axes[-1]
    if panel.axis.scale == "log":
        bottom.set_xscale("log")
    bottom.set_xlim(line.edges[0], line.edges[-1])
    bottom.set_xlabel(_mathtext(panel.axis.title) or "bins", loc="right")
    labels, middles = panel.axis.labels, _middles(line.inner, logs=False)
    if labels is not None and len(labels) <= MOST_LABELS:
        texts = [shortened(_plain(unicode_title(label)), 20) for label in labels]
        bottom.set_xticks(middles, texts, rotation=30, ha="right")
        for each in axes:
            each.tick_params(axis="x", which="minor", bottom=False, top=False)
    figure.align_ylabels(axes)


def _draw_contents(ax: Any, panel: Panel, line: _Line, sides: tuple[str, str]) -> None:
    run, reference = (_plain(brief(side)) for side in sides)
    points = panel.kind == "points"
    if line.reference is not None and line.reference_errors is not None:
        low, high = line.reference_errors
        ax.stairs(
            line.reference, line.edges, baseline=None if points else 0, fill=not points,
            color=REFERENCE, alpha=1.0 if points else 0.25, linewidth=1.5,
            label=reference,
        )  # fmt: skip
        if points:
            ax.fill_between(
                line.edges, _stepped(line.reference - low), _stepped(line.reference + high),
                step="post", color=REFERENCE, alpha=0.25, linewidth=0,
            )  # fmt: skip
        else:
            ax.stairs(line.reference, line.edges, baseline=None, color=REFERENCE, linewidth=1.5)
    if line.run is not None:
        _draw_run(ax, line, line.run, line.run_errors, size=4, label=run)
        _mark(ax, line)
    drawn = [array[np.isfinite(array)] for array in (line.run, line.reference) if array is not None]
    finite = np.concatenate(drawn)
    if not points and finite.size:
        low, top = float(finite.min()), float(finite.max())
        ax.set_ylim(min(0.0, low * 1.1), top * 1.5 if top > 0 else 1.0)
    ax.set_ylabel("value" if points else _mathtext(panel.y_title), loc="top")
    ax.legend(loc="upper right")
    # Flow bins are named below the legend, which may reach into them.
    for side in line.ends:
        ends = line.edges[-2:] if side else line.edges[:2]
        middle = float(_middles(ends, logs=panel.axis.scale == "log")[0])
        ax.text(
            middle, 0.68, "overflow" if side else "underflow", rotation=90, va="top",
            ha="center", fontsize=11, color="grey", transform=ax.get_xaxis_transform(),
        )  # fmt: skip


def _draw_run(
    ax: Any, line: _Line, values: Floats, errors: Floats | None, *, size: float, label: str = ""
) -> None:
    """Draw points with their errors; of many a line and a band."""
    if len(values) <= MOST_BARS:
        ax.errorbar(
            line.x, values, yerr=errors, fmt="o", color=RUN, markersize=size,
            linewidth=1.2, capsize=0, label=label or None,
        )  # fmt: skip
        return
    ax.stairs(values, line.edges, baseline=None, color=RUN, linewidth=1, label=label or None)
    if errors is not None:
        ax.fill_between(
            line.edges, _stepped(values - errors[0]), _stepped(values + errors[1]),
            step="post", color=RUN, alpha=0.25, linewidth=0,
        )  # fmt: skip


def _stepped(values: Floats) -> Floats:
    """Return one value more, as a step that ends at the last edge needs."""
    return np.append(values, values[-1])


def _mark(ax: Any, line: _Line) -> None:
    """Draw the bins that differ in another colour, where they are few."""
    if line.pulls is None or line.run is None or line.run_errors is None:
        return
    apart = np.flatnonzero(line.pulls != 0)
    if 0 < len(apart) <= len(line.pulls) / 2:
        ax.errorbar(
            line.x[apart], line.run[apart], yerr=line.run_errors[:, apart], fmt="o", color=HOT,
            markersize=5, linewidth=1.4, capsize=0, zorder=3, label="differs",
        )  # fmt: skip


def _draw_ratio(ax: Any, line: _Line) -> None:
    assert line.run is not None
    assert line.reference is not None
    assert line.run_errors is not None
    assert line.reference_errors is not None
    size = np.where(line.reference == 0, np.nan, line.reference)
    ratio, errors = line.run / size, np.abs(line.run_errors / size)
    low, high = np.nan_to_num(np.abs(line.reference_errors / size))
    ax.fill_between(
        line.edges, _stepped(1 - low), _stepped(1 + high), step="post", color=REFERENCE,
        alpha=0.25, linewidth=0,
    )  # fmt: skip
    ax.axhline(1.0, color=REFERENCE, linewidth=1)
    _draw_run(ax, line, ratio, errors, size=3)
    spread = np.abs(ratio[np.isfinite(ratio)] - 1)
    most = min(1.0, max(0.02, 1.3 * float(spread.max(initial=0.0)), 1.3 * float(np.median(low))))
    ax.set_ylim(1 - most, 1 + most)
    ax.set_ylabel("ratio")


def _draw_pulls(ax: Any, line: _Line) -> None:
    assert line.pulls is not None
    pulls = np.nan_to_num(line.pulls, nan=0.0, posinf=0.0, neginf=0.0)
    ax.stairs(pulls, line.edges, fill=True, color=HOT, alpha=0.8)
    ax.axhline(0.0, color="grey", linewidth=1)
    most = max(1.0, 1.2 * float(np.abs(pulls).max(initial=0.0)))
    ax.set_ylim(-most, most)
    ax.set_ylabel("pull")


# -- two axes -------------------------------------------------------------------------------------


def _draw_map(figure: Any, panel: Panel, sides: tuple[str, str]) -> None:
    assert panel.y_axis is not None
    xs, ys = _edges(panel.axis), _edges(panel.y_axis)
    contents = panel.monitored if panel.monitored is not None else panel.reference
    panes: list[tuple[Any, str, bool]] = [
        (contents, sides[0] if panel.monitored is not None else sides[1], False)
    ]
    if panel.pulls is not None:
        panes.append((panel.pulls, "pull", True))
    figure.set_size_inches(6.0 * len(panes) + 1.0, 5.5)
    for ax, (values, name, signed) in zip(
        figure.subplots(1, len(panes), squeeze=False)[0], panes, strict=True
    ):
        plane = np.array(values, dtype=np.float64).reshape(len(xs) - 1, len(ys) - 1).T
        finite = np.abs(plane[np.isfinite(plane)])
        most = max(1.0, float(finite.max(initial=0.0)))
        options = {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if signed else {"cmap": "viridis"}
        drawn = ax.pcolormesh(xs, ys, plane, rasterized=True, **options)
        figure.colorbar(drawn, ax=ax)
        ax.set_title(_plain(brief(name)), fontsize=14, loc="left")
        ax.set_xscale(panel.axis.scale)
        ax.set_yscale(panel.y_axis.scale)
        ax.set_xlabel(_mathtext(panel.axis.title) or "x", loc="right")
        ax.set_ylabel(_mathtext(panel.y_axis.title) or "y", loc="top")
