"""Round trips through huggingface_hub's own classes."""

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from cpbench import exports
from cpbench.errors import UserError


def test_the_card_is_read_back_as_it_was_meant(results, tmp_path):
    readme, _ = exports.export("model-card", results, tmp_path)
    card = ModelCard.load(readme)
    assert card.data.model_name == "my_ckpt"
    found = {(one.dataset_name, one.metric_name): one for one in card.data.eval_results}
    assert sorted(found) == [
        ("cpqa_x", "judge score, judge 50% & more_judge"),
        ("emotion_x", "accuracy"),
        ("emotion_x", "unextractable"),
    ]  # over all items, under the main condition, and only what is a number
    accuracy = found["emotion_x", "accuracy"]
    assert (accuracy.metric_type, accuracy.metric_value) == ("accuracy", 0.62)
    assert accuracy.metric_args["ci95_low"] == 0.5
    assert accuracy.metric_args["recordings"] == 24
    judged = found["cpqa_x", "judge score, judge 50% & more_judge"]
    assert (judged.dataset_type, judged.dataset_revision) == ("org/CPQA", "c0ffee")
    assert judged.metric_args["judge_validity"] == "PASS: DE; en"
    assert "0.620 | [0.500, 0.740]" in readme.read_text(encoding="utf-8")


def test_sets_of_the_hub_get_their_eval_results(results, tmp_path):
    _, file = exports.export("model-card", results, tmp_path, options={"url": "https://lab.example/report.html"})
    assert file.relative_to(tmp_path).as_posix() == ".eval_results/cpqa_x.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("org/CPQA", "cpqa_x", 62.0)
    assert (entry.dataset_revision, entry.date) == ("c0ffee", "2026-11-22T21:00:00+00:00")
    assert entry.source_url == "https://lab.example/report.html"
    assert (
        entry.notes == "judge score, judge 50% & more_judge; 95 % interval [50.0, 74.0]; 120 items; judge: PASS: DE; en"
    )


def test_a_card_that_lies_there_keeps_what_it_says(results, tmp_path):
    (tmp_path / "README.md").write_text(
        "---\nlicense: mit\nmodel-index:\n- name: Its own name\n  results:\n  - task: {type: audio-text-to-text}\n"
        "    dataset: {name: other, type: org/other}\n    metrics:\n    - {type: wer, value: 3.5, name: WER}\n"
        "---\n\n# My model\n\nIts story.\n",
        encoding="utf-8",
    )
    exports.export("model-card", results, tmp_path)
    exports.export(
        "model-card", replace(results, scores=results.scores[:1]), tmp_path
    )  # once more: replaced, not added
    card = ModelCard.load(tmp_path / "README.md")
    assert (card.data.license, card.data.model_name) == ("mit", "Its own name")
    assert "Its story." in card.text
    names = [(one.dataset_name, one.metric_name) for one in card.data.eval_results]
    assert names.count(("emotion_x", "accuracy")) == 1
    assert ("other", "WER") in names


def test_metadata_that_cannot_be_read_is_not_written_over(results, tmp_path):
    (tmp_path / "README.md").write_text("---\nmodel-index: [broken\n---\n", encoding="utf-8")
    with pytest.raises(UserError, match="metadata that cannot be read"):
        exports.export("model-card", results, tmp_path)
    assert "broken" in (tmp_path / "README.md").read_text(encoding="utf-8")
