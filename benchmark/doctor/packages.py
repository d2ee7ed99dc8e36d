"""What is installed, held against what cpbench itself says that it needs."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cpbench.doctor.findings import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def findings() -> list[Finding]:
    """Python, cpbench, what it requires, and what its extras would."""
    try:
        about = importlib.metadata.metadata("cpbench")
    except importlib.metadata.PackageNotFoundError:
        mend = "pip install --editable . in the folder with pyproject.toml"
        return [_python(""), Finding("packages", "cpbench", "broken", "runs, and is not installed", mend)]
    core, extras = _required()
    lines = [_python(about.json.get("requires_python")), _itself(about["Version"])]
    lines += [_one(requirement) for requirement in core]
    return lines + [_extra(name, requirements) for name, requirements in extras.items()]


def _python(needed: object) -> Finding:
    from packaging.specifiers import SpecifierSet

    version, fits = platform.python_version(), True
    if needed:
        fits = SpecifierSet(str(needed)).contains(version, prereleases=True)
    says = f"{version} on {platform.system()} {platform.machine()}" + ("" if fits else f"; it should be {needed}")
    mend = None if fits else "make install PYTHON=python3.12, into a new environment"
    return Finding("python", "python", "ok" if fits else "broken", says, mend)


def _itself(version: str) -> Finding:
    return Finding(
        "packages", "cpbench", "ok", version + (", in an environment" if sys.prefix != sys.base_prefix else "")
    )


def _required() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """What every installation needs, and what each extra adds."""
    from packaging.requirements import Requirement

    core: list[Requirement] = []
    extras: dict[str, list[Requirement]] = {}
    for line in importlib.metadata.requires("cpbench") or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            core.append(requirement)
            continue
        for name in importlib.metadata.metadata("cpbench").get_all("Provides-Extra") or ():
            if requirement.marker.evaluate({"extra": name}):
                extras.setdefault(name, []).append(requirement)
    return sorted(core, key=lambda one: one.name), extras


def _one(requirement: Requirement) -> Finding:
    wrong = _wrong(requirement)
    says = _version(requirement.name) or "not installed"
    if wrong is None:
        return Finding("packages", requirement.name, "ok", says)
    return Finding("packages", requirement.name, "broken", wrong, f'pip install "{_spelled(requirement)}"')


def _extra(name: str, requirements: list[Requirement]) -> Finding:
    wrong = list(_all_wrong(requirements))
    if not wrong:
        versions = ", ".join(f"{one.name} {_version(one.name)}" for one in requirements)
        return Finding("packages", f"cpbench[{name}]", "ok", versions)
    return Finding("packages", f"cpbench[{name}]", "missing", "; ".join(wrong), f'pip install "cpbench[{name}]"')


def _all_wrong(requirements: list[Requirement]) -> Iterator[str]:
    for one in requirements:
        if (wrong := _wrong(one)) is not None:
            yield f"{one.name}: {wrong}"


def _wrong(requirement: Requirement) -> str | None:
    """Why what is installed does not do; None: it does."""
    version = _version(requirement.name)
    if version is None:
        return "not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{version}, and {requirement.specifier} is needed"
    return None


def _spelled(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
