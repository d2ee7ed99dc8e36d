"""Our tasks and models inside lm-eval: the answers of `cpbench run`, and no failure scored as an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

from cpbench.cli import main
from cpbench.errors import UsageError, UserError
from cpbench.evaluate import evaluate
from cpbench.lm_eval_bridge import command_line, language_model
from cpbench.records import RunConfig
from cpbench.tasks import include_path, load_tasks

EAR = '''
"""A model that says what it hears: its answer is a function of the samples, the words and the generation."""
from dataclasses import dataclass
import numpy as np
from cpbench.records import ModelCard

LABELS = ("anger", "sadness", "happiness", "neutral")


@dataclass(frozen=True)
class Ear:
    shift: int = 0
    condition: str = "audio"
    third_party: bool = False

    @property
    def card(self):
        return ModelCard("ear", "test", condition=self.condition, third_party=self.third_party)

    def answer(self, turns):
        for turn in list(turns)[::-1]:
            heard = turn.heard[0].wave if turn.heard else np.zeros(1)
            label = LABELS[(int(1e4 * np.abs(heard).mean()) + self.shift) % 4]
            words = f"<think>It is {label}.</think>{label}, {len(heard)} samples, asked: {turn.request.text}"
            yield turn.request.answered(words, heard=len(heard) / 16000, finish_reason="stop")
'''
NAMES = ("03a01Fa", "03a01Wa", "03b10Nc", "08a02Tb", "16a04Wb")


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.fixture
def ear(tmp_path: Path) -> str:
    (tmp_path / "ear.py").write_text(EAR)
    return f"{tmp_path / 'ear.py'}:Ear"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A small EmoDB: five clips of different sounds and lengths."""
    for number, name in enumerate(NAMES):
        wave = 0.2 * np.random.default_rng(number).standard_normal(4000 + 800 * number)
        (tmp_path / "emodb").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "emodb" / f"{name}.wav", wave.clip(-1, 1), 16000)
    return tmp_path / "emodb"


@pytest.fixture
def in_lm_eval(ear: str, corpus: Path) -> Callable[..., dict[str, Any]]:
    """lm-eval's own evaluator on our tasks, without the ten seconds of its own index."""

    def evaluated(*tasks: str, **arguments: Any) -> dict[str, Any]:
        language_model()
        metadata: Any = {"data_dirs": {"emotion_emodb": str(corpus)}}
        manager = TaskManager(include_path=include_path(), include_defaults=False, metadata=metadata)
        found: dict[str, Any] = simple_evaluate(
            model="cpbench",
            model_args={"spec": ear, **arguments},
            tasks=list(tasks),
            task_manager=manager,
            device="cuda:0",
            bootstrap_iters=0,
        )
        return found

    return evaluated


def answered(results: dict[str, Any], task: str) -> dict[str, str]:
    return {sample["doc"]["id"]: sample["resps"][0][0] for sample in results["samples"][task]}


def test_lm_eval_gets_the_answers_of_cpbench_run(in_lm_eval: Any, ear: str, corpus: Path, tmp_path: Path) -> None:
    tasks = ("emotion_emodb", "demo_emotion")
    config = RunConfig(
        ear, tasks, data_dirs={"emotion_emodb": str(corpus)}, out=str(tmp_path / "run"), hearing_check=False
    )
    run = evaluate(config)
    ours = {(o.item.task, o.item.id): o.prediction.answer for o in run.outcomes()}
    results = in_lm_eval(*tasks, hearing_check="false")
    theirs = {(task, id): answer for task in tasks for id, answer in answered(results, task).items()}
    assert theirs == ours
    assert len(ours) == len(NAMES) + results["n-samples"]["demo_emotion"]["original"]
    assert len(set(ours.values())) > len(NAMES)  # what is compared depends on what was heard


DEMO = Path(str(resources.files("cpbench") / "checkpoints" / "demo"))


@pytest.mark.skipif(not DEMO.is_dir(), reason="the packaged checkpoint is not built yet")
def test_the_packaged_model_answers_alike_in_both(tmp_path: Path) -> None:
    run = evaluate(RunConfig("demo", ("demo_cpqa",), limit=21, out=str(tmp_path / "run")))
    ours = {outcome.item.id: outcome.prediction.answer for outcome in run.outcomes()}
    ((_, items),) = load_tasks(["demo_cpqa"])
    language_model()
    results = simple_evaluate(
        model="cpbench",
        model_args={"spec": "demo"},
        tasks=["demo_cpqa"],
        samples={"demo_cpqa": [place for place, item in enumerate(items) if item.id in ours]},
        task_manager=TaskManager(include_path=include_path(), include_defaults=False),
        bootstrap_iters=0,
    )
    assert answered(results, "demo_cpqa") == ours
    assert len(set(ours.values())) > 3


def test_its_accuracy_is_ours(in_lm_eval: Any, ear: str, corpus: Path, tmp_path: Path) -> None:
    results = in_lm_eval("emotion_emodb", hearing_check="false")
    right = sum(
        answer.split(",")[0] == {"F": "happiness", "W": "anger", "N": "neutral", "T": "sadness"}[id[5]]
        for id, answer in answered(results, "emotion_emodb").items()
    )
    assert results["results"]["emotion_emodb"]["accuracy,none"] == right / len(NAMES)


def test_a_model_s_own_condition_words_the_question(in_lm_eval: Any) -> None:
    results = in_lm_eval("emotion_emodb", condition="tags:gold", hearing_check="false")
    (happy,) = (text for id, text in answered(results, "emotion_emodb").items() if id == "03a01Fa")
    assert "happiness]" in happy.partition("asked:")[2]


def test_a_log_of_samples_holds_paths_and_no_audio(in_lm_eval: Any) -> None:
    from lm_eval.utils import handle_non_serializable

    results = in_lm_eval("emotion_emodb", hearing_check="false")
    logged = json.dumps(results["samples"], default=handle_non_serializable)
    assert "03a01Fa.wav" in logged
    assert len(logged) < 20_000


def test_a_clip_that_cannot_be_heard_is_raised_and_not_scored(in_lm_eval: Any, corpus: Path) -> None:
    (corpus / "09a05Tb.wav").write_bytes(b"not audio")
    with pytest.raises(UserError, match="emotion_emodb/09a05Tb/audio"):
        in_lm_eval("emotion_emodb", hearing_check="false")


def test_options_reach_the_model_and_unknown_ones_are_refused(in_lm_eval: Any) -> None:
    plain, shifted = (
        answered(in_lm_eval("emotion_emodb", hearing_check="false", shift=shift), "emotion_emodb") for shift in (0, 1)
    )
    assert all(plain[id] != shifted[id] for id in plain)
    with pytest.raises(UsageError, match="no option"):
        in_lm_eval("emotion_emodb", volume=3)


def test_what_may_not_be_sent_is_not_sent(in_lm_eval: Any) -> None:
    with pytest.raises(UserError, match=r"emotion_emodb \(license: unknown\) may not be sent"):
        in_lm_eval("emotion_emodb", third_party="true", hearing_check="false")
    in_lm_eval("emotion_emodb", third_party="true", third_party_ok="true", hearing_check="false")
    in_lm_eval("demo_emotion", third_party="true", hearing_check="false")


def test_a_deaf_model_is_stopped(in_lm_eval: Any, corpus: Path, tmp_path: Path) -> None:
    deaf = (
        "\n    def listen(self, turns):\n        from cpbench.parts import Listened\n"
        "        return [Listened(np.arange(9, dtype=np.float32), None, None) for _ in turns]\n"
        "\n    def features(self, heard):\n        return heard.wave\n"
    )
    (tmp_path / "ear.py").write_text(EAR + deaf)
    with pytest.raises(UserError, match="the audio does not reach ear"):
        in_lm_eval("emotion_emodb")


def test_a_task_of_likelihoods_is_refused(ear: str) -> None:
    model = language_model().create_from_arg_string(f"spec={ear}")

    class Instance:
        task_name = "arc"

    with pytest.raises(UserError, match="arc asks for likelihoods"):
        model.loglikelihood([Instance()])


def test_repeats_of_a_question_are_asked_with_seeds_of_their_own(ear: str, corpus: Path, tmp_path: Path) -> None:
    from cpbench.lm_eval_bridge import Asked, answers
    from cpbench.models import load_model
    from cpbench.tasks import list_tasks
    from cpbench.tasks.docs import built

    (tmp_path / "seeds.py").write_text(
        "from cpbench.records import ModelCard\n\nclass Seeds:\n    card = ModelCard('seeds', 'test')\n\n"
        "    def answer(self, turns):\n        for turn in turns:\n"
        "            yield turn.request.answered(str(turn.request.generation.seed), heard=1.0)\n"
    )
    task = built(next(card.yaml for card in list_tasks() if card.name == "emotion_emodb"), {"": str(corpus)})
    task.build_all_requests(limit=2)
    twice = [instance for instance in task.instances for _ in range(2)]
    model = load_model(f"{tmp_path / 'seeds.py'}:Seeds", {})
    assert answers(twice, Asked(model, hearing_check=False)) == ["0", "1", "0", "1"]


@pytest.mark.parametrize("flag", ["--include_path", "--use_cache=x"])
def test_flags_that_cannot_work_here_are_refused(flag: str) -> None:
    with pytest.raises(UsageError, match="does not take"):
        command_line(["--tasks", "demo", flag], {})


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="one process"):
        command_line(["--tasks", "demo"], {})


def test_the_command_line_runs_lm_eval_with_our_tasks(
    ear: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, but for lm-eval's own index of tasks, which is left out to save ten seconds."""
    original = TaskManager.__init__

    def without_defaults(self: Any, *args: Any, **words: Any) -> None:
        original(self, *args, **{**words, "include_defaults": False})

    monkeypatch.setattr(TaskManager, "__init__", without_defaults)
    words = f"--model cpbench --model_args spec={ear},hearing_check=false --tasks emotion_emodb --limit 3"
    main(["lm-eval", *words.split(), "--data-dir", f"emotion_emodb={corpus}", "--output_path", str(tmp_path)])
    (written,) = tmp_path.rglob("results_*.json")
    results = json.loads(written.read_text())
    assert results["n-samples"]["emotion_emodb"] == {"original": 5, "effective": 3}
    assert "accuracy" in capsys.readouterr().out


def test_help_is_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lm-eval", "--help"])
    assert "spec=demo" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["lm-eval", "run", "--help"])
    assert left.value.code == 0
    assert "--gen_kwargs" in capsys.readouterr().out
