"""Systems against each other, and one system against itself under other conditions, always on the same items.

pair, difference, differences, corrected    two columns of outcomes, paired (pairs)
"""

from __future__ import annotations

from cpbench.comparison.pairs import About, NoDifference, Paired, corrected, difference, differences, measured, pair

__all__ = ["About", "NoDifference", "Paired", "corrected", "difference", "differences", "measured", "pair"]
