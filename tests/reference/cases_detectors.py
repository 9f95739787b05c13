"""Detectors of outliers, by SciPy and pandas."""

import math

import pandas
import scipy.stats

from reference import Point, by_group, case

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def noisy(rng, count=400):
    """Three groups with noise around a level, at irregular times: a small level, a large one, and small ints that are
    often the same. One value of forty is far away, and some points lack the field."""
    points, time = [], START
    for number in range(count):
        time += rng.randrange(1, 20) * SECOND // 2
        host = rng.choice("abc")
        value = {"a": rng.gauss(50, 2), "b": rng.gauss(1e6, 10), "c": rng.choice([3, 3, 3, 4])}[host]
        if rng.random() < 0.025:
            value = value + rng.choice([-40, 40])
        fields = {"other": 1.0} if number % 50 == 49 else {"usage": value}
        points.append(Point("cpu", {"host": host}, fields, time))
    return points


def series(points, name="usage", tag="host"):
    """For each group: its points that have the field, and their values."""
    for group in by_group([point for point in points if point.number(name) is not None], tag):
        yield group, [point.number(name) for point in group]


def judged(point, score, threshold, **others):
    """The point as a detector passes it on; a score of None is none yet."""
    flag = score is not None and abs(score) > threshold
    return point.adding(score=None if score is None else float(score), anomaly=bool(flag), **others)


# --- zscore ----------------------------------------------------------------------------------------


def zmap(value, before):
    """The score by SciPy, and what the page of the plugin says where all values before are the same."""
    if min(before) == max(before):
        return 0.0 if value == before[0] else 1e9
    return abs(float(scipy.stats.zmap([value], before, ddof=1)[0]))


@case("zscore", "reference", noisy)
def zscore_of_points(points):
    for group, values in series(points):
        for number, point in enumerate(group):
            before = values[max(0, number - 20) : number]
            yield judged(point, zmap(values[number], before) if len(before) >= 10 else None, 3.0)


@case("zscore", "reference_period", noisy)
def zscore_of_a_time(points):
    for group, values in series(points):
        times = pandas.to_datetime([point.time for point in group])
        # Less than five minutes ago, and without the point itself.
        rolling = pandas.Series(values, index=times).rolling("300s", closed="neither", min_periods=5)
        for point, value, mean, deviation in zip(group, values, rolling.mean(), rolling.std()):
            if math.isnan(mean):
                score = None
            else:
                score = min(abs(value - mean) / max(deviation, 0.5), 1e9)
            yield judged(point, score, 2.5)


@case("zscore", "reference_alpha", noisy)
def zscore_with_falling_weights(points):
    for group, values in series(points):
        weighted = pandas.Series(values).ewm(alpha=0.1, adjust=False)
        before = zip(weighted.mean().shift(1), weighted.std(bias=True).shift(1))
        for number, (point, value, (mean, deviation)) in enumerate(zip(group, values, before)):
            yield judged(point, (value - mean) / deviation if number >= 20 else None, 3.0)


@case("zscore", "example", lambda rng: response_times(rng))
def zscore_of_response_times(points):
    for group, values in series(points, "response_time", "server"):
        for number, point in enumerate(group):
            before = values[max(0, number - 60) : number]
            yield judged(point, zmap(values[number], before) if len(before) >= 10 else None, 4.0)


def response_times(rng):
    """Two servers that Telegraf asks each ten seconds for fifty minutes. One of them slows down for a moment now and then; the
    other gets slower and slower, which is no outlier, but for one answer."""
    points = []
    for number in range(300):
        time = START + number * 10 * SECOND
        shop = 0.21 + 0.02 * math.sin(number / 60) + rng.gauss(0, 0.012)
        if number in (95, 211, 212, 270):
            shop += rng.uniform(0.15, 0.3)
        login = 0.09 + 0.0002 * number + rng.gauss(0, 0.008) + (0.12 if number == 260 else 0)
        for server, seconds in (("shop", shop), ("login", login)):
            fields = {"response_time": round(seconds, 4), "http_response_code": 200}
            points.append(Point("http_response", {"server": server}, fields, time))
    return points
