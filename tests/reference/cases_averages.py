"""Moving averages, by pandas."""

import pandas

from reference import Point, by_group, case

SECOND = 1_000_000_000


def walk(rng):
    """Two hosts with a random walk, ints now and then, in irregular intervals; some points lack the field."""
    points, time, levels = [], 1_700_000_000 * SECOND, {"a": 50.0, "b": 1e6}
    for number in range(400):
        time += rng.randrange(1, 20) * SECOND // 2
        host = rng.choice("ab")
        levels[host] += rng.gauss(0, 1)
        value = round(levels[host]) if number % 7 == 0 else levels[host]
        fields = {"other": 1.0} if number % 50 == 49 else {"usage": value}
        points.append(Point("cpu", {"host": host}, fields, time))
    return points


@case("moving_avg", "reference", walk)
def mean_of_points(points):
    for group in by_group([point for point in points if "usage" in point.fields], "host"):
        values = pandas.Series([point.number("usage") for point in group])
        for point, mean in zip(group, values.rolling(20, min_periods=1).mean()):
            yield point.adding(mean=float(mean))
