"""Tests of whole batches, by NumPy, SciPy and scikit-learn."""

import numpy
import scipy.special
import scipy.stats
import sklearn.neighbors

from reference import Point, by_group, case

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
# The second of March 2026, 06:00 UTC.
BEGIN = 1_772_431_200 * SECOND


def windows(points, tag, period):
    """The batches of each group of an aligned window that is as long as its interval: a list of (tmax, points) for each
    group. The last window of a group is never complete, so it is left out, as Kapacitor does."""
    for group in by_group(points, tag):
        batches = {}
        for point in group:
            batches.setdefault(point.time // period, []).append(point)
        yield [(period * (number + 1), batches[number]) for number in sorted(batches)[:-1]]


def values(points, name):
    """The points that have a field, and its values."""
    points = [point for point in points if point.number(name) is not None]
    return points, numpy.array([point.number(name) for point in points])


def series(rng, measurement, tag, levels, field, step, count, spread=0.04, spikes=None, other=None):
    """Points of several groups in turn, around a level for each. `spikes` has values for a group and a number of a
    point; `other` makes further fields of a value."""
    points, walk = [], dict.fromkeys(levels, 0.0)
    for number in range(count):
        for name, level in levels.items():
            walk[name] = 0.9 * walk[name] + rng.gauss(0, spread * level * 0.4)
            value = level + walk[name] + rng.gauss(0, spread * level)
            value = (spikes or {}).get((name, number), value)
            fields = {field: round(value, 2)} | (other(value) if other else {})
            points.append(Point(measurement, {tag: name}, fields, BEGIN + number * step))
    return points


def irregular(rng, field, names, count, draw):
    """Points of several services in irregular intervals; ints now and then, and points without the field. No time is at
    the edge of a window."""
    points, time = [], BEGIN + 1
    for number in range(count):
        time += rng.randrange(1, 4000) * SECOND // 1000
        name = rng.choice(names)
        value = draw(rng, name, number)
        value = round(value) if number % 7 == 0 else value
        fields = {"other": 1.0} if number % 50 == 49 else {field: value}
        points.append(Point("requests", {"service": name}, fields, time))
    return points


# --- outliers --------------------------------------------------------------------------------------


def cpu_with_spikes(rng):
    spikes = {("web-1", 80): 78.4, ("web-1", 81): 74.9, ("db-1", 188): 91.2, ("web-1", 262): 2.1}
    return series(rng, "cpu", "host", {"web-1": 24.0, "db-1": 37.0}, "usage_user", 15 * SECOND, 320, spikes=spikes)


def heavy_tails(rng):
    def draw(rng, name, _):
        return {"a": 50.0, "b": 1e6, "c": 1e-6}[name] * (1 + 0.1 * rng.gauss(0, 1) / abs(rng.gauss(0, 1)))

    return irregular(rng, "latency", "abc", 900, draw)


def tukey(points, tag, period, field, scale):
    """Quartiles are the medians of the lower and the upper half, without the median where the number is odd."""
    for group in windows(points, tag, period):
        for _, batch in group:
            found, numbers = values(batch, field)
            half = len(numbers) // 2
            if half:
                ordered = numpy.sort(numbers)
                q1, q3 = numpy.median(ordered[:half]), numpy.median(ordered[len(ordered) - half :])
                margin = scale * (q3 - q1)
                for point, value in zip(found, numbers):
                    if value < q1 - margin or value > q3 + margin:
                        yield point


@case("outliers", "example", cpu_with_spikes)
def outliers_of_cpu(points):
    return tukey(points, "host", 10 * MINUTE, "usage_user", 3.0)


@case("outliers", "reference", heavy_tails)
def outliers_of_latency(points):
    return tukey(points, "service", 5 * MINUTE, "latency", 1.5)


# --- grubbs ----------------------------------------------------------------------------------------


def temperatures(rng):
    spikes = {("oven", 266): 187.31, ("cellar", 200): 9.86}
    levels = {"oven": 181.0, "cellar": 11.2, "hall": 20.4}
    return series(rng, "temperature", "sensor", levels, "celsius", 30 * SECOND, 330, 0.003, spikes)


def mostly_normal(rng):
    def draw(rng, name, number):
        level = {"a": 50.0, "b": 1e15, "c": -1e-15}[name]
        deviation = rng.gauss(0, 1) * (rng.choice([-9, 5]) if number % 40 == 3 else 1)
        return level + deviation * {"a": 7.0, "b": 64.0, "c": 1e-17}[name]

    return irregular(rng, "latency", "abc", 900, draw)


def critical_deviation(count, p):
    """Grubbs' critical value for a number of values."""
    t = scipy.stats.t.isf(p, count - 2)
    return (count - 1) / numpy.sqrt(count) * numpy.sqrt(t * t / (count - 2 + t * t))


def grubbs(points, tag, period, field, alpha, side, score="score"):
    for group in windows(points, tag, period):
        for _, batch in group:
            found, numbers = values(batch, field)
            if len(numbers) > 2:
                # NumPy's mean of numbers near 1e15 has an error that the standard deviation here does not hide.
                numbers = numbers - numbers[0]
                deviations = (numbers - numbers.mean()) / numbers.std(ddof=1)
                distances = abs(deviations) if side == "both" else -deviations
                furthest = distances.argmax()
                p = alpha / len(numbers) / (2 if side == "both" else 1)
                critical = critical_deviation(len(numbers), p)
                if distances[furthest] > critical:
                    results = {score: float(distances[furthest]), "critical": float(critical), "anomaly": True}
                    yield found[furthest].adding(**results)


@case("grubbs", "example", temperatures)
def grubbs_of_temperatures(points):
    return grubbs(points, "sensor", 30 * MINUTE, "celsius", 0.0001, "both")


@case("grubbs", "reference", mostly_normal)
def grubbs_of_latency(points):
    return grubbs(points, "service", MINUTE, "latency", 0.05, "both")


@case("grubbs", "reference_low", mostly_normal)
def grubbs_of_low_latency(points):
    return grubbs(points, "service", MINUTE, "latency", 0.01, "low", "G")
