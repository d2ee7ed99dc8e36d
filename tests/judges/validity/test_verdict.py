"""What a verdict holds for."""

from __future__ import annotations

from cpbench.judges.validity.verdict import covers


def test_labels_certify_direct_questions_only() -> None:
    """JUDGE's rule: a judge that reads CE's labels rightly is still not validated for CE."""
    types = [{"name": name, "verdict": "PASS"} for name in ("C", "DE", "DG", "DS", "CE", "CG", "CS")]
    english, german = {"name": "en", "verdict": "PASS"}, {"name": "de", "verdict": "INSUFFICIENT"}
    held = covers("PASS", types, [english, german])  # type: ignore[arg-type]
    assert (held["types"], held["languages"]) == (["DE", "DG", "DS"], ["en"])


def test_a_verdict_that_is_no_pass_holds_for_all_that_was_measured() -> None:
    types = [{"name": "DE", "verdict": "FAIL"}, {"name": "CE", "verdict": "PASS"}]
    assert covers("FAIL", types, [])["types"] == ["DE", "CE"]  # type: ignore[arg-type]
