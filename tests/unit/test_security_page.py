"""Every claim of docs/security.md names a test, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
NEW = re.compile(r"^def (test_\w+)", re.MULTILINE)
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_claim_names_a_test_that_is_there() -> None:
    rows = [row for row in PAGE.read_text().splitlines() if row.startswith("|")]
    claims = [row for row in rows if "test in `tests" not in row and set(row) - set("|- ")]
    assert len(claims) > 10
    for row in claims:
        named = NAMED.findall(row)
        assert named or "what it is for" in row, row
        for file, function in named:
            text = (ROOT / "tests" / "integration" / file).read_text()
            assert f"def {function}(" in text, function


def test_every_attack_is_on_the_page() -> None:
    text = (ROOT / "tests/integration/test_attacks.py").read_text()
    page = PAGE.read_text()
    missing = [name for name in NEW.findall(text) if name not in page]
    assert missing == []
