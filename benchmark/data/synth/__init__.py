"""The synthetic corpus: speech made by espeak-ng, and questions of all seven types about it.

    python -m cpbench.data.synth --out DIR --part demo

It exercises the machinery where nothing can be downloaded. It is synthetic, is called so everywhere, and is never
comparable with a set of human speech.
"""

from cpbench.data.synth.corpus import Take, build, take
from cpbench.data.synth.scripts import Script, Sizes, scripts

__all__ = ["Script", "Sizes", "Take", "build", "scripts", "take"]
