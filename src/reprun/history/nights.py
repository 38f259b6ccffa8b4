"""What the history tells of a cell, as the document that a page is made of."""

from __future__ import annotations

from reprun import __version__
from reprun.history import rows, summary
from reprun.history.database import Database
from reprun.history.rows import Cell
from reprun.history.summary import CellHistory
from reprun.report.nights import MOST_RUNS, CellNights, NightReport, RedObject


def cell_nights(database: Database, cell: Cell) -> CellNights | None:
    """Return what is known of a cell; None where it has no run."""
    history = summary.history_of(database, cell)
    return None if history is None else _document(database, history)


def _document(database: Database, history: CellHistory) -> CellNights:
    closer = summary.closer(database, history, None, MOST_RUNS)
    nights = summary.shown_of(history, None, MOST_RUNS)
    deviations = rows.largest_deviations(database, [n.report for n in nights if n.report])
    cell, last = history.cell, history.last
    return CellNights(
        generator=f"reprun {__version__}",
        analysis=cell.analysis,
        variant=cell.variant,
        dataset=cell.dataset,
        tier=cell.tier,
        red=history.sentence,
        flaky=history.flaky.sentence if history.flaky else None,
        steps=tuple(jump.sentence for jump in closer.jumps),
        red_objects=tuple(
            RedObject(name=name, since=night.at) for name, night in closer.red_objects.items()
        ),
        left_out=len(history.nights) - len(nights),
        nights=tuple(
            NightReport(
                run=night.name,
                at=night.at,
                image=night.image,
                state=night.shown,
                interrupted=night.state == "interrupted",
                ran=night.ran,
                sentence=night.sentence,
                changed=tuple(closer.moved.get(night.id, ())),
                wall_seconds=night.wall_seconds if night.ran else None,
                largest_deviation=None if night.report is None else deviations[night.report],
                published=night.report is not None and night.report == last.report,
            )
            for night in nights
        ),
    )
