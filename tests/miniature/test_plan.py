"""Which checkpoints are trained, in which order."""

from __future__ import annotations

from cpbench.miniature.plan import FULL, QUICK, SYSTEMS, TUNED, jobs


def test_every_system_in_every_way_with_every_seed_once() -> None:
    names = [job.name for job in jobs(FULL)]
    assert FULL.seeds == 5
    assert len(names) == len(set(names)) == 5 * len(TUNED) * len(SYSTEMS)
    assert {job.tuned for job in jobs(FULL)} == {"adapter", "lora"}
    assert {job.tuned for job in jobs(QUICK)} == {"adapter"}


def test_an_interrupted_miniature_has_whole_rounds() -> None:
    every, size = list(jobs(FULL)), len(TUNED) * len(SYSTEMS)
    for seed in range(FULL.seeds):
        whole = every[seed * size : (seed + 1) * size]
        assert {job.seed for job in whole} == {seed}
        assert {job.system for job in whole} == set(SYSTEMS)


def test_only_systems_that_are_taught_with_tags_are_asked_with_them() -> None:
    told = {system.name for system in SYSTEMS if system.conditions != ("audio",)}
    assert told == {"explicit", "S32"}
    assert all(system.conditions[0] == "tags:gold" for system in SYSTEMS if system.name in told)
    assert all({"audio", "tags:wrong"} < set(system.conditions) for system in SYSTEMS if system.name in told)
