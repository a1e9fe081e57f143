"""Honest uncertainty: intervals and paired comparisons in which questions of one cluster are not independent.

A cluster is an article or a conversation. Numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

RESAMPLES = 1000
CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, and how many questions and clusters it rests on."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    p: float | None = None
    """Of a difference: how likely chance alone is to make one as large."""


def mean(values: Sequence[float], clusters: Sequence[str], lowest: float = 0.0) -> Estimate:
    """Return the mean of values up to 1, with an interval that treats the clusters, not the values, as independent.

    Shares get the interval of Korn and Graubard (Survey Methodology 24, 1998), which is right also near 0 and 1: that
    of Clopper and Pearson for as many independent values as are worth the clustered ones. Other means get Student's t
    with clusters - 1 degrees of freedom. With fewer than two clusters there is no interval.
    """
    if not values:
        return Estimate(None, None, None, 0, 0)
    data = np.asarray(values, dtype=float)
    count, value = len(set(clusters)), float(data.mean())
    if count < 2:
        return Estimate(value, None, None, len(data), count)
    error = clustered_error(values, clusters)
    if set(values) <= {0.0, 1.0}:
        low, high = _share_interval(value, error, len(data), count)
    else:
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
        low, high = max(lowest, value - reach), min(1.0, value + reach)
    return Estimate(value, low, high, len(data), count)


def clustered_error(values: Sequence[float], clusters: Sequence[str]) -> float:
    """Return the standard error of the mean of values that are independent between clusters only.

    The sandwich estimator of Liang and Zeger (Biometrika 73, 1986) with the correction clusters / (clusters - 1). With
    each value in a cluster of its own it is the usual standard error.
    """
    data = np.asarray(values, dtype=float)
    _, position = np.unique(list(clusters), return_inverse=True)
    sums = np.bincount(position, weights=data - data.mean())
    count = len(sums)
    return float(math.sqrt(count / (count - 1) * (sums**2).sum()) / len(data))


def _share_interval(share: float, error: float, n: int, clusters: int) -> tuple[float, float]:
    # Where all values are equal they tell nothing of how alike the members of a cluster are: then each cluster is one.
    worth = share * (1 - share) / error**2 if error else float(clusters)
    if error:
        worth *= float(stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, clusters - 1)) ** 2
    worth = min(worth, float(n))
    hits, tail = share * worth, (1 - CONFIDENCE) / 2
    low = 0.0 if share == 0 else float(stats.beta.ppf(tail, hits, worth - hits + 1))
    high = 1.0 if share == 1 else float(stats.beta.ppf(1 - tail, hits + 1, worth - hits))
    return low, high


def of_clusters(
    statistic: Callable[[list[int]], float | None], clusters: Sequence[str], seed: int, *, interval: bool = True
) -> Estimate:
    """Return a statistic of positions in the data, with a percentile interval from resampling whole clusters.

    A resample for which the statistic does not exist is left out; where that is most of them there is no interval.
    """
    names, position = np.unique(list(clusters), return_inverse=True)
    value = statistic(list(range(len(clusters)))) if len(clusters) else None
    alone = Estimate(value, None, None, len(clusters), len(names))
    if value is None or len(names) < 2 or not interval:
        return alone
    members = [np.flatnonzero(position == number) for number in range(len(names))]
    draws = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    resampled = [statistic(np.concatenate([members[number] for number in drawn]).tolist()) for drawn in draws]
    found = [one for one in resampled if one is not None]
    if 2 * len(found) < RESAMPLES:
        return alone
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return replace(alone, low=float(low), high=float(high))


def paired(differences: Sequence[float], clusters: Sequence[str], seed: int) -> Estimate:
    """Return the mean of differences on the same questions, later minus earlier.

    Its interval is that of a cluster bootstrap, its p value that of a test that flips whole clusters. With fewer than
    two clusters there is neither.
    """
    data = np.asarray(differences, dtype=float)
    found = of_clusters(lambda places: float(data[places].mean()), clusters, seed)
    if found.clusters < 2:
        return found
    _, position = np.unique(list(clusters), return_inverse=True)
    test = stats.permutation_test(
        (np.bincount(position, weights=data),),
        lambda flipped, axis: flipped.sum(axis=axis) / len(data),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        batch=100,
        rng=np.random.default_rng(seed),
    )
    return replace(found, p=float(test.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for having looked at all of them.

    Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p_values)
    raised = np.sort(p_values) * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return list(map(float, adjusted))


def smallest_difference(values: Sequence[float], clusters: Sequence[str], flips: float) -> float | None:
    """Return the difference in a share that a paired comparison on these questions finds four times out of five.

    `flips` is the share of questions that change from one run to the other; a larger difference means that more do.
    Clustered questions are worth fewer independent ones, by the ratio of the two standard errors of the values.
    """
    if len(set(clusters)) < 2:
        return None
    naive = float(stats.sem(values))
    inflation = max(1.0, clustered_error(values, clusters) / naive) if naive else 1.0
    # So many standard errors must a difference have, to be found with this power at this level, two-sided.
    errors = float(stats.norm.ppf((1 + CONFIDENCE) / 2) + stats.norm.ppf(POWER))
    square = (errors * inflation) ** 2 / len(values)
    return min(1.0, max(math.sqrt(square * flips), square if square > flips else 0.0))
