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


# --- esd -------------------------------------------------------------------------------------------

HOUR = 60 * MINUTE
DAY = 24 * HOUR


def requests(rng):
    """Two sites with a day and a night; a fall at noon, and a night with as much as an evening."""
    points = []
    for number in range(10 * 48):
        hour = number % 48 / 2
        for site, level in {"shop": 4000.0, "blog": 700.0}.items():
            value = level * (0.55 - 0.45 * numpy.cos((hour - 3) / 12 * numpy.pi)) * (1 + rng.gauss(0, 0.03))
            if site == "shop" and number in (8 * 48 + 25, 8 * 48 + 26):
                value /= 3
            if site == "blog" and number in (7 * 48 + 6, 7 * 48 + 7, 7 * 48 + 8):
                value = 0.7 * level
            time = BEGIN - 6 * HOUR + number * 30 * MINUTE
            points.append(Point("http", {"site": site}, {"requests": round(value)}, time))
    return points


def seasonal_load(rng):
    """Three services with a period of an hour on a level that drifts, in irregular intervals."""
    points, time = [], BEGIN - 6 * HOUR + 1
    scales = {"a": 1.0, "b": 1e9, "c": 1e-9}
    for number in range(940):
        time += rng.randrange(1, 170) * SECOND
        name = rng.choice("abc")
        value = 9 + 5 * numpy.sin(time / HOUR * 2 * numpy.pi) + (time - BEGIN) / (4 * HOUR) + rng.gauss(0, 0.6)
        value = float(value + rng.choice([-7, 6, 9]) * (number % 31 == 3)) * scales[name]
        value = round(value) if name == "b" and number % 3 == 0 else value
        fields = {"other": 1.0} if number % 50 == 49 else {"load": value}
        points.append(Point("requests", {"service": name}, fields, time))
    return points


def extreme(numbers, most, alpha, hybrid):
    """The generalized ESD test, as it is defined: places, scores and critical values of the outliers. Numbers should
    have no large common part."""
    left, steps, found = list(range(len(numbers))), [], 0
    for _ in range(most):
        now = numbers[left]
        center = numpy.median(now) if hybrid else now.mean()
        sigma = scipy.stats.median_abs_deviation(now, scale="normal") if hybrid else now.std(ddof=1)
        furthest = abs(now - center).argmax()
        critical = critical_deviation(len(left), alpha / 2 / len(left))
        steps.append((left.pop(furthest), float(abs(now - center)[furthest] / sigma), float(critical)))
        if steps[-1][1] > critical:
            found = len(steps)
    return sorted(steps[:found])


def with_results(points, outliers, score="score"):
    for place, value, critical in outliers:
        yield points[place].adding(**{score: value, "critical": critical, "anomaly": True})


@case("esd", "example", requests)
def seasonal_esd_of_requests(points):
    for group in by_group(points, "site"):
        first, last = group[0].time, group[-1].time
        for end in range(first + 7 * DAY, last + 1, DAY):
            batch = [point for point in group if end - 7 * DAY <= point.time < end]
            numbers = numpy.array([point.number("requests") for point in batch])
            hours = numpy.array([point.time % DAY // HOUR for point in batch])
            for hour in range(24):
                numbers[hours == hour] -= numpy.median(numbers[hours == hour])
            found = extreme(numbers, len(numbers) // 10, 0.001, hybrid=True)
            yield from with_results(batch, [step for step in found if batch[step[0]].time >= end - DAY])


@case("esd", "reference", mostly_normal)
def esd_of_latency(points):
    for group in windows(points, "service", 3 * MINUTE):
        for _, batch in group:
            found, numbers = values(batch, "latency")
            if len(numbers) > 2:
                most = max(int(0.25 * len(numbers)), 1)
                yield from with_results(found, extreme(numbers - numbers[0], most, 0.05, hybrid=False))


@case("esd", "reference_hybrid", seasonal_load)
def seasonal_esd_of_load(points):
    for group in windows(points, "service", 12 * HOUR):
        for _, batch in group:
            # Points without the field count for the length of the pieces.
            first, span = batch[0].time, batch[-1].time - batch[0].time + 1
            pieces = max(round(span / (3 * HOUR)), 1)
            found, numbers = values(batch, "load")
            piece = numpy.array([(point.time - first) * pieces // span for point in found])
            phase = numpy.array([point.time % HOUR // (5 * MINUTE) for point in found])
            for classes in (piece, phase):
                for each in set(classes):
                    numbers[classes == each] -= numpy.median(numbers[classes == each])
            yield from with_results(found, extreme(numbers, min(30, len(numbers) // 2), 0.01, hybrid=True), "deviation")


# --- ttest -----------------------------------------------------------------------------------------


def slower(rng):
    points = []
    for number in range(370):
        for service, level in {"cart": 84.0, "search": 210.0}.items():
            factor = 1.18 if service == "cart" and number >= 160 else 1.0
            value = level * factor * (1 + rng.gauss(0, 0.11))
            time = BEGIN + number * 30 * SECOND
            points.append(Point("http", {"service": service}, {"latency_ms": round(value, 1)}, time))
    return points


def changing_means(rng):
    """Groups whose mean changes by less than their standard deviation; one has only two values."""

    def draw(rng, name, number):
        shift = number // 200 % 2
        if name == "c":
            return 5.0 + shift
        return {"a": 50.0, "b": 1e15}[name] + (shift + rng.gauss(0, 1)) * {"a": 7.0, "b": 640.0}[name]

    return irregular(rng, "latency", "abc", 900, draw)


def two_fields(rng):
    points = changing_means(rng)[:700]
    for place, point in enumerate(points):
        size = point.number("latency") if rng.random() < 0.5 else rng.randrange(9)
        points[place] = point.adding(size=size if rng.random() < 0.7 else None)
    return points


def ttest(points, tag, period, fields, history, alpha, alternative, flag):
    for group in windows(points, tag, period):
        earlier = {name: [] for name in fields}
        origins = {}
        for tmax, batch in group:
            results = {}
            for name in fields:
                _, numbers = values(batch, name)
                if not len(numbers):
                    continue
                prefix = f"{name}_" if len(fields) > 1 else ""
                origin = origins.setdefault(name, numbers[0])
                now, before = numbers - origin, earlier[name][-history:]
                results |= {f"{prefix}{flag}": False, f"{prefix}mean": float(origin + now.mean())}
                if before:
                    before = numpy.concatenate(before)
                    results[f"{prefix}mean_before"] = float(origin + before.mean())
                    if len(now) > 1 and len(before) > 1 and max(numpy.ptp(now), numpy.ptp(before)) > 0:
                        test = scipy.stats.ttest_ind(now, before, equal_var=False, alternative=alternative)
                        numbers = {"t": test.statistic, "df": test.df, "p": test.pvalue}
                        results |= {f"{prefix}{name}": float(number) for name, number in numbers.items()}
                        results[f"{prefix}{flag}"] = bool(test.pvalue < alpha)
                    elif len(now) > 1 and len(before) > 1:
                        # SciPy has no probability where no sample has a variance: that of t = 0 or of an infinite t.
                        t = 0.0 if now[0] == before[0] else numpy.copysign(numpy.inf, now[0] - before[0])
                        p = {"less": scipy.stats.norm.cdf(t), "greater": scipy.stats.norm.sf(t)}
                        p = float(p.get(alternative, 2 * scipy.stats.norm.sf(abs(t))))
                        results |= {f"{prefix}p": p, f"{prefix}{flag}": p < alpha}
                        if t == 0:
                            results[f"{prefix}t"] = 0.0
                earlier[name].append(now)
            if results:
                yield Point(batch[0].measurement, {tag: batch[0].tags[tag]}, results, tmax)


@case("ttest", "example", slower)
def ttest_of_latency(points):
    return ttest(points, "service", 10 * MINUTE, ["latency_ms"], 12, 1e-4, "greater", "anomaly")


@case("ttest", "reference", changing_means)
def ttest_of_changing_means(points):
    return ttest(points, "service", MINUTE, ["latency"], 3, 0.01, "two-sided", "anomaly")


@case("ttest", "reference_fields", two_fields)
def ttest_of_two_fields(points):
    return ttest(points, "service", 90 * SECOND, ["latency", "size"], 1, 0.2, "less", "smaller")


# --- ks_test ---------------------------------------------------------------------------------------


def two_modes(rng):
    points = []
    for number in range(370):
        for node, level in {"east": 4.0, "west": 4.4}.items():
            factor = (3.0 if rng.random() < 0.2 else 0.5) if node == "east" and number >= 160 else 1.0
            value = level * factor * rng.lognormvariate(0, 0.12)
            time = BEGIN + number * 30 * SECOND
            points.append(Point("cache", {"node": node}, {"latency_ms": round(value, 2)}, time))
    return points


def changing_spread(rng):
    def draw(rng, name, number):
        spread = 1 + number // 150 % 2
        if name == "c":
            return float(rng.randrange(3 * spread))
        return {"a": 50.0, "b": 1e15}[name] + spread * rng.gauss(0, 1) * {"a": 7.0, "b": 64.0}[name]

    return irregular(rng, "latency", "abc", 900, draw)


def many_ints(rng):
    """Two large batches without a group, and a point behind them."""
    times = [BEGIN + number * 1_750_000_001 for number in range(1010)]
    times += [time + 30 * MINUTE for time in times] + [BEGIN + 61 * MINUTE]
    values = [round(rng.gauss(50, 12 if number < 1010 else 14)) for number in range(len(times))]
    return [Point("r", {}, {"v": value}, time) for time, value in zip(times, values)]


def ks_test(points, tag, period, field, history, size, alpha, probability):
    for group in windows(points, tag, period):
        earlier = []
        for tmax, batch in group:
            _, now = values(batch, field)
            if not len(now):
                continue
            results = {"anomaly": False}
            if earlier:
                before = numpy.concatenate(earlier[-history:])[-size:]
                d = float(scipy.stats.ks_2samp(now, before, method="exact").statistic)
                p = probability(now, before, d)
                results = {"anomaly": bool(p < alpha), "d": d, "p": p}
            earlier.append(now)
            tags = {tag: batch[0].tags[tag]} if tag else {}
            yield Point(batch[0].measurement, tags, results, tmax)


def exact_probability(now, before, _):
    return float(scipy.stats.ks_2samp(now, before, method="exact").pvalue)


def probability_of_limit(now, before, d):
    count = len(now) * len(before) / (len(now) + len(before))
    return float(scipy.special.kolmogorov(numpy.sqrt(count) * d))


@case("ks_test", "example", two_modes)
def ks_test_of_cache(points):
    return ks_test(points, "node", 10 * MINUTE, "latency_ms", 12, 1000, 1e-5, exact_probability)


@case("ks_test", "reference", changing_spread)
def ks_test_of_changing_spread(points):
    return ks_test(points, "service", MINUTE, "latency", 4, 70, 0.01, exact_probability)


@case("ks_test", "reference_large", many_ints)
def ks_test_of_many_ints(points):
    return ks_test(points, None, 30 * MINUTE, "v", 10, 100_000, 0.01, probability_of_limit)


# --- lof_groups ------------------------------------------------------------------------------------


def fleet(rng):
    points = []
    for number in range(101):
        common = 25 + number * 0.3
        for host in range(1, 11):
            value = common + (17 if host == 3 and number >= 40 else 0) + rng.gauss(0, 3) + host * 0.2
            point = Point("cpu", {"host": f"web-{host}"}, {"usage_user": round(value, 1)}, BEGIN + number * MINUTE)
            points.append(point)
    return points


def changing_fleet(rng):
    """Twelve hosts with the same times. One falls silent, one begins late, three have the same values."""
    points = []
    for number in range(72):
        for host in range(12):
            if (host == 4 and number > 37) or (host == 11 and number < 30):
                continue
            load = rng.gauss(2, 0.5) * (3 if host == 7 and number > 50 else 1)
            fields = {"load": load, "memory": rng.gauss(6e9, 1e8)}
            if host < 3:
                fields = {"load": 2, "memory": 6_000_000_000}
            if number % 20 == 13:
                fields = {"other": 1.0}
            points.append(Point("system", {"host": f"h{host}"}, fields, BEGIN + number * 25 * SECOND + 1))
    return points


def arrivals(points, tag, period):
    """The batches of an aligned window in the order in which they come: with the first point behind them."""
    open_windows = {}
    for point in points:
        group, number = point.tags[tag], point.time // period
        if group in open_windows and open_windows[group][0] != number:
            begun, batch = open_windows.pop(group)
            yield group, period * (begun + 1), batch
        open_windows.setdefault(group, (number, []))[1].append(point)


def compared_windows(points, tag, period, usable):
    """The batches of each window that are compared: when all groups of the window before have come, or the next window
    begins."""
    tmax, here, expected, members, over = None, set(), set(), [], False
    for group, end, batch in arrivals(points, tag, period):
        if not usable(batch) or (tmax is not None and end < tmax):
            continue
        if end != tmax:
            if not over and members:
                yield tmax, members
            tmax, here, expected, members, over = end, set(), here, [], False
        here.add(group)
        if not over:
            members.append(batch)
            if expected and expected <= here:
                yield tmax, members
                over = True


def lof_groups(points, period, fields, features, neighbors, least, threshold, score="score", flag="anomaly"):
    functions = {"mean": numpy.mean, "stddev": numpy.std, "max": numpy.max}

    def usable(batch):
        return all(len(values(batch, name)[1]) for name in fields)

    for tmax, members in compared_windows(points, "host", period, usable):
        names = [(name, feature) for name in fields for feature in features]
        table = [[functions[feature](values(batch, name)[1]) for name, feature in names] for batch in members]
        table = numpy.array(table)
        scores = None
        if len(members) >= least:
            scaled = table - numpy.median(table, axis=0)
            units = numpy.median(abs(scaled), axis=0)
            scaled /= numpy.where(units > 0, units, abs(scaled).mean(axis=0))
            count = min(neighbors, (len(members) - 1) // 2)
            model = sklearn.neighbors.LocalOutlierFactor(n_neighbors=count, algorithm="kd_tree").fit(scaled)
            scores = -model.negative_outlier_factor_
        for place, batch in enumerate(members):
            results = {f"{name}_{feature}": float(number) for (name, feature), number in zip(names, table[place])}
            if scores is not None:
                results[score] = float(scores[place])
            results[flag] = scores is not None and bool(scores[place] > threshold)
            yield Point(batch[0].measurement, {"host": batch[0].tags["host"]}, results, tmax)


@case("lof_groups", "example", fleet)
def lof_of_fleet(points):
    return lof_groups(points, 10 * MINUTE, ["usage_user"], ["mean", "stddev"], 20, 8, 4.0)


@case("lof_groups", "reference", changing_fleet)
def lof_of_changing_fleet(points):
    return lof_groups(points, 5 * MINUTE, ["load"], ["mean"], 5, 8, 1.5)


@case("lof_groups", "reference_features", changing_fleet)
def lof_of_features(points):
    return lof_groups(points, 5 * MINUTE, ["load", "memory"], ["mean", "max"], 20, 3, 4.0, "lof", "odd")
