"""How the calls of a piece of work are paid for: one by one or in batches, up to which limit, or only counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cpbench.chat import Chat
from cpbench.chat.batch import BatchChat
from cpbench.chat.prices import Budget, DryRun, Prices, Spent, Tally
from cpbench.fingerprint import digest


@dataclass(frozen=True)
class Paying:
    """How calls are paid for, and how far: by a judge, or by whoever writes questions."""

    prices: Prices | None = None
    batch: bool = False
    max_calls: int | None = None
    max_cost: float | None = None
    poll: float = 60.0  # seconds between two looks at a batch

    def wrap(self, folder: Path, say: Callable[[str], None]) -> Callable[[Chat], Chat]:
        """What is put around each member's chat; all members of a jury share one limit. `folder` keeps the batches."""
        spent, number = Spent(), count(1)

        def wrapped(chat: Chat) -> Chat:
            if self.prices is not None:
                self.prices.of(chat.name)  # a model without a price is told before anything is spent
            if self.batch:  # members of one name (other parameters) keep their batches apart, by their place
                chat = BatchChat(chat, folder / f"{next(number)}-{digest(chat.name)[:12]}", poll=self.poll, say=say)
            if self.max_calls is None and self.max_cost is None:
                return chat
            return Budget(chat, self.max_calls, self.max_cost, self.prices, spent)

        return wrapped

    def counting(self, tally: Tally) -> Callable[[Chat], Chat]:
        """Chats that send nothing and count what they would."""
        return lambda chat: DryRun(chat, self.prices, self.batch, tally)
