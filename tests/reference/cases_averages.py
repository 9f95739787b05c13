"""Averages, medians, aggregates, derivatives and rates, by pandas and NumPy; by fractions where these round."""

import math
from fractions import Fraction

import numpy
import pandas

from reference import Point, by_group, case

SECOND = 1_000_000_000
START = 1_772_431_200 * SECOND


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


def two_walks(rng):
    """Three hosts with two fields: one is large on host b and small on host c, and the other is often absent. Ints now
    and then, irregular intervals, equal times, and points without any of the fields."""
    points, time = [], 1_700_000_000 * SECOND
    levels, noises = {"a": 50.0, "b": 1e15, "c": 1e-15}, {"a": 5.0, "b": 5.0, "c": 1e-15}
    for number in range(450):
        time += rng.choice([0, 1, 2, 3, 5, 8, 13, 40]) * SECOND // 2 + rng.randrange(3)
        host = rng.choice("abc")
        value = levels[host] + rng.gauss(0, noises[host])
        fields = {"x": round(value) if number % 7 == 0 else value}
        if number % 3:
            fields["y"] = rng.expovariate(1.0)
        if number % 50 == 49:
            fields = {"text": "none"}
        points.append(Point("m", {"host": host}, fields, time))
    return points


def few_walks(rng):
    """The same, but fewer points."""
    return two_walks(rng)[:200]


def fields_of(points, tag, names):
    """For each group: the points that have one of the fields, and of each field the places and a series."""
    for group in by_group([point for point in points if any(name in point.fields for name in names)], tag):
        series = {}
        for name in names:
            places = [place for place, point in enumerate(group) if name in point.fields]
            times = pandas.to_datetime([group[place].time for place in places])
            series[name] = places, pandas.Series([group[place].number(name) for place in places], times)
        yield group, series


def adding(points, tag, names, result, function):
    """The points with what `function` makes of the series of each field, `FIELD_result` if there are several."""
    for group, series in fields_of(points, tag, names):
        added = [{} for _ in group]
        for name, (places, values) in series.items():
            for place, value in zip(places, function(values)):
                added[place][result if len(names) == 1 else f"{name}_{result}"] = float(value)
        for point, fields in zip(group, added):
            yield point.adding_all(fields)


# --- moving_avg, ema, moving_median ------------------------------------------------------------------


@case("moving_avg", "reference", walk)
def mean_of_points(points):
    yield from adding(points, "host", ["usage"], "mean", lambda values: values.rolling(20, min_periods=1).mean())


def exact_means(values, period):
    """The means of the numbers of the last time, which pandas rounds where numbers are large."""
    times = values.index.as_unit("ns").astype("int64")
    for end, time in enumerate(times):
        window = [Fraction(value) for at, value in zip(times[: end + 1], values.iloc[: end + 1]) if time - at < period]
        yield sum(window) / len(window)


@case("moving_avg", "reference_period", two_walks)
def mean_of_time(points):
    def means(values):
        exact = [float(mean) for mean in exact_means(values, 120 * SECOND)]
        rolling = values.rolling("120s").mean()
        assert numpy.allclose(exact, rolling, rtol=1e-9, atol=0.0 if max(exact) > 1e-6 else 1e-20)
        return exact

    yield from adding(points, "host", ["x", "y"], "avg", means)


@case("ema", "reference", two_walks)
def ema_of_points(points):
    yield from adding(points, "host", ["x", "y"], "ema", lambda values: values.ewm(span=9, adjust=False).mean())


def ema_of_times(values, half_life):
    """The averages by times. Pandas makes doubles of them, which are exact if they begin with 0."""
    nanoseconds = values.index.as_unit("ns").astype("int64")
    times = pandas.to_datetime(nanoseconds - nanoseconds[0])
    return values.ewm(halflife=half_life, times=times, adjust=False).mean()


@case("ema", "reference_half_life", two_walks)
def ema_of_irregular_times(points):
    yield from adding(points, "host", ["x"], "mean", lambda values: ema_of_times(values, "20s"))


@case("moving_median", "reference", two_walks)
def median_of_points(points):
    yield from adding(points, "host", ["x", "y"], "median", lambda values: values.rolling(15, min_periods=1).median())


@case("moving_median", "reference_quantile", two_walks)
def quantile_of_time(points):
    yield from adding(points, "host", ["x"], "p90", lambda values: values.rolling("90s").quantile(0.9))


# --- aggregate, aggregate_batch ------------------------------------------------------------------------


def influxql_percentile(values, percent):
    """PERCENTILE() of InfluxDB 1: one of the numbers, or none."""
    rank = math.floor(len(values) * percent / 100 + 0.5)
    return sorted(values)[rank - 1] if rank else None


def aggregates(values, functions, percentile=numpy.percentile):
    """The functions of some numbers, by NumPy; sums and deviations are exact before they are rounded."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact) if exact else None
    results = {}
    for name in functions:
        if name == "count":
            results[name] = len(values)
        elif name == "sum":
            results[name] = float(sum(exact))
        elif name == "mean":
            results[name] = float(mean)
        elif name == "stddev" and len(values) > 1:
            variance = sum((value - mean) ** 2 for value in exact) / (len(exact) - 1)
            results[name] = math.sqrt(variance)
            shifted = [float(value - exact[0]) for value in exact]
            assert math.isclose(results[name], numpy.std(shifted, ddof=1), rel_tol=1e-9, abs_tol=1e-300)
        elif name in ("min", "max", "median"):
            results[name] = float(getattr(numpy, name)(values))
        elif name == "spread":
            results[name] = float(numpy.ptp(values))
        elif name.startswith("p"):
            value = percentile(values, float(name[1:]))
            results[name] = None if value is None else float(value)
    return results


ALL = ["count", "sum", "mean", "stddev", "min", "max", "spread", "median", "p90", "p99.9"]


def adding_aggregates(points, names, windows, functions, percentile=numpy.percentile):
    """The points with the functions of the windows that `windows` makes of the series of each field."""
    for group, series in fields_of(points, "host", names):
        added = [{} for _ in group]
        for name, (places, values) in series.items():
            for place, window in zip(places, windows(values)):
                for function, value in aggregates(window.to_numpy(), functions, percentile).items():
                    added[place][function if len(names) == 1 else f"{name}_{function}"] = value
        for point, fields in zip(group, added):
            yield point.adding_all(fields)


@case("aggregate", "reference", few_walks)
def aggregates_of_points(points):
    yield from adding_aggregates(points, ["x", "y"], lambda values: values.rolling(12), ALL)


@case("aggregate", "reference_period", two_walks)
def aggregates_of_time(points):
    functions = ["count", "p50", "p90", "p2"]
    yield from adding_aggregates(points, ["x"], lambda values: values.rolling("60s"), functions, influxql_percentile)


def late_walks(rng):
    """Fewer points, some of which are late; the clock of host b is an hour ahead for some time."""
    points = []
    for number, point in enumerate(few_walks(rng)):
        late = rng.choice([5, 20, 50, 70, 300]) * SECOND if rng.random() < 0.25 else 0
        ahead = 3600 * SECOND if point.tags["host"] == "b" and 60 <= number < 90 else 0
        points.append(Point(point.measurement, point.tags, point.fields, point.time - late + ahead))
    return points


def windows_of_time(times, values, period):
    """The window of each number, by the rules of plugins/README.md; None for one that is too late."""
    window, newest, late = [], None, 0
    for time, value in zip(times, values):
        if newest is not None and newest - time >= period:
            late += 1
            if late < 8:
                yield None
                continue
            window, newest = [], time
        late, newest = 0, time if newest is None else max(time, newest)
        window = [(at, other) for at, other in window + [(newest, value)] if newest - at < period]
        yield numpy.array([other for _, other in window])


@case("aggregate", "reference_late", late_walks)
def aggregates_with_late_points(points):
    for group, series in fields_of(points, "host", ["x"]):
        places, values = series["x"]
        windows = windows_of_time([group[place].time for place in places], values, 60 * SECOND)
        for place, window in zip(places, windows):
            functions = ["count", "mean", "stddev", "max", "median"]
            yield group[place].adding_all({} if window is None else aggregates(window, functions))


def batches(points, length):
    """The points of each aligned window of a group, with the time at which it ends. The last window of a group has no
    point after it that would end it."""
    for group in by_group(points, "host"):
        windows = {}
        for point in group:
            windows.setdefault((point.time // length + 1) * length, []).append(point)
        yield from list(windows.items())[:-1]


def aggregated(points, length, names, functions, percentile=numpy.percentile):
    """A point for each window."""
    for end, batch in batches(points, length):
        results = {}
        for name in names:
            values = [point.number(name) for point in batch if point.number(name) is not None]
            for function, value in aggregates(values, functions, percentile).items():
                results[function if len(names) == 1 else f"{name}_{function}"] = value
        yield Point(batch[0].measurement, {"host": batch[0].tags["host"]}, {}, end).adding_all(results)


@case("aggregate_batch", "reference", two_walks)
def aggregates_of_batches(points):
    yield from aggregated(points, 120 * SECOND, ["x", "y"], ALL)


@case("aggregate_batch", "reference_influxql", two_walks)
def influxql_of_batches(points):
    functions = ["p50", "p99", "count"]
    yield from aggregated(points, 120 * SECOND, ["x"], functions, influxql_percentile)


# --- derivative, rate ------------------------------------------------------------------------------------


def counters(rng):
    """Two hosts with counters beyond 2^53 that begin anew now and then, 32-bit counters that wrap around, and a double.
    Irregular intervals, equal times, late points, and points without a counter."""
    points, time = [], 1_700_000_000 * SECOND
    counts = {"a": [0, 4_294_000_000, 0.0], "b": [(1 << 62) + 1, 12_345, 100.0]}
    for number in range(400):
        time += rng.choice([0, 1, 2, 5, 10]) * SECOND // 2 + rng.randrange(3)
        host = rng.choice("ab")
        count = counts[host]
        count[0] = rng.randrange(100) if rng.random() < 0.04 else count[0] + rng.randrange(1 << rng.randrange(1, 50))
        count[1] = rng.randrange(100) if rng.random() < 0.02 else (count[1] + rng.randrange(1 << 29)) % (1 << 32)
        count[2] += rng.expovariate(0.1)
        fields = {"bytes": count[0], "packets": count[1]}
        if number % 3 == 0:
            fields["seconds"] = count[2]
        if number % 40 == 39:
            fields = {"text": "none"}
        late = 4 * SECOND if number % 25 == 24 else 0
        points.append(Point("net", {"host": host}, fields, time - late))
    return points


def stepping(points, names, result, change):
    """The points with what `change` makes of each number and the one before, which is the last that was later than all
    before it."""
    for group in by_group([point for point in points if any(name in point.fields for name in names)], "host"):
        newest = {}
        for point in group:
            added = {}
            for name in (name for name in names if name in point.fields):
                value, before = Fraction(point.fields[name]), newest.get(name)
                if before is None or point.time > before[0]:
                    newest[name] = point.time, value
                    if before is not None:
                        per_second = change(before[1], value) / Fraction(point.time - before[0], SECOND)
                        added[result if len(names) == 1 else f"{name}_{result}"] = per_second
            yield point.adding_all({name: None if value is None else float(value) for name, value in added.items()})


@case("derivative", "reference", counters)
def derivative_of_fields(points):
    names = ["bytes", "packets", "seconds"]
    yield from stepping(points, names, "derivative", lambda before, value: value - before)


@case("derivative", "reference_non_negative", counters)
def derivative_of_rises(points):
    """As InfluxDB defines NON_NEGATIVE_DERIVATIVE(bytes, 1m)."""
    for point in stepping(points, ["bytes"], "change", lambda before, value: 60 * (value - before)):
        if point.fields.get("change", 0.0) < 0.0:
            del point.fields["change"]
        yield point


def rise(before, value, size=None):
    """By how much a counter has risen: it begins anew with 0 where it falls, or it wraps around at its size."""
    if value >= before:
        return value - before
    wrapped = size - before + value if size else None
    return wrapped if size and 0 <= 2 * wrapped <= size else value


@case("rate", "reference", counters)
def rate_of_counters(points):
    yield from stepping(points, ["bytes", "seconds"], "rate", rise)


@case("rate", "reference_max", counters)
def rate_of_32_bits(points):
    yield from stepping(points, ["packets"], "per_minute", lambda before, value: 60 * rise(before, value, 1 << 32))


# --- examples ---------------------------------------------------------------------------------------------


def wave(time, hours, amplitude):
    """A wave, such as that of day and night."""
    return amplitude * math.sin(2 * math.pi * (time - START) / (hours * 3600 * SECOND))


def noisy_cpu(rng):
    """Two servers every 20 s. A job keeps one of them busy for a quarter of an hour; single points are as high at any
    time."""
    points = []
    for number in range(270):
        time = START + number * 20 * SECOND
        for host, level in (("web-1", 35.0), ("web-2", 45.0)):
            usage = level + wave(time, 1.0, 8.0) + rng.gauss(0, 7)
            if host == "web-2" and 150 <= number < 195:
                usage += 45
            elif rng.random() < 0.04:
                usage += rng.uniform(30, 50)
            points.append(Point("cpu", {"host": host}, {"usage_user": round(min(max(usage, 0.0), 100.0), 1)}, time))
    return points


@case("moving_avg", "example", noisy_cpu)
def mean_of_noisy_cpu(points):
    yield from adding(points, "host", ["usage_user"], "mean", lambda values: values.rolling("300s").mean())


def requests(rng):
    """Response times of two services in irregular intervals. A deployment makes one of them slower."""
    points, time = [], START
    for number in range(550):
        time += int(rng.uniform(1, 23) * SECOND)
        service = "search" if number % 2 else "cart"
        level = 60.0 if service == "search" else 45.0
        if service == "cart" and time > START + 4000 * SECOND:
            level = 80.0
        took = rng.lognormvariate(0, 0.5) * level
        points.append(Point("http", {"service": service}, {"duration_ms": round(took, 1)}, time))
    return points


@case("ema", "example", requests)
def ema_of_requests(points):
    yield from adding(points, "service", ["duration_ms"], "ema", lambda values: ema_of_times(values, "300s"))


def pings(rng):
    """Round trips to two sites. Single packets are late; then a line to one of them takes another way."""
    points = []
    for number in range(280):
        time = START + number * 30 * SECOND
        for url, level in (("berlin", 12.0), ("tokyo", 230.0)):
            if url == "tokyo" and number >= 170:
                level = 290.0
            took = level + rng.gammavariate(2.0, level / 50)
            if rng.random() < 0.06:
                took += rng.uniform(0.5, 3) * level
            points.append(Point("ping", {"url": url}, {"average_response_ms": round(took, 2)}, time))
    return points


@case("moving_median", "example", pings)
def median_of_pings(points):
    yield from adding(
        points, "url", ["average_response_ms"], "median", lambda values: values.rolling(15, min_periods=1).median()
    )


def slow_requests(rng):
    """Response times of two servers. From the middle on, every tenth request of one of them waits for a lock."""
    points, time = [], START
    for number in range(600):
        time += int(rng.uniform(1, 17) * SECOND)
        host = "web-2" if number % 2 else "web-1"
        took = rng.lognormvariate(0, 0.3) * 40.0
        if host == "web-2" and time > START + 3000 * SECOND and rng.random() < 0.1:
            took += rng.uniform(400, 900)
        points.append(Point("http", {"host": host}, {"duration_ms": round(took, 1)}, time))
    return points


@case("aggregate", "example", slow_requests)
def aggregates_of_requests(points):
    functions = ["count", "median", "p95"]
    yield from adding_aggregates(points, ["duration_ms"], lambda values: values.rolling("600s"), functions)


@case("aggregate_batch", "example", slow_requests)
def aggregates_of_batches_of_requests(points):
    yield from aggregated(points, 300 * SECOND, ["duration_ms"], ["count", "median", "p95", "max"])


def filling_disks(rng):
    """Two disks every minute. A process begins to log errors and fills one of them."""
    points, used = [], {"db-1": 412_000_000_000, "web-1": 61_000_000_000}
    for number in range(300):
        for host in used:
            speed = 900_000 if host == "db-1" else 250_000
            if host == "web-1" and number >= 180:
                speed = 40_000_000
            used[host] += int(rng.gammavariate(20.0, speed / 20.0)) * 60
            time = START + number * 60 * SECOND
            points.append(Point("disk", {"host": host}, {"used": used[host]}, time))
    return points


@case("derivative", "example", filling_disks)
def growth_of_disks(points):
    yield from stepping(points, ["used"], "bytes_per_hour", lambda before, value: 3600 * (value - before))


def traffic(rng):
    """Two interfaces with 32-bit counters every 30 s. One wraps around every few minutes, and one starts again."""
    points, received = [], {"router-1": 3_000_000_000, "router-2": 700_000_000}
    for number in range(290):
        for host in received:
            time = START + number * 30 * SECOND
            speed = (9e6 if host == "router-1" else 2e6) * (1 + wave(time, 1.5, 0.4) + rng.uniform(-0.1, 0.1))
            received[host] = (received[host] + int(speed * 30)) % (1 << 32)
            if host == "router-2" and number == 150:
                received[host] = 1_500_000
            points.append(Point("net", {"host": host}, {"bytes_recv": received[host]}, time))
    return points


@case("rate", "example", traffic)
def rate_of_traffic(points):
    yield from stepping(points, ["bytes_recv"], "bytes_per_second", lambda before, value: rise(before, value, 1 << 32))
