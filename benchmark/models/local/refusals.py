"""Why a checkpoint has no processor that a Speech-LLM needs, as one message that says what mends it."""

from __future__ import annotations

import re
from typing import Any

from cpbench.errors import UserError
from cpbench.flow.refusals import UNREACHABLE, causes, package_of, refusal


def refused_processor(path: str, config: Any, error: BaseException | None) -> UserError:
    """Why a checkpoint has no processor that takes audio and text."""
    if isinstance(error, ImportError):
        package = package_of(error)
        mend = f"pip install {package}, of the version of your torch" if package.startswith("torch") else None
        return UserError(f"the processor of {path} needs a package that is not installed: {package}", mend=mend)
    if error is not None and {type(cause).__name__ for cause in causes(error)} & UNREACHABLE:
        return refusal(path, error)
    if not hears(config):
        return UserError(
            f"{path} ({config.model_type}) takes no audio: it is no Speech-LLM",
            mend="--model cascade -M asr=SPEC -M llm=SPEC, to put speech recognition before it",
        )
    return UserError(
        f"{path} comes without its processor, the part that turns audio and text into the model's inputs",
        mend="processor.save_pretrained(FOLDER), with the processor of the model it was made from",
    )


def hears(config: Any) -> bool:
    """Whether a config describes an audio encoder anywhere."""
    return any(re.search("audio|speech|encoder_config|sound", name) for name in config.to_dict())
