"""A report with one object of every verdict, and names that try to break out of the page."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np

from reprun.compare import Comparison, compare
from reprun.documents.analysis import Citation, ComparisonRule
from reprun.histograms import Axis, DataObject, Histogram, Objects, Table, Unread
from reprun.report import Context, build_report, in_context, table_to_show
from reprun.report.model import AnalysisInfo, Plot, Report, StepUsage

NASTY = "nasty</script><script>alert(1)</script><b>&\u2028"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
RULES = (
    ComparisonRule(match="close", kind="float", relative=1e-12, reason="order of sums"),
    ComparisonRule(match="seed", kind="ignore", reason=f"random {NASTY}"),
    ComparisonRule(match="sampled*", kind="sampled", reason="other random seeds"),
    ComparisonRule(match="*", kind="count"),
)


def _peak(name: str, bins: int = 40) -> Histogram:
    axis = Axis.regular(bins, 70.0, 190.0, title="m(4l) [GeV]")
    inside = np.rint(60 * np.exp(-0.5 * ((np.arange(bins) - bins / 2) / (bins / 8)) ** 2))
    return Histogram(name, (axis,), np.array([1, *inside, 2.0]), title=f"peak {name}")


def _with_bin(thing: Histogram, place: int, value: float) -> Histogram:
    values = thing.values.copy()
    values[place] = value
    return dataclasses.replace(thing, values=values)


def every_verdict() -> Comparison:
    """Return a comparison that holds identical, equal, changed, different, missing and more."""
    table = Table("yields", ("4mu", "4e"), ("data", "ZZ"), np.array([[5, 1.5], [3, 0.25]]), "ch")
    plane = Histogram(
        "plane", (Axis.regular(3, 0, 3), Axis.categories(("a", "b"))), np.ones((5, 4))
    )
    reference: dict[str, DataObject] = {
        name: _peak(name)
        for name in ("same", "close", "changed", "far", "axes", "gone", "nan", "seed", NASTY)
    }
    rng = np.random.default_rng(4)
    toy = dataclasses.replace(_peak("x"), values=rng.poisson(_peak("x").values).astype(float))
    reference |= {"sampled": _peak("sampled"), "before": _peak("x", 30)}
    reference |= {"yields": table, "plane": plane, "fine": _peak("fine", 2500)}
    monitored = dict(reference) | {
        "close": dataclasses.replace(_peak("x"), values=_peak("x").values * (1 + 1e-13)),
        "changed": _with_bin(_peak("x"), 12, 7),
        "far": _with_bin(_peak("x"), 41, 700),
        "axes": dataclasses.replace(_peak("x"), axes=(Axis.regular(40, 71.0, 191.0),)),
        "nan": _with_bin(_peak("x"), 5, np.nan),
        "yields": dataclasses.replace(table, values=np.array([[4, 1.5], [3, 0.25]])),
        "new": _peak("new"),
        "after": _peak("x", 30),
        "sampled": toy,
    }
    del monitored["gone"], monitored["before"]
    return compare(
        Objects(monitored, {"p": Unread("TProfile")}),
        Objects(reference),
        RULES,
        datetime.date(2026, 3, 1),
    )


def sample(comparison: Comparison | None = None) -> Report:
    """Return a report with every part filled."""
    shown = Table("y", ("4mu 2012",), ("data", "ZZ"), np.array([[42, 30.25]]), "channel")
    report = build_report(
        comparison or every_verdict(),
        AnalysisInfo(
            name="cms-h4l",
            title=f"Higgs to four leptons {NASTY}",
            experiment="CMS",
            variant="columnar",
            image="columnar",
            image_digest="sha256:" + "0" * 64,
            dataset="embedded",
        ),
        tables=[table_to_show(shown, title="Yields", caption="70 to 181 GeV")],
    )
    step = StepUsage(name="select", wall_seconds=1.25, cpu_seconds=1.0, memory_bytes=2**27)
    return in_context(
        report,
        Context(
            causes=("the image changed: numpy 2.4.5 became 2.4.6",),
            plots=(
                Plot(path="plots/m4l.png", caption=NASTY),
                Plot(path="plots/m4l.pdf"),
                Plot(path="plots/large.svg"),
            ),
            steps=(step,),
            provenance={"engine": "runc", "digests": {"image": "sha256:00", "list": ["a", 1]}},
            citations=(Citation(title="CMS H->4l", doi="10.7483/X", acknowledgement="CERN"),),
            notes=("two CSV files differ from the portal's",),
        ),
    )
