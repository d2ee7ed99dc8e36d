"""Statistics: pure functions on arrays, without a path, a clock or an unseeded generator.

influence, cluster_interval     the clustered t interval of any function of sums, alone, paired or clustered two ways
cluster_bootstrap               the interval of a statistic without a formula, from thirty clusters on
smallest_difference             what a set of this size can show
"""

from __future__ import annotations

from cpbench.stats.clusters import (
    cluster_bootstrap,
    cluster_interval,
    cluster_sums,
    influence,
    smallest_difference,
)

__all__ = ["cluster_bootstrap", "cluster_interval", "cluster_sums", "influence", "smallest_difference"]
