"""What stands beside a judge's scores."""

from __future__ import annotations

import pytest

from cpbench.errors import UserError
from cpbench.judges import NOT_VALIDATED, Card, card_line, load_judge, read_card, write_card

JUDGE = load_judge("openai/gpt-4o").judge_id


def test_a_judge_without_a_card_is_not_validated(tmp_path):
    assert card_line(JUDGE) == card_line(JUDGE, [tmp_path, tmp_path / "none"]) == NOT_VALIDATED == "not validated"


def test_a_card_says_what_it_covers_and_holds_for_its_judge_alone(tmp_path):
    card = Card(JUDGE, "PASS", ("DE", "DG"), ("en",))
    path = write_card(card, tmp_path / "cards")
    assert read_card(JUDGE, [tmp_path, tmp_path / "cards"]) == card
    assert card_line(JUDGE, [tmp_path / "cards"]) == "PASS: DE, DG; en"
    assert card.covers("DE", "en")
    assert not card.covers("CE", "en")
    assert not card.covers("DE", None)
    other = load_judge("openai/gpt-4o", {"seed": "1"}).judge_id
    assert card_line(other, [tmp_path / "cards"]) == NOT_VALIDATED
    path.rename(path.with_name(f"{other}.json"))
    with pytest.raises(UserError, match="another judge"):
        card_line(other, [tmp_path / "cards"])


def test_a_simulated_judges_card_says_so():
    assert Card(JUDGE, "FAIL", ("DE",), ("en",), simulated=True).line == "simulated, FAIL: DE; en"


def test_a_card_that_synthetic_speech_earned_says_so():
    card = Card(JUDGE, "PASS", ("DE",), ("en",), synthetic=True)
    assert card.line == "PASS: DE; en (on synthetic speech)"


def test_a_file_that_is_no_card_is_one_message(tmp_path):
    (tmp_path / f"{JUDGE}.json").write_text('{"judge_id": 3}')
    with pytest.raises(UserError, match="no validity card"):
        card_line(JUDGE, [tmp_path])
