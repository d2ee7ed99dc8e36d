"""The errors of cpbench.

Exception
├── UserError    something the user can mend: shown as one message, without a traceback, exit code 1
│   └── UsageError   wrong words on the command line or in a file: exit code 2
└── BadClip      one clip that cannot be decoded: becomes an `error` prediction, and the run goes on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What is wrong, the value, what is allowed, the nearest name, and the command that mends it, in one message.

    >>> print(UserError("unknown task", value="demo_cqpa", allowed=["demo_cpqa", "demo_emotion"], mend="cpbench tasks"))
    unknown task 'demo_cqpa' (did you mean 'demo_cpqa'?)
      allowed: demo_cpqa, demo_emotion
      try: cpbench tasks
    """

    exit_code = 1

    def __init__(
        self, what: str, *, value: object = None, allowed: Iterable[str] | None = None, mend: str | None = None
    ) -> None:
        self.what, self.value, self.allowed, self.mend = what, value, None if allowed is None else list(allowed), mend
        super().__init__(what)

    def __str__(self) -> str:
        text = self.what
        if self.value is not None:
            text += f" {self.value!r}"
        if self.allowed:
            if (near := nearest(str(self.value), self.allowed)) is not None:
                text += f" (did you mean {near!r}?)"
            text += f"\n  allowed: {', '.join(self.allowed)}"
        if self.mend:
            text += f"\n  try: {self.mend}"
        return text


class UsageError(UserError):
    """Wrong words: a flag, a name or a key that does not exist."""

    exit_code = 2


class BadClip(Exception):
    """One clip that cannot be heard: missing, empty, corrupt, too short, or with samples that are not numbers."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` most like `name`, or None if none is close.

    >>> nearest("emotion_emobd", ["emotion_emodb", "cpqa"])
    'emotion_emodb'
    """
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)), None)
