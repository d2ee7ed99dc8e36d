"""Statistics: pure functions on arrays, without a path, a clock or an unseeded generator.

influence, cluster_interval     the clustered t interval of any function of sums, alone, paired or clustered two ways
cluster_spread                  its standard error and degrees of freedom
cluster_bootstrap               the interval of a statistic without a formula, from thirty clusters on
rows_difference                 two systems on the same items, by any function of sums
sign_flip_p, t_p, holm          is a paired difference more than chance
smallest_difference             what a set of this size can show
"""

from __future__ import annotations

from cpbench.stats.clusters import (
    Spread,
    cluster_bootstrap,
    cluster_interval,
    cluster_spread,
    cluster_sums,
    influence,
)
from cpbench.stats.paired import (
    RowsDifference,
    SignFlip,
    holm,
    rows_difference,
    sign_flip_p,
    smallest_difference,
    t_p,
)
from cpbench.stats.tournament import Meeting, every_pair

__all__ = [
    "Meeting",
    "RowsDifference",
    "SignFlip",
    "Spread",
    "cluster_bootstrap",
    "cluster_interval",
    "cluster_spread",
    "cluster_sums",
    "every_pair",
    "holm",
    "influence",
    "rows_difference",
    "sign_flip_p",
    "smallest_difference",
    "t_p",
]
