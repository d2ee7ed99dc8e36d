"""Chats whose contents are lists of blocks, as chat templates and axolotl take them: read only; `axolotl` writes them.

{"messages": [{"role": "user", "content": [{"type": "audio", "path": "a.wav"}, {"type": "text", "text": "Who?"}]},
              {"role": "assistant", "content": [{"type": "text", "text": "A man."}]}]}
"""

from __future__ import annotations

from cpbench.formats._turns import read_turns as read

__all__ = ["read"]
