"""cpbench judge prompts, as it is typed."""

from __future__ import annotations

from cpbench.judges import load_rubric, prompt_text


def test_prompts_are_listed_shown_and_started(cpbench, tmp_path):
    listed = cpbench("judge", "prompts")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in ("cpqa (default)", "cpqa-plain", "emotion-binary"))
    shown = cpbench("judge", "prompts", "--show", "emotion-binary")
    assert shown.stdout == prompt_text("emotion-binary")
    started = cpbench("judge", "prompts", "--new", "mine.yaml")
    assert started.returncode == 0
    assert load_rubric(str(tmp_path / "mine.yaml")).scale == (0, 1, 2, 3, 4, 5)
    again = cpbench("judge", "prompts", "--new", "mine.yaml")
    assert (again.returncode, "is kept: 'mine.yaml'" in again.stderr) == (2, True)


def test_what_is_typed_wrong_is_mended(cpbench):
    unknown = cpbench("judge", "prompts", "--show", "cpqo")
    assert (unknown.returncode, "did you mean 'cpqa'" in unknown.stderr) == (2, True)
    command = cpbench("judge", "promts")
    assert (command.returncode, "did you mean 'prompts'" in command.stderr) == (2, True)
    assert "Traceback" not in unknown.stderr + command.stderr
