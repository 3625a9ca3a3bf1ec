"""Families of models: what docs/families.md says of each is what its tiny checkpoint does; see ``families_table.py``."""

from __future__ import annotations

import pytest
from families_table import EXTRA, MUST, PAGE, environment, examine, kept, page
from family_checkpoints import names


@pytest.mark.families
@pytest.mark.parametrize("name", names())
def test_a_family_does_what_the_table_says(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    row = examine(name, tmp_path)
    assert row == kept()[name][environment()], "the table is stale: python tests/models/families_table.py"
    assert "refused" in row or all(row[each] for each in MUST)


def test_the_page_is_what_was_seen_of_every_family():
    seen = kept()
    assert sorted(seen) == sorted(names()), "python tests/models/families_table.py tries the others"
    assert all(set(rows) == {"with", "without"} for rows in seen.values()), "try it in both environments"
    assert PAGE.read_text(encoding="utf-8") == page(seen), "python tests/models/families_table.py writes it anew"


def test_a_family_that_is_refused_is_told_the_package_or_the_cause():
    for name, rows in kept().items():
        without, sentence = rows["without"].get("refused", ""), rows["with"].get("refused", "")
        if "refused" not in rows["with"]:
            assert not without or any(package in without for package in EXTRA), f"{name}: {without}"
        else:
            assert any(
                why in sentence for why in ("encoder and a decoder", "first forward pass of its family", "self-test failed at")
            )
