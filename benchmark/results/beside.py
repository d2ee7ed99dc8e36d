"""What must be said beside the scores: how many answers there really are, and what their numbers cannot carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cpbench.records import Outcome, Task
from cpbench.results.scores import Column, absences, columns

FEW = 10  # recordings: under these, t intervals only, and it is said how few there are


@dataclass(frozen=True)
class Tally:
    """How the answers of a task under a condition came out, in numbers of items."""

    task: str
    condition: str
    n: int
    recordings: int
    errors: int  # missing: in no score
    refused: int  # these three are wrong answers
    truncated: int
    empty: int
    leaked: int  # the prompt holds the answer
    clips: int
    trained_on: int  # clips that were in the model's training data
    seconds: float  # of audio given to the model
    seconds_heard: float  # of which it could take in

    @property
    def heard(self) -> float | None:
        """The share of the audio that reached the model; None where none was given."""
        return self.seconds_heard / self.seconds if self.seconds else None


def tally(outcomes: Sequence[Outcome], tasks: Sequence[Task]) -> tuple[Tally, ...]:
    """Count the outcomes of each task and condition.

    Raises UserError for outcomes of a task that is not among `tasks`.
    """
    return tuple(_tally(column, part) for column, part in columns(outcomes, tasks).items())


def _tally(column: Column, part: Sequence[Outcome]) -> Tally:
    statuses = Counter(outcome.prediction.status for outcome in part)
    flags = Counter(flag for outcome in part for flag in set(outcome.prediction.flags))
    clips = {clip.sha256 or clip.path: "trained_on" in one.prediction.flags for one in part for clip in one.item.clips}
    return Tally(
        *column,
        n=len(part),
        recordings=len({outcome.item.recording for outcome in part}),
        errors=statuses["error"],
        refused=statuses["refused"],
        truncated=statuses["truncated"],
        empty=statuses["empty"],
        leaked=flags["leaked"],
        clips=len(clips),
        trained_on=sum(clips.values()),
        seconds=sum(outcome.prediction.audio_seconds for outcome in part),
        seconds_heard=sum(outcome.prediction.audio_seconds_heard for outcome in part),
    )


def caveats(
    outcomes: Sequence[Outcome], tasks: Sequence[Task], *, judge_id: str | None = None, partial: bool = False
) -> list[str]:
    """Return the sentences that belong beside the scores of these outcomes, each once, those of the run first.

    `partial`: the run asked only some of the items (`--limit`).
    """
    found = ["partial run (--limit): not the scores of the whole set"] if partial else []
    found += _of_tasks(outcomes, tasks)
    for each in tally(outcomes, tasks):
        found += [f"{each.task}, {each.condition}: {said}" for said in _of_tally(each)]
    found += _of_absences(outcomes, tasks, judge_id)
    return list(dict.fromkeys(found))


def _of_absences(outcomes: Sequence[Outcome], tasks: Sequence[Task], judge_id: str | None) -> Iterator[str]:
    """What has no number over all items and none for any question type either."""
    typed = {outcome.prediction.task for outcome in outcomes if outcome.item.type is not None}
    gone = absences(outcomes, tasks, judge_id=judge_id)
    slices = Counter((absent.task, absent.condition, absent.metric) for absent in gone)
    for absent in gone:
        alone = slices[absent.task, absent.condition, absent.metric] == 1
        if absent.slice == "all" and not (alone and absent.task in typed):
            yield f"{absent.task}, {absent.condition}: no {absent.metric}: {absent.why}"


def _of_tasks(outcomes: Sequence[Outcome], tasks: Sequence[Task]) -> Iterator[str]:
    asked = {outcome.prediction.task for outcome in outcomes}
    here = [task for task in tasks if task.name in asked]
    if synthetic := [task.name for task in here if task.synthetic]:
        yield f"{', '.join(synthetic)}: synthetic speech, made for this project; never comparable with the paper"
    if any(name == "overlap_score" for task in here for name in task.metrics):
        yield "overlap_score: no LLM judge; it compares words, and is for a first look"
    for task in here:
        recordings = len({outcome.item.recording for outcome in outcomes if outcome.prediction.task == task.name})
        if recordings == 1:
            yield f"{task.name}: only 1 recording: there are no intervals"
        elif recordings < FEW:
            yield (
                f"{task.name}: only {recordings} recordings: intervals are t intervals with {recordings - 1} "
                f"degree{'s' * (recordings > 2)} of freedom, and wide"
            )


def _of_tally(each: Tally) -> Iterator[str]:
    if each.errors:
        yield f"{each.errors} of {each.n} items failed; they are in no score (coverage {1 - each.errors / each.n:.1%})"
    if each.refused:
        yield f"{each.refused} of {each.n} answers were refused, and count as wrong"
    if each.truncated:
        yield f"{each.truncated} of {each.n} answers were cut off, and count as wrong"
    if each.empty:
        yield f"{each.empty} of {each.n} answers were empty, and count as wrong"
    if each.heard is not None and 0 < each.heard < 0.9995:  # 0: a model without ears, or one that does not say
        yield f"clips were heard in part: {each.heard:.1%} of the audio reached the model"
    if each.trained_on:
        yield f"the model was trained on {each.trained_on} of the {each.clips} evaluated clips"
    if each.leaked:
        yield f"the prompt gives away the answer of {each.leaked} of {each.n} items (tags; scores marked leaked)"
