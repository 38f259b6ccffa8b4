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
    claims = [row for row in rows if row.count("|") == 3 and not set(row) <= set("|- ")]
    claims = [row for row in claims if not row.endswith(("| test |", "`tests/integration/` |"))]
    assert len(claims) > 10
    for row in claims:
        named = NAMED.findall(row)
        assert named or "what it is for" in row, row
        for file, function in named:
            found = [path.read_text() for path in (ROOT / "tests").rglob(file)]
            assert any(f"def {function}(" in text for text in found), function


def test_every_attack_is_on_the_page() -> None:
    page = PAGE.read_text()
    files = [ROOT / "tests/integration" / name for name in ("test_attacks.py", "test_trust.py")]
    named = [name for file in files for name in NEW.findall(file.read_text())]
    missing = [name for name in named if name not in page]
    assert missing == []
