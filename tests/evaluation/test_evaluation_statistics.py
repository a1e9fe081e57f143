"""Intervals and paired comparisons: known values, and what must hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assistant.evaluation.scoring import sample_size, statistics

shares = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60)
numbers = st.lists(st.floats(0, 1), min_size=2, max_size=60)


def each(values: object) -> list[str]:
    """Return a cluster of its own for each value."""
    return [str(number) for number in range(len(values))]  # type: ignore[arg-type]


def test_a_share_of_independent_questions_has_the_exact_interval() -> None:
    """Each question a cluster of its own: the interval is that of Clopper and Pearson."""
    found = statistics.mean([1.0] * 45 + [0.0] * 5, each(range(50)))
    exact = stats.binomtest(45, 50).proportion_ci(method="exact")
    assert (found.value, found.n, found.clusters) == (0.9, 50, 50)
    assert found.low == pytest.approx(exact.low, abs=0.006)
    assert found.high == pytest.approx(exact.high, abs=0.006)


def test_a_mean_of_independent_scores_has_students_interval() -> None:
    """Each question a cluster of its own: the interval is Student's t."""
    values = [0.1, 0.4, 0.35, 0.8, 0.55]
    found = statistics.mean(values, each(values))
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found.low == pytest.approx(max(0.0, low))
    assert found.high == pytest.approx(high)


@given(numbers)
def test_independent_values_have_the_usual_error(values: list[float]) -> None:
    """The clustered error is the standard error where no two values share a cluster."""
    assert statistics.clustered_error(values, each(values)) == pytest.approx(stats.sem(values), abs=1e-9)


@given(numbers)
def test_asking_twice_tells_nothing_new(values: list[float]) -> None:
    """Copies of a question within its cluster leave the error as it is; as questions of their own they shrink it."""
    clusters = each(values)
    once = statistics.clustered_error(values, clusters)
    assert statistics.clustered_error(values * 2, clusters * 2) == pytest.approx(once, abs=1e-9)
    assert statistics.clustered_error(values * 2, each(values * 2)) <= once + 1e-9


@given(shares, st.integers(1, 8))
def test_an_interval_holds_its_value_and_stays_in_range(values: list[float], size: int) -> None:
    """Whatever the clusters, the share lies in its interval, which lies between 0 and 1 and is never a point."""
    found = statistics.mean(values, [str(number // size) for number in range(len(values))])
    if found.clusters < 2:
        assert (found.low, found.high) == (None, None)
    else:
        assert 0 <= found.low <= found.value <= found.high <= 1  # type: ignore[operator]
        assert found.low < found.high  # type: ignore[operator]


def test_nothing_is_said_without_data_or_clusters() -> None:
    """No value has no mean, and one cluster has no interval."""
    assert statistics.mean([], []) == statistics.Estimate(None, None, None, 0, 0)
    assert statistics.mean([1.0, 0.0], ["a", "a"]) == statistics.Estimate(0.5, None, None, 2, 1)
    assert statistics.paired([0.5, 0.1], ["a", "a"], 0).p is None
    assert statistics.smallest_difference([1.0, 0.0], ["a", "a"], 0.2) is None
    assert statistics.of_clusters(lambda places: 1.0, [], 0) == statistics.Estimate(None, None, None, 0, 0)


def test_perfect_clusters_count_as_their_number() -> None:
    """Fifty right answers of five conversations are no surer than five right answers."""
    clustered = statistics.mean([1.0] * 50, [str(number % 5) for number in range(50)])
    assert clustered.high == 1.0
    assert clustered.low == pytest.approx(stats.binomtest(5, 5).proportion_ci(method="exact").low)


def test_a_resampled_interval_depends_on_the_seed_alone() -> None:
    """The median of clustered times has the same interval every time, and one that holds it."""
    times = [float(number % 17) for number in range(60)]
    clusters = [str(number % 12) for number in range(60)]

    def median(places: object) -> float:
        return float(np.median([times[place] for place in places]))  # type: ignore[attr-defined]

    found = statistics.of_clusters(median, clusters, 3)
    assert found == statistics.of_clusters(median, clusters, 3)
    assert found.low <= found.value <= found.high  # type: ignore[operator]


def test_a_statistic_that_mostly_does_not_exist_has_no_interval() -> None:
    """Where most resamples have no value an interval would be of the lucky ones."""
    found = statistics.of_clusters(lambda places: 1.0 if len(set(places)) > 3 else None, ["a", "b", "c", "d"], 0)
    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_a_clear_difference_is_told_from_none() -> None:
    """Ten clusters that all got better cannot be chance; ten that went either way can."""
    better = statistics.paired([0.5] * 10, each(range(10)), 0)
    assert (better.value, better.low, better.high) == (0.5, 0.5, 0.5)
    assert better.p == pytest.approx(2 / 2**10)
    neither = statistics.paired([0.5, -0.5] * 5, each(range(10)), 0)
    assert neither.value == 0.0
    assert neither.p == pytest.approx(1.0)
    assert statistics.paired([0.0] * 4, each(range(4)), 0).p == 1.0


def test_what_turned_together_is_flipped_together() -> None:
    """Five questions of one conversation that got better are one piece of luck and not five."""
    alone = statistics.paired([1.0] * 5 + [0.0] * 3, each(range(8)), 0)
    together = statistics.paired([1.0] * 5 + [0.0] * 3, ["a"] * 5 + ["b", "c", "d"], 0)
    assert alone.p < 0.1 < together.p  # type: ignore[operator]


def test_holm_by_hand() -> None:
    """The smallest p value is multiplied by their number, the next by one less, and the order is kept."""
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_makes_a_difference_surer(p_values: list[float]) -> None:
    """Adjusted values are no smaller than the raw ones, and keep their order."""
    adjusted = statistics.holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ordered = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in ordered] == sorted(adjusted)


def test_the_smallest_difference_shrinks_with_the_questions() -> None:
    """Four times as many questions see half the difference; clustered ones see less."""
    hundred = [1.0, 0.0] * 50
    small = statistics.smallest_difference(hundred, each(hundred), 0.2)
    large = statistics.smallest_difference(hundred * 4, each(hundred * 4), 0.2)
    assert small == pytest.approx(2.8016 * math.sqrt(0.2 / 100), abs=1e-3)
    assert large == pytest.approx(small / 2)  # type: ignore[operator]
    clustered = statistics.smallest_difference([1.0] * 50 + [0.0] * 50, [str(n // 10) for n in range(100)], 0.2)
    assert clustered > small  # type: ignore[operator]


def test_the_sample_size_is_said_first() -> None:
    """So many questions as are said to be needed find the difference, one fewer does not, and both are named."""
    for difference in (0.03, 0.05, 0.1, 0.3):
        needed = sample_size.questions_needed(difference)
        values = [float(number % 2) for number in range(needed)]
        found = statistics.smallest_difference(values, each(values), sample_size.FLIPS)
        fewer = statistics.smallest_difference(values[1:], each(values[1:]), sample_size.FLIPS)
        assert found is not None
        assert fewer is not None
        assert found <= difference + 1e-9 < fewer + 1e-6
    assert "225 questions" in sample_size.before_run(225)
    assert "differ by 9 points" in sample_size.before_run(225)
    assert "5 points take 628 questions" in sample_size.before_run(225)
    assert "60 graded answers tell the share of content readers to within 13 points" in sample_size.before_review(60)
    assert sample_size.grades_needed(0.05) == 385
