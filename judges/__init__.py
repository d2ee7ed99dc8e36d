"""Judges: an answer against its reference, as a score from 0 to 100, or as a status that says why there is none.

    judge = load_judge("openai/gpt-4o")                     one prompt over a text LLM: openai/, anthropic/, hf/
    judge = load_judge("judge.yaml")                        prompt, scale, parameters, aspects; several members: a jury
    judge = load_judge("simulated:oracle")                  no model: oracle, constant, gullible, hedger, noisy
    judge = load_judge("my_judge.py:MyJudge")               one's own; or an entry point of the group cpbench.judges
    for judgement in judge.judge(cases): ...

A failure never becomes a score. An answer that is empty, or that the model refused (such a prediction's answer is put
to a judge as ""), is scored at the bottom without a call. A reply that cannot be read is asked for once more.

A judge YAML; all but `members` may be left out:

    name: my jury                       # for tables; no part of the judge_id
    prompt: cpqa-plain                  # or a file, from the YAML's folder
    members:
      - model: openai/gpt-4o
        params: {temperature: 0, max_tokens: 1024}             # part of the judge_id, as everything below
      - model: openai/Qwen/Qwen3-8B
        options: {base_url: http://localhost:8000/v1}          # this machine's affair
    aggregate: median                   # or mean
    min_members: 2                      # scores that a judgement needs; left out: of all members
    scale: [0, 1, 2, 3, 4, 5]           # these four go over the prompt's own
    correct_from: 3
    aspects: {content: 1, voice: 1}     # scored apart, in the prompt's examples too; the score is their weighted mean
    score_mode: parsed                  # or expected, with hf/ members

`prompt` is a packaged prompt's name or a file, for a judge without one of its own. `options` are the client's
(base_url, concurrency), or parameters (temperature, max_tokens, seed), which make another judge. `wrap` is put around
each member's `Chat`: a dry run, a batch, a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpbench.chat import family
from cpbench.fingerprint import digest
from cpbench.judges._cards import NOT_VALIDATED, Card, card_line, cards_folder, read_card, write_card
from cpbench.judges._rubric import FIELDS, Rubric, load_rubric, new_prompt, packaged_prompts, prompt_text
from cpbench.judges._sharing import BOTTOM
from cpbench.judges._spec import DEFAULT_PROMPT, FORMS, Foreign, LoadedJudge, load_judge
from cpbench.judges.jury import Agreement, Jury, agreement
from cpbench.judges.llm import ASPECT, LLMJudge
from cpbench.judges.simulated import Simulated, speaks_to_judge
from cpbench.records import JudgeSheet

__all__ = [
    "ASPECT",
    "BOTTOM",
    "DEFAULT_PROMPT",
    "FIELDS",
    "FORMS",
    "NOT_VALIDATED",
    "Agreement",
    "Card",
    "LoadedJudge",
    "Rubric",
    "agreement",
    "card_line",
    "cards_folder",
    "identity_of",
    "load_judge",
    "load_rubric",
    "new_prompt",
    "packaged_prompts",
    "prompt_text",
    "read_card",
    "reordered",
    "same_family",
    "sheet",
    "speaks_to_judge",
    "write_card",
]


def reordered(judge: LoadedJudge) -> LoadedJudge | None:
    """The same judge, who is shown what its prompt sees in another order; None for one without such an order."""
    return judge.reordered() if isinstance(judge, LLMJudge | Jury) else None


def sheet(judge: LoadedJudge) -> JudgeSheet:
    """Who a judge is: its models, the rubric that they are shown, and how their scores become one."""
    members = list(judge.members.values()) if isinstance(judge, Jury) else [judge]
    llms = [member for member in members if isinstance(member, LLMJudge)]
    prompt = f"{llms[0].rubric.prompt.system.rstrip()}\n\n{llms[0].rubric.prompt.user}" if llms else None
    aggregate = judge.aggregate if isinstance(judge, Jury) else None
    return JudgeSheet(judge.name, tuple(member.asking.model for member in llms), prompt, aggregate)


def identity_of(judge: LoadedJudge) -> Mapping[str, Any] | None:
    """What a judge's judge_id is the digest of; None where a judge of one's own does not say (as `identity`)."""
    said = getattr(judge.own, "identity", None) if isinstance(judge, Foreign) else None
    if isinstance(judge, LLMJudge | Jury | Simulated):
        said = judge.identity
    return said if isinstance(said, Mapping) and digest(said) == judge.judge_id else None


_KIN = {"o": "gpt", "chatgpt": "gpt"}  # o3-mini and chatgpt-4o are of the family of gpt-4o


def same_family(judge: LoadedJudge, model_family: str) -> bool:
    """Whether one of the judge's models is of the evaluated model's family, as its card says it.

    "qwen2_audio" is of the family "qwen"; of "whisper+llama" each part counts.
    """
    theirs = {family(part) for part in model_family.split("+")}
    return bool(set(map(_kin, judge.families)) & set(map(_kin, theirs)))


def _kin(name: str) -> str:
    return _KIN.get(name, name)
