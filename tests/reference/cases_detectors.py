"""Detectors of outliers and changes, by SciPy, pandas, hampel and river, and by definitions in Python."""

import math
import statistics

import numpy
import pandas
import scipy.stats
from hampel import hampel
from river import drift

from reference import Point, UsualDistance, by_group, case

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


def deviations(distance, sigma):
    """The signed score of a distance."""
    if distance == 0:
        return 0.0
    return math.copysign(min(abs(distance) / sigma, 1e9) if sigma > 0 else 1e9, distance)


# --- zscore ----------------------------------------------------------------------------------------


def zmap(value, before, usual):
    """The score by SciPy, and what the page of the plugin says where the values before are nearly the same."""
    distance, sigma = value - before[0], 0.0
    if min(before) < max(before):
        distance, sigma = value - statistics.fmean(before), statistics.stdev(before)
    counts = usual.spread(distance, sigma)
    if 0.0 < sigma == counts:
        return abs(float(scipy.stats.zmap([value], before, ddof=1)[0]))
    return abs(deviations(distance, counts))


@case("zscore", "reference", noisy)
def zscore_of_points(points):
    for group, values in series(points):
        usual = UsualDistance()
        for number, point in enumerate(group):
            before = values[max(0, number - 20) : number]
            yield judged(point, zmap(values[number], before, usual) if len(before) >= 10 else None, 3.0)


@case("zscore", "reference_period", noisy)
def zscore_of_a_time(points):
    for group, values in series(points):
        times = pandas.to_datetime([point.time for point in group])
        # Less than five minutes ago, and without the point itself.
        rolling = pandas.Series(values, index=times).rolling("300s", closed="neither", min_periods=5)
        usual = UsualDistance()
        for point, value, mean, deviation in zip(group, values, rolling.mean(), rolling.std()):
            if math.isnan(mean):
                score = None
            else:
                score = abs(deviations(value - mean, usual.spread(value - mean, max(deviation, 0.5))))
            yield judged(point, score, 2.5)


@case("zscore", "reference_alpha", noisy)
def zscore_with_falling_weights(points):
    for group, values in series(points):
        weighted = pandas.Series(values).ewm(alpha=0.1, adjust=False)
        before = zip(weighted.mean().shift(1), weighted.std(bias=True).shift(1))
        usual = UsualDistance()
        for number, (point, value, (mean, deviation)) in enumerate(zip(group, values, before)):
            score = deviations(value - mean, usual.spread(value - mean, deviation)) if number >= 20 else None
            yield judged(point, score, 3.0)


@case("zscore", "example", lambda rng: response_times(rng))
def zscore_of_response_times(points):
    for group, values in series(points, "response_time", "server"):
        usual = UsualDistance()
        for number, point in enumerate(group):
            before = values[max(0, number - 60) : number]
            yield judged(point, zmap(values[number], before, usual) if len(before) >= 10 else None, 4.0)


def response_times(rng):
    """Two servers that Telegraf asks each ten seconds for fifty minutes. One of them slows down for a moment now and
    then; the other gets slower and slower, which is no outlier, but for one answer."""
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


# --- mad -------------------------------------------------------------------------------------------


def robust(window, usual, least=0.0):
    """The signed score of the last of these values, and their median."""
    median = float(numpy.median(window))
    sigma = max(float(scipy.stats.median_abs_deviation(window, scale="normal")), least)
    distance = window[-1] - median
    return deviations(distance, usual.spread(distance, sigma)), median


@case("mad", "reference", noisy)
def mad_of_points(points):
    for group, values in series(points):
        usual = UsualDistance()
        for number, point in enumerate(group):
            window = values[max(0, number - 19) : number + 1]
            score, median = robust(window, usual) if len(window) >= 10 else (None, None)
            is_outlier = score is not None and abs(score) > 3.5
            yield judged(point, score, 3.5, filtered=median if is_outlier else values[number])


def windows_of(group, seconds):
    """For each point of a group the points that are less than this time older, and the point itself."""
    times = pandas.to_datetime([point.time for point in group])
    for window in pandas.Series(range(len(group)), index=times).rolling(f"{seconds}s", closed="right"):
        yield [group[int(place)] for place in window]


@case("mad", "reference_period", noisy)
def mad_of_a_time(points):
    for group, _ in series(points):
        usual = UsualDistance()
        for point, window in zip(group, windows_of(group, 300)):
            values = [other.number("usage") for other in window]
            yield judged(point, abs(robust(values, usual, 0.5)[0]) if len(values) >= 5 else None, 3.5)


def quarters(rng):
    """Multiples of a quarter, which have no rounding errors in 32 bits."""
    points = []
    for number in range(300):
        value = round(rng.gauss(50, 2) * 4) / 4 + (rng.choice([-40, 40]) if rng.random() < 0.03 else 0)
        points.append(Point("cpu", {"host": rng.choice("ab")}, {"usage": value}, START + number * SECOND))
    return points


@case("mad", "reference_hampel", quarters)
def mad_of_hampel(points):
    """The package has the medians of windows around each point. The window around a point is that which ends three
    points later."""
    for group, values in series(points):
        result = hampel(numpy.array(values), window_size=7, n_sigma=3.0)
        usual = UsualDistance()
        for number, point in enumerate(group):
            if number < 6:
                yield judged(point, None, 3.0)
                continue
            distance = values[number] - float(result.medians[number - 3])
            mad = float(result.median_absolute_deviations[number - 3])
            sigma = mad / scipy.stats.norm.ppf(0.75)
            yield judged(point, abs(deviations(distance, usual.spread(distance, sigma))), 3.0)


def power(rng):
    """The power that two meters measure for three hours. One of them sends a wrong value now and then, sometimes two in
    a row; what the other one measures rises slowly."""
    points = []
    for number in range(360):
        time = START + number * 30 * SECOND
        pump = 410 + 25 * math.sin(number / 50) + rng.gauss(0, 7)
        if number in (60, 61, 170, 230, 290):
            pump = rng.choice([0, 655.35, 900])
        rack = 250 + 0.2 * number + rng.gauss(0, 4)
        for meter, value in (("pump", pump), ("rack", rack)):
            points.append(Point("energy", {"meter": meter}, {"power": round(value, 1)}, time))
    return points


@case("mad", "example", power)
def mad_of_power(points):
    for group, _ in series(points, "power", "meter"):
        usual = UsualDistance()
        for point, window in zip(group, windows_of(group, 900)):
            values = [other.number("power") for other in window]
            score, median = robust(values, usual, 5.0) if len(values) >= 10 else (None, None)
            score = None if score is None else abs(score)
            is_outlier = score is not None and score > 3.5
            yield judged(point, score, 3.5, power_filtered=median if is_outlier else values[-1])


def mostly_constant(rng):
    """Two services. The errors of one are 0 but for some; the load of the other stands still for an hour and then has a
    noise, stands still again but for its last digits, and jumps twice."""
    points = []
    for number in range(600):
        errors = rng.choice([1, 2, 5]) if rng.random() < 0.04 else 0
        load = 40.0 if number < 120 else 40 + rng.gauss(0, 2) if number < 300 else 42 + rng.gauss(0, 1e-9)
        load += 30 if number in (200, 450) else 0
        for service, value in (("mail", errors), ("web", load)):
            points.append(Point("service", {"host": service}, {"usage": value}, START + number * 30 * SECOND))
    return points


@case("mad", "reference_constant", mostly_constant)
def mad_of_mostly_constant_values(points):
    for group, values in series(points):
        usual = UsualDistance()
        for number, point in enumerate(group):
            window = values[max(0, number - 59) : number + 1]
            yield judged(point, abs(robust(window, usual)[0]) if len(window) >= 10 else None, 3.5)


# --- cusum -----------------------------------------------------------------------------------------


def shifting(rng, count=600):
    """Three groups with noise around a level that changes now and then, at irregular times: a small level, a large one,
    and ints. Some points lack the field."""
    points, time, levels = [], START, {"a": 50.0, "b": 1e6, "c": 50}
    for number in range(count):
        time += rng.randrange(1, 20) * SECOND // 2
        host = rng.choice("abc")
        if rng.random() < 0.02:
            levels[host] += rng.choice([-8, -4, 4, 8])
        value = round(rng.gauss(levels[host], 2)) if host == "c" else rng.gauss(levels[host], 2)
        fields = {"other": 1.0} if number % 50 == 49 else {"usage": value}
        points.append(Point("cpu", {"host": host}, fields, time))
    return points


def cusum(points, name="usage", tag="host", target=None, stddev=None, warmup=100, least=0.0, drift=0.5, threshold=5.0,
          restart="learn"):
    for group, values in series(points, name, tag):
        begin, upper, lower = 0, 0.0, 0.0
        for number, (point, value) in enumerate(zip(group, values)):
            learnt = values[begin : begin + warmup]
            is_warm = number >= begin + warmup or (target is not None and stddev is not None)
            if not is_warm:
                yield judged(point, None, threshold, direction=0.0)
                continue
            middle = statistics.fmean(learnt) if target is None else target
            sigma = max(statistics.stdev(learnt), least) if stddev is None else stddev
            deviation = (value - middle) / sigma
            upper = max(0.0, upper + deviation - drift)
            lower = max(0.0, lower - deviation - drift)
            score = max(upper, lower)
            direction = 0.0
            if score > threshold:
                direction = 1.0 if upper > lower else -1.0
            yield judged(point, score, threshold, direction=direction)
            if direction and restart != "never":
                upper, lower = 0.0, 0.0
            if direction and restart == "learn":
                begin = number + 1


@case("cusum", "reference", shifting)
def cusum_of_given_parameters(points):
    return cusum(points, target=50.0, stddev=2.0, drift=0.25, threshold=4.0)


@case("cusum", "reference_learnt", shifting)
def cusum_that_learns_anew(points):
    return cusum(points, warmup=40)


@case("cusum", "reference_sums", shifting)
def cusum_that_begins_anew(points):
    return cusum(points, warmup=40, least=1.0, restart="sums")


@case("cusum", "reference_steady", shifting)
def cusum_that_goes_on(points):
    return cusum(points, warmup=40, stddev=3.0, restart="never")


def queues(rng):
    """Two queues that Telegraf asks each ten seconds for fifty minutes. One of them is longer by one and a half
    standard deviations after half of the time, since one of its consumers has died."""
    points = []
    for number in range(300):
        time = START + number * 10 * SECOND
        orders = rng.gauss(480 if number >= 160 else 420, 40)
        mails = rng.gauss(300, 25)
        for queue, length in (("orders", orders), ("mails", mails)):
            points.append(Point("rabbitmq_queue", {"queue": queue}, {"messages_ready": round(length)}, time))
    return points


@case("cusum", "example", queues)
def cusum_of_queues(points):
    return cusum(points, "messages_ready", "queue", threshold=8.0)


# --- page_hinkley ----------------------------------------------------------------------------------


def page_hinkley(points, name="usage", tag="host", **options):
    for group, values in series(points, name, tag):
        test = drift.PageHinkley(**options)
        for point, value in zip(group, values):
            test.update(value)
            up = test._sum_increase - test._min_increase
            down = test._max_decrease - test._sum_decrease
            score = {"up": up, "down": down, "both": max(up, down)}[test.mode]
            is_known = test._x_mean.n >= test.min_instances
            direction = (1.0 if test.mode != "down" and up == score else -1.0) if test.drift_detected else 0.0
            yield point.adding(score=score if is_known else None, anomaly=test.drift_detected, direction=direction)


def much_shifting(rng):
    return shifting(rng, 900)


@case("page_hinkley", "reference", much_shifting)
def page_hinkley_of_both(points):
    return page_hinkley(points, threshold=30.0, delta=0.5)


@case("page_hinkley", "reference_up", much_shifting)
def page_hinkley_of_increases(points):
    return page_hinkley(points, threshold=30.0, delta=0.5, mode="up")


@case("page_hinkley", "reference_down", much_shifting)
def page_hinkley_of_decreases(points):
    return page_hinkley(points, threshold=30.0, delta=0.5, mode="down", alpha=0.99)


def fans(rng):
    """Two fans for three hours. One of them turns slower and slower from the middle on, for long by less than its
    noise."""
    points = []
    for number in range(360):
        time = START + number * 30 * SECOND
        for name, wear in (("fan_1", max(0, number - 180) * 0.25), ("fan_2", 0)):
            value = round(2950 - wear + rng.gauss(0, 12), 1)
            points.append(Point("ipmi_sensor", {"name": name}, {"value": value, "status": 1}, time))
    return points


@case("page_hinkley", "example", fans)
def page_hinkley_of_fans(points):
    return page_hinkley(points, "value", "name", mode="down", delta=5.0, threshold=100.0)


# --- adwin -----------------------------------------------------------------------------------------


def adwin(points, name="usage", tag="host", span=1.0, **options):
    """For each point: itself, the mean and the width of its window, whether there is a change, and whither."""
    for group, values in series(points, name, tag):
        test = drift.ADWIN(**options)
        for point, value in zip(group, values):
            # River begins anew with the value after a change.
            total, width = (0.0, 0) if test.drift_detected else (test.total, test.width)
            whole = (total + value / span) / (width + 1)
            test.update(value / span)
            changed = test.drift_detected
            direction = (1.0 if test.estimation > whole else -1.0) if changed else 0.0
            yield point, test.estimation * span, float(test.width), changed, direction


@case("adwin", "reference", much_shifting)
def adwin_of_river(points):
    for point, mean, width, changed, direction in adwin(points):
        yield point.adding(mean=mean, width=width, anomaly=changed, direction=direction)


@case("adwin", "reference_eager", much_shifting)
def adwin_that_looks_often(points):
    options = dict(delta=0.05, clock=3, max_buckets=3, min_window_length=2, grace_period=20)
    for point, mean, width, changed, direction in adwin(points, **options):
        yield point.adding(m=mean, w=width, changed=changed, whither=direction)


@case("adwin", "reference_range", much_shifting)
def adwin_with_a_range(points):
    for point, mean, width, changed, direction in adwin(points, span=20.0, clock=1):
        yield point.adding(mean=mean, width=width, anomaly=changed, direction=direction)


def databases(rng):
    """Two databases for an hour. One of them does less from the middle on, as after an update, and then more than
    before."""
    points = []
    for number in range(360):
        time = START + number * 10 * SECOND
        shop = rng.gauss(1200 if number < 130 else 1050 if number < 250 else 1280, 80)
        logs = rng.gauss(700, 60)
        for db, rate in (("shop", shop), ("logs", logs)):
            points.append(Point("postgresql", {"db": db}, {"commits_per_second": round(rate, 1)}, time))
    return points


@case("adwin", "example", databases)
def adwin_of_databases(points):
    for point, mean, width, changed, direction in adwin(points, "commits_per_second", "db"):
        yield point.adding(usual=mean, width=width, anomaly=changed, direction=direction)
