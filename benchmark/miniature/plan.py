"""What the miniature trains: the source paper's systems in small, and a control that should learn nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cpbench.miniature.corpus import Scale

Tuned = Literal["adapter", "lora"]
Data = Literal["variants", "direct", "shuffled"]
Variant = Literal["baseline", "implicit", "explicit", "combined"]
TUNED: dict[Tuned, str] = {"adapter": "adapter only", "lora": "adapter and LoRA"}


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    says: str  # what it is taught
    variant: Variant
    data: Data = "variants"

    @property
    def conditions(self) -> tuple[str, ...]:
        """Under what it is asked, its own condition first."""
        return ("tags:gold", "audio", "tags:wrong") if self.variant in ("explicit", "combined") else ("audio",)


BASELINE = System("S10", "words, gender, emotion", "baseline")
IMPLICIT = System("S30", "S20 and contextual questions", "implicit")
CONTROL = System("control", "S30 with the emotions dealt out among the clips", "implicit", "shuffled")
SYSTEMS = (
    BASELINE,
    System("S20", "S10 and direct questions", "implicit", "direct"),
    IMPLICIT,
    System("explicit", "S10 with emotion tags in the prompt", "explicit"),
    System("S32", "S30 with emotion tags in the prompt", "combined"),
    CONTROL,
)


@dataclass(frozen=True)
class Plan:
    """How large the miniature is."""

    scale: Scale
    seeds: int
    base_epochs: float  # a factor on the epochs of the packaged base
    epochs: float  # a factor on those of each variant
    limit: int | None = None  # of the questions that each is asked
    tuned: tuple[Tuned, ...] = ("adapter", "lora")


FULL = Plan(Scale(), seeds=5, base_epochs=1.0, epochs=1.0)
QUICK = Plan(
    Scale(single=150, double=250, feelings=80, asked_single=30, asked_double=40, conflicts=40),
    seeds=2,
    base_epochs=0.7,
    epochs=1.0,
    limit=200,
    tuned=("adapter",),
)


@dataclass(frozen=True)
class Job:
    """One checkpoint to be trained and asked."""

    system: System
    tuned: Tuned
    seed: int

    @property
    def name(self) -> str:
        return f"{self.system.name}-{self.tuned}-{self.seed}"


def jobs(plan: Plan) -> Iterator[Job]:
    """All checkpoints, a whole round of systems for each seed: an interrupted miniature has whole rounds."""
    for seed in range(plan.seeds):
        for tuned in plan.tuned:
            for system in SYSTEMS:
                yield Job(system, tuned, seed)
