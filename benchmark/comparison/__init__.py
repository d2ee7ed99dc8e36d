"""Systems against each other, and one system against itself under other conditions, always on the same items.

pair, difference, differences, corrected    two columns of outcomes, paired (pairs)
compare                                     every pair of runs (compare, and what it is made of: systems, standings,
                                            right, layout, plot, page)
listening                                   does the model listen? (listening, and what it is made of: sheets, gaps,
                                            verdicts, answers, follow, sentences)
"""

from __future__ import annotations

from cpbench.comparison.compare import Choice, Comparison, compare
from cpbench.comparison.listening import Listening, listening
from cpbench.comparison.pairs import About, NoDifference, Paired, corrected, difference, differences, measured, pair
from cpbench.comparison.sheets import Judged

__all__ = [
    "About",
    "Choice",
    "Comparison",
    "Judged",
    "Listening",
    "NoDifference",
    "Paired",
    "compare",
    "corrected",
    "difference",
    "differences",
    "listening",
    "measured",
    "pair",
]
