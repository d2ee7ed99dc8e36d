"""submit: what it writes, what it leaves out, and what it refuses and why."""

import json
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from cpbench.errors import UserError
from cpbench.fingerprint import canonical
from cpbench.leaderboard.check import check, examine
from cpbench.leaderboard.datasets import dataset_path, describe, load_dataset, save_dataset
from cpbench.leaderboard.signing import sign
from cpbench.leaderboard.submit import About, pack, submit
from cpbench.records import ModelCard, Rights
from cpbench.results import compute

ABOUT = About(name="My model", trained_on_eval="no")
CLOSED = Rights("all rights reserved", third_party_api=True)


def written(folder: Path) -> dict:
    return json.loads((folder / "submission.json").read_bytes())


def rows(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_bytes().splitlines()]


def scores(folder: Path) -> dict:
    found = written(folder)["scores"]
    return {(one["condition"], one["metric"], one["slice"]): one["value"] for one in found}


def test_three_files_whose_scores_are_the_run_s_own(ground):
    assert sorted(path.name for path in ground.folder.iterdir()) == sorted(ground.files)
    made = scores(ground.folder)
    # 12 labelled items, of which those of an index divisible by 6 are wrong; 8 of 12 free ones name their number.
    assert made["audio", "accuracy", "all"] == pytest.approx(8 / 12)
    assert made["audio", "judge_score", "C"] == pytest.approx((8 * 80 + 4 * 20) / 12)
    run, (judge_id,) = ground.run, ground.run.manifest["judges"]
    by_run = [
        *compute(list(run.outcomes()), run.tasks),
        *compute(list(run.outcomes(judge_id=judge_id)), run.tasks, judge_id=judge_id),
    ]
    of_run = {("audio", one.metric, one.slice): one.estimate.value for one in by_run}
    assert {key: value for key, value in of_run.items() if key[1] != "overlap_score"} == pytest.approx(made)
    checked = check(ground.folder, ground.board)
    assert checked.accepted and checked.findings == () and len(checked.outcomes) == 24


def test_it_says_who_what_and_how(ground):
    made = written(ground.folder)
    assert made["system"] | {"kind": "end_to_end", "revision": "abc", "backbone": "qwen2_audio"} == made["system"]
    assert made["dataset"]["items"] == 24 and made["dataset"]["recordings"] == 6
    judge = made["judge"]
    assert judge["repeats"] == 2 and judge["members"] == ["openai/test"] and judge["resolved"] == ["test-2026"]
    assert judge["prompt_sha256"] == judge["identity"]["prompt"] and not judge["simulated"]
    assert made["usage"]["judge_calls"] == 48 and made["usage"]["judge_input_tokens"] == 480
    assert made["usage"]["output_tokens"] == 72 and made["usage"]["audio_seconds"] == 48.0


def test_the_bytes_are_canonical_sorted_and_the_same_again(ground, tmp_path):
    for name, data in ground.files.items():
        lines = data.splitlines()
        assert [canonical(json.loads(line)) for line in lines] == lines and data.endswith(b"\n"), name
    keys = [(row["condition"], row["item_id"]) for row in rows(ground.folder, "predictions")]
    assert keys == sorted(keys)
    about = About(name="My model", organisation="My lab", trained_on_eval="no", url="https://example.org/m")
    (again,) = submit(ground.run, tmp_path, about=about)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == ground.files
    (again,) = submit(ground.run, tmp_path, about=about)  # written over
    assert {path.name: path.read_bytes() for path in again.iterdir()} == ground.files


def test_nothing_of_this_machine_is_in_it(run_of, tmp_path):
    details = {"dtype": "float32", "base_url": "http://node17:8000/v1", "path": "/data/ckpt", "nested": {"a": 1}}
    run = run_of(card=ModelCard("/data/checkpoints/my-model", "qwen", revision="/data/rev", details=details))
    (folder,) = submit(run, tmp_path / "out", about=About(trained_on_eval="unknown"))
    everything = b"".join(path.read_bytes() for path in folder.iterdir()).decode()
    for word in (str(tmp_path), "/data", "/home", "node17", str(Path.home()), platform.node()):
        assert word not in everything
    made = written(folder)
    assert made["system"]["name"] == "my-model" and made["system"]["revision"] is None
    assert made["generation"]["parameters"]["dtype"] == "float32"


def test_where_rights_forbid_text_only_the_answers_stay(run_of, ground, tmp_path):
    run = run_of(rights=CLOSED)
    (folder,) = submit(run, tmp_path / "out", about=ABOUT)
    card = save_dataset(tmp_path / "board", describe(run.tasks[0], run.items))
    everything = b"".join(path.read_bytes() for path in (*folder.iterdir(), card)).decode()
    for at, item in enumerate(run.items):
        for text in (item.question, item.references[0], item.clips[0].transcript, f"thought {at}", item.clips[0].path):
            assert text not in everything
    assert "gave 4 points" not in everything and "gave 4 points" in ground.files["judgements.jsonl"].decode()
    assert "thought 3" in ground.files["predictions.jsonl"].decode()
    checked = check(folder, tmp_path / "board")
    assert checked.accepted and checked.findings == ()
    assert scores(folder) == pytest.approx(scores(ground.folder))


def test_conditions_beside_the_ranked_one_come_along_where_they_are_whole(run_of, tmp_path):
    run = run_of(conditions=("audio", "silence", "noise:0db"))
    (folder,) = submit(run, tmp_path / "out", about=ABOUT)
    assert written(folder)["generation"]["others"] == ["silence"]
    assert ("silence", "judge_score", "all") in scores(folder)
    save_dataset(tmp_path / "board", describe(run.tasks[0], run.items))
    checked = check(folder, tmp_path / "board")
    assert checked.accepted and len(checked.outcomes) == 48 and len(checked.ranked) == 24


def test_a_zip_is_the_same_submission_and_the_same_bytes_again(ground, tmp_path):
    folder = shutil.copytree(ground.folder, tmp_path / "task")
    first = pack(folder).read_bytes()
    assert pack(folder).read_bytes() == first
    checked = check(tmp_path / "task.zip", ground.board)
    assert checked.accepted and checked.files == ground.files


def test_simulated_judges_are_taken_and_flagged(run_of, tmp_path):
    run = run_of(judge="simulated:noisy")
    (folder,) = submit(run, tmp_path / "out", about=ABOUT)
    save_dataset(tmp_path / "board", describe(run.tasks[0], run.items))
    checked = check(folder, tmp_path / "board")
    assert checked.accepted and [one.code for one in checked.findings] == ["simulated_judge"]
    assert written(folder)["judge"]["simulated"]


def test_a_run_of_an_older_cpbench_says_no_identity_and_is_flagged(run_of, tmp_path):
    run = run_of()
    ((judge_id, about),) = run.manifest["judges"].items()
    run.note(judges={judge_id: {key: value for key, value in about.items() if key != "identity"}})
    (folder,) = submit(run, tmp_path / "out", about=ABOUT)
    save_dataset(tmp_path / "board", describe(run.tasks[0], run.items))
    assert [one.code for one in check(folder, tmp_path / "board").findings] == ["judge_unproven"]


@pytest.mark.parametrize(
    ("known", "about", "why"),
    [
        ({"limit": 5}, {}, "partial run"),
        ({"shard": (0, 2)}, {}, "one shard"),
        ({"statuses": {3: "missing"}}, {}, "1 of 24 items of task are not answered"),
        ({"statuses": {3: "error"}}, {}, "1 of 24 answers to task under audio failed"),
        ({"conditions": ("noise:0db",)}, {}, "no answers under 'audio'"),
        ({"judge": None, "metrics": ("overlap_score",)}, {}, "overlap_score is no judge"),
        ({}, {"judge": "overlap"}, "compares words and is no judge"),
        ({}, {"judge": "openai/other"}, "not judged by"),
        ({}, {"url": "javascript:alert(1)"}, "url"),
        ({}, {"name": "two\nlines"}, "name"),
        ({}, {"tasks": ("tusk",)}, "did you mean 'task'"),
    ],
)
def test_what_cannot_be_ranked_is_refused_with_the_reason(run_of, tmp_path, known, about, why):
    with pytest.raises(UserError) as refused:
        submit(run_of(**known), tmp_path / "out", about=About(**{"trained_on_eval": "no", **about}))
    assert why in str(refused.value) and not (tmp_path / "out").exists()


def test_unjudged_answers_and_two_judges_are_refused(run_of, tmp_path):
    run = run_of()
    path = run.folder / "judgements.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    from cpbench.runfolder import load_run

    with pytest.raises(UserError, match="1 of 24 judgements are missing") as refused:
        submit(load_run(run.folder), tmp_path / "out", about=ABOUT)
    assert "cpbench judge run" in str(refused.value)
    ((judge_id, about),) = run.manifest["judges"].items()
    run.note(judges={judge_id: about, "f" * 64: {**about, "name": "another"}})
    with pytest.raises(UserError, match="several judges"):
        submit(load_run(run.folder), tmp_path / "out", about=ABOUT)
    (folder,) = submit(load_run(run.folder), tmp_path / "out", about=About(judge="none", trained_on_eval="no"))
    assert written(folder)["judge"] is None and (folder / "judgements.jsonl").read_bytes() == b""


def test_a_folder_of_something_else_is_not_written_into(ground, tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else"):
        submit(ground.run, tmp_path, about=ABOUT)
    assert [path.name for path in (tmp_path / "task").iterdir()] == ["thesis.tex"]


def test_the_board_s_card_is_the_set_and_refuses_another(ground, tmp_path):
    card = describe(ground.run.tasks[0], ground.run.items)
    path = save_dataset(tmp_path, card)
    assert load_dataset(tmp_path, card.fingerprint) == card and path == dataset_path(tmp_path, card.fingerprint)
    assert all(clip.path == "" for item in card.items for clip in item.clips)
    path.write_bytes(path.read_bytes().replace(b"Question 3:", b"Question 4:"))
    with pytest.raises(UserError, match="does not hold the items"):
        load_dataset(tmp_path, card.fingerprint)
    with pytest.raises(UserError, match="not all items"):
        describe(ground.run.tasks[0], ground.run.items[:-1])


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")
def test_signatures_are_checked_where_a_board_knows_signers(ground, tmp_path):
    keys = []
    for name in ("mine", "theirs"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
        keys.append((tmp_path / f"{name}.pub").read_text())
    board = shutil.copytree(ground.board, tmp_path / "board")
    (board / "board.yaml").write_text("cpbench_board: 1\ntitle: t\nsigners: signers\n")
    (board / "signers").write_text(f"me@lab.org {keys[0]}")
    folder = shutil.copytree(ground.folder, tmp_path / "task")
    assert [one.code for one in examine(folder, board).findings] == ["unsigned"]
    sign(folder, tmp_path / "mine")
    checked = examine(folder, board)
    assert checked.findings == () and checked.signer == "me@lab.org"
    assert check(pack(folder), board).signer == "me@lab.org"
    whole = (folder / "submission.json").read_bytes()
    (folder / "submission.json").write_bytes(whole.replace(b"My lab", b"My bar"))
    assert [one.code for one in examine(folder, board).findings] == ["signature"]
    (folder / "submission.json").write_bytes(whole)
    sign(folder, tmp_path / "theirs")
    assert [one.code for one in examine(folder, board).findings] == ["signature"]
    (folder / "submission.json.sig").write_bytes(b"-----BEGIN SSH SIGNATURE-----\nAAAA\n")
    assert [one.code for one in examine(folder, board).findings] == ["signature"]
