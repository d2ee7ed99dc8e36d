"""What may be sent where: the one rule that endpoint models, judges and the lm-eval bridge keep."""

from __future__ import annotations

from collections.abc import Iterable

from cpbench.errors import UserError
from cpbench.records import Task


def check_rights(name: str, tasks: Iterable[Task], *, third_party: bool, ok: bool, flag: str) -> None:
    """Refuse to send to a third party what its license does not allow to be sent.

    `name` is the model or the judge, `third_party` whether it is somebody else's machine, `ok` whether the user has
    said that it may be, and `flag` how to say so. Raises UserError.
    """
    forbidden = [task for task in tasks if not task.rights.third_party_api]
    if third_party and forbidden and not ok:
        what = f"{', '.join(task.name for task in forbidden)} (license: {forbidden[0].rights.license})"
        raise UserError(
            f"{name} is somebody else's machine, and {what} may not be sent there",
            mend=f"{flag}, if you have the right to; it is recorded",
        )
