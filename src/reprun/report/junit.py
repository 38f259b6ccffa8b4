"""The report as JUnit XML, which CI systems show test by test."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET  # only writes

from reprun.report.model import Report, ReportItem
from reprun.wording import name_shown

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report) -> str:
    """Return one test suite with a case for each object.

    What a rule ignores is skipped, a column of a tree as well; what is not comparable has failed.
    """
    failed = sum(not item.passes for item in report.items)
    total = len(report.items) + len(report.ignored)
    numbers = {"tests": total, "failures": failed, "errors": 0, "skipped": len(report.ignored)}
    attributes = {name: str(number) for name, number in numbers.items()}
    root = ET.Element("testsuites", {"name": "reprun", **attributes})
    suite = ET.SubElement(root, "testsuite", {"name": clean(report.analysis.name), **attributes})
    properties = ET.SubElement(suite, "properties")
    facts = {
        "verdict": report.sentence,
        "generator": report.generator,
        "left out": report.left_out,
    }
    if report.reference:
        facts["reference"] = report.reference.sentence
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": name, "value": clean(value)})
    for item in report.items:
        case = ET.SubElement(suite, "testcase", _case(report, name_shown(item.name)))
        if not item.passes:
            message = {"message": clean(item.sentence), "type": item.verdict}
            ET.SubElement(case, "failure", message).text = clean(_details(item))
        else:
            said = [f"{item.verdict}: {item.sentence}", *(f"note: {note}" for note in item.notes)]
            ET.SubElement(case, "system-out").text = clean("\n".join(said))
    for one in report.ignored:
        case = ET.SubElement(suite, "testcase", _case(report, one.name))
        ET.SubElement(case, "skipped", {"message": clean(f"ignored: {one.reason}")})
    drift = [f"first drift: {report.first_drift.sentence}"] if report.first_drift else []
    if lines := [*drift, *(f"cause: {cause}" for cause in report.causes), *report.notes]:
        ET.SubElement(suite, "system-out").text = clean("\n".join(lines))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _case(report: Report, name: str) -> dict[str, str]:
    return {"classname": clean(report.analysis.name), "name": clean(name), "time": "0"}


def _details(item: ReportItem) -> str:
    lines = [item.sentence]
    lines += [
        f"{one.label}: {one.monitored:.9g}, reference {one.reference:.9g}"
        for one in item.differences
    ]
    lines += [f"{'ok' if one.passed else 'no'} {one.name}: {one.sentence}" for one in item.checks]
    lines += [f"note: {note}" for note in item.notes]
    lines += [f"to pass: {item.needed}"] if item.needed else []
    return "\n".join(lines)


def clean(text: str) -> str:
    """Return text without the characters that XML 1.0 has no place for."""
    return _NOT_XML.sub("�", text)
