"""Seasons, forecasts and filters: by statsmodels, NumPy and SciPy, and by models of the recursions."""

import math

import numpy
from scipy.signal import butter, sosfilt, sosfilt_zi
from scipy.stats import linregress
from statsmodels.tsa.holtwinters import ExponentialSmoothing
from statsmodels.tsa.seasonal import seasonal_decompose, seasonal_mean

from reference import Point, UsualDistance, by_group, case

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
# Midnight UTC.
BEGIN = 1_699_920_000 * SECOND
MAX_SCORE = 1e9


def measured(points, field):
    """The points that have a finite number in a field."""
    return [point for point in points if (value := point.number(field)) is not None and math.isfinite(value)]


def compared(point, value, expected, spread, threshold):
    """A point with what a detector adds that expects a value."""
    if expected is None:
        return point.adding(anomaly=False)
    distance = abs(value - expected)
    score = 0.0 if distance == 0 else MAX_SCORE if spread == 0 else min(distance / spread, MAX_SCORE)
    # Numbers of NumPy are written as those of Python.
    expected, spread, score = float(expected), float(spread), float(score)
    return point.adding(
        expected=expected,
        lower=expected - threshold * spread,
        upper=expected + threshold * spread,
        score=score,
        anomaly=score > threshold,
    )


# --- seasonal --------------------------------------------------------------------------------------


def shop(rng):
    """Two weeks of a shop's requests: at noon of a Wednesday they break down, and one night has as many as a day."""
    points = []
    for step in range(14 * 48):
        hour, day = step % 48 / 2, step // 48
        level = 400 + 300 * math.sin((hour - 9) / 24 * 2 * math.pi) + (500 if 17 <= hour < 20 else 0)
        level *= 1 + rng.gauss(0, 0.03)
        if day == 8 and 12 <= hour < 14:
            level *= 0.4
        if day == 11 and 2 <= hour < 3:
            level += 350
        points.append(Point("http", {"site": "shop"}, {"requests": round(level)}, BEGIN + step * HOUR // 2))
    return points


@case("seasonal", "example", shop)
def what_is_usual_in_half_an_hour(points):
    return usual(points, "requests", DAY, 48, HOUR, 0.1, 3, 3.0, 5.0)


def hour_by_hour(rng):
    """Twenty days of one host, with a number for each hour of the day."""
    profile = [rng.uniform(0, 100) for _ in range(24)]
    return [
        Point("cpu", {}, {"usage": profile[hour % 24] + rng.gauss(0, 1)}, BEGIN + hour * HOUR)
        for hour in range(20 * 24)
    ]


@case("seasonal", "reference_statsmodels", hour_by_hour)
def mean_of_each_hour(points):
    values = numpy.array([point.number("usage") for point in points])
    # What statsmodels finds with all data at hand, after it has taken a trend away.
    decomposed = seasonal_decompose(values, period=24).seasonal[:24]
    means = seasonal_mean(values, 24)
    assert numpy.abs(means - means.mean() - decomposed).max() < 0.3
    distance = UsualDistance()
    for number, point in enumerate(points):
        before = [values[hour:number:24] for hour in range(24)]
        means = seasonal_mean(values[:number], 24) if number >= 24 else []
        known = [
            (len(visits), mean, visits.var()) if len(visits) >= 3 else None
            for visits, mean in zip(before, means)
        ]
        expected, spread = known_in(known, number % 24)
        if known and known[number % 24] is not None:
            spread = distance.spread(values[number] - expected, spread)
        yield compared(point, values[number], expected, spread, 5.0)


def expected_in(known, slot):
    """The mean and the spread of a slot, of the number of visits, the mean and the variance of each; None if it is new."""
    if not known or known[slot] is None:
        return None
    near = [known[place % len(known)] for place in range(slot - len(known) // 12, slot + len(known) // 12 + 1)]
    prior = numpy.median([variance * count / (count - 1) for count, _, variance in filter(None, near)])
    count, mean, variance = known[slot]
    return mean, math.sqrt((count * variance + 4 * prior) / (count + 3) * (1 + 1 / count))


def known_in(known, slot):
    """The same, or what is between the nearest known slots at most a twelfth of the season away."""
    if own := expected_in(known, slot):
        return own
    reach = range(1, len(known) // 12 + 1)
    before = next(((n, at) for n in reach if (at := expected_in(known, (slot - n) % len(known)))), None)
    after = next(((n, at) for n in reach if (at := expected_in(known, (slot + n) % len(known)))), None)
    if not before or not after:
        return None, None
    share = before[0] / (before[0] + after[0])
    expected, spread = ((1 - share) * a + share * b for a, b in zip(before[1], after[1]))
    return expected, math.hypot(spread, (after[1][0] - before[1][0]) / 2)


def usual(points, field, period, slots, offset, alpha, warmup, clip, threshold):
    """The recursion of the README, for each host."""
    for group in by_group(measured(points, field), "host"):
        # Visits, mean, variance, strange visits in a row.
        learnt = [(0, 0.0, 0.0, 0)] * slots
        # Slot, time, what was expected, numbers as they came, numbers that are learnt.
        visit, late, distance = None, 0, UsualDistance()

        def known():
            return [
                (min(visits, 2 / alpha - 1), mean, variance) if visits >= warmup else None
                for visits, mean, variance, _ in learnt
            ]

        def learn(slot, _, expected, seen, clipped):
            visits, mean, variance, strange = learnt[slot]
            far = expected and abs(numpy.mean(seen) - expected[0]) > clip * expected[1]
            strange = strange + 1 if far else 0
            if strange == 3:
                learnt[slot] = (min(visits, warmup), numpy.mean(seen), max(variance, numpy.var(seen)), 0)
                return
            weight = max(alpha, 1 / (visits + 1))
            difference = numpy.mean(clipped) - mean
            variance = (1 - weight) * (variance + weight * difference**2) + weight * numpy.var(clipped)
            learnt[slot] = (visits + 1, mean + weight * difference, variance, strange)

        for point in group:
            time, value = point.time, point.number(field)
            slot = (time + offset) % period * slots // period
            is_open = True
            if visit and visit[0] == slot and abs(time - visit[1]) < period / slots:
                late = 0
            elif visit and time < visit[1] and late < 7:
                late, is_open = late + 1, False
            else:
                if visit and time > visit[1]:
                    learn(*visit)
                visit, late = (slot, time, expected_in(known(), slot), [], []), 0
            if is_open:
                expected = visit[2]
                visit[3].append(value)
                if expected:
                    margin = clip * expected[1]
                    visit[4].append(min(max(value, expected[0] - margin), expected[0] + margin))
                else:
                    visit[4].append(value)
            expected, spread = known_in(known(), slot)
            # What is between two slots says nothing of the distances.
            if known()[slot] is not None:
                spread = distance.spread(value - expected, spread)
            yield compared(point, value, expected, spread, threshold)


def half_hours(rng):
    """Two hosts with a season of half an hour in irregular intervals: spikes, a new level, a gap, late points, and a wrong
    time in the future."""
    points, time = [], BEGIN
    for number in range(900):
        time += rng.randrange(1, 40) * SECOND
        if number == 500:
            time += 20 * MINUTE
        host = rng.choice("ab")
        phase = time % (30 * MINUTE) / (30 * MINUTE)
        value = (100 if host == "a" else 1e6) + 20 * math.sin(2 * math.pi * phase) + rng.gauss(0, 1)
        if host == "b" and number > 450:
            value += 50
        if number % 61 == 60:
            value += 500
        fields = {"usage": round(value) if number % 7 == 0 else value}
        if number % 50 == 49:
            fields = {"other": 1.0}
        at = time + DAY if number == 300 else time - 4 * MINUTE if number % 83 == 82 else time
        points.append(Point("cpu", {"host": host}, fields, at))
    return points


@case("seasonal", "reference", half_hours)
def what_is_usual(points):
    return usual(points, "usage", 30 * MINUTE, 12, 5 * MINUTE, 0.2, 3, 3.0, 4.0)


# --- holt_winters ----------------------------------------------------------------------------------


def queue(rng):
    """Five days of the length of a queue, every ten minutes, that grows: it is stuck once, and jumps once."""
    points = []
    for step in range(5 * 144):
        if step in range(330, 336):
            # The collector was restarted.
            continue
        level = 200 + 0.15 * step + 120 * math.sin(2 * math.pi * step / 144) + 40 * math.sin(4 * math.pi * step / 144)
        level += rng.gauss(0, 4)
        if 450 <= step < 456:
            level += 90
        if step == 610:
            level = 0
        points.append(Point("queue", {"name": "mail"}, {"length": round(level)}, BEGIN + step * 10 * MINUTE))
    return points


@case("holt_winters", "example", queue)
def the_length_of_a_queue(points):
    return smoothed(points, "length", 144, every=10 * MINUTE, threshold=5.0)


def waves(rng):
    """Two hosts with a season of twelve points; some points lack the field."""
    points = []
    for number in range(440):
        host = "ab"[number % 2]
        step = number // 2
        value = 50 + (0.1 if host == "a" else -1e-2) * step + 10 * math.sin(2 * math.pi * step / 12) + rng.gauss(0, 1)
        value *= 1 if host == "a" else 1e6
        fields = {"usage": round(value) if number % 7 == 0 else value}
        if number % 50 == 49:
            fields = {"other": 1.0}
        points.append(Point("cpu", {"host": host}, fields, BEGIN + number * MINUTE + rng.randrange(SECOND)))
    return points


def by_statsmodels(points, field, season, multiplicative, alpha, beta, gamma, delta, damping, threshold):
    """One-step forecasts of statsmodels, which begins with the level, the trend and the season of the warm-up."""
    for group in by_group(measured(points, field), "host"):
        values = numpy.array([point.number(field) for point in group])
        warmup = 2 * season if season else 10
        level, trend, factors = begin(values[:warmup], season, multiplicative)
        model = ExponentialSmoothing(
            values,
            trend="add",
            damped_trend=damping < 1,
            seasonal=("mul" if multiplicative else "add") if season else None,
            seasonal_periods=season or None,
            initialization_method="known",
            initial_level=level,
            initial_trend=trend,
            initial_seasonal=factors if season else None,
        )
        given = {"smoothing_level": alpha, "smoothing_trend": beta, "optimized": False}
        if season:
            given["smoothing_seasonal"] = gamma
        if damping < 1:
            given["damping_trend"] = damping
        forecasts = model.fit(**given).fittedvalues
        residuals, distance = values - forecasts, UsualDistance()
        variance = (residuals[:warmup] ** 2).mean() * (3 if season else 1)
        for number, (point, value, forecast) in enumerate(zip(group, values, forecasts)):
            if number < warmup:
                yield compared(point, value, None, None, threshold)
                continue
            spread = distance.spread(value - forecast, math.sqrt(variance))
            yield foretold(point, value, forecast, spread, threshold)
            variance += max(delta, 1 / (number + 1)) * (residuals[number] ** 2 - variance)


def foretold(point, value, forecast, spread, threshold):
    """A point with what a detector adds that makes forecasts."""
    return compared(point, value, forecast, spread, threshold).adding(residual=float(value - forecast))


def begin(values, season, multiplicative):
    """Level, trend and season of the warm-up."""
    steps = numpy.arange(1, len(values) + 1)
    if not season:
        trend, level = numpy.polyfit(steps, values, 1)
        return level, trend, [0.0]
    trend = (values[season:].mean() - values[:season].mean()) / season
    level = values.mean() - trend * steps.mean()
    line = level + trend * steps
    rest = values / line if multiplicative else values - line
    return level, trend, list((rest[:season] + rest[season:]) / 2)


@case("holt_winters", "reference", waves)
def additive_and_damped(points):
    return by_statsmodels(points, "usage", 12, False, 0.3, 0.05, 0.1, 0.05, 0.9, 3.0)


@case("holt_winters", "reference_multiplicative", waves)
def multiplicative(points):
    return by_statsmodels(points, "usage", 12, True, 0.2, 0.1, 0.3, 0.02, 1.0, 3.0)


@case("holt_winters", "reference_trend", waves)
def linear(points):
    return by_statsmodels(points, "usage", 0, False, 0.5, 0.1, 0.0, 0.05, 1.0, 3.0)


def smoothed(points, field, season, every, threshold):
    """The recursion of the README with its default weights, with gaps and with the clip."""
    alpha, beta, gamma, delta, clip = 0.3, 0.05, 0.1, 0.05, 3.0
    for group in by_group(measured(points, field), "host"):
        first, model, newest, late, distance = [], None, None, 0, UsualDistance()
        for point in group:
            value = point.number(field)
            steps = 1 if newest is None else (point.time - newest + every // 2) // every
            late = late + 1 if steps < 0 else 0
            if steps == 0 or steps < 0 and late < 8:
                yield compared(point, value, None, None, threshold)
                continue
            if steps < 0:
                late, first = 0, []
                if model:
                    model["place"] += steps - 1
                steps = 1
            newest = point.time
            if not model:
                if first:
                    first += list(numpy.linspace(first[-1], value, steps, endpoint=False)[1:])
                first.append(value)
                if len(first) == 2 * season:
                    level, trend, factors = begin(numpy.array(first), season, False)
                    model = {"level": level, "trend": trend, "season": factors, "place": 0}
                    squares = [learn(model, number, alpha, beta, gamma) ** 2 for number in first]
                    model |= {"variance": 3 * numpy.mean(squares), "count": len(first), "strange": 0}
                yield compared(point, value, None, None, threshold)
                continue
            model["level"] += min(steps - 1, season) * model["trend"]
            model["place"] += steps - 1
            forecast = model["level"] + model["trend"] + model["season"][model["place"] % season]
            spread = math.sqrt(model["variance"])
            yield foretold(point, value, forecast, distance.spread(value - forecast, spread), threshold)
            model["strange"] = model["strange"] + 1 if abs(value - forecast) > clip * spread else 0
            if model["strange"] <= 8:
                value = min(max(value, forecast - clip * spread), forecast + clip * spread)
            residual = learn(model, value, alpha, beta, gamma)
            model["count"] += 1
            model["variance"] += max(delta, 1 / model["count"]) * (residual**2 - model["variance"])


def learn(model, value, alpha, beta, gamma):
    """One step of an additive model. Returns the residual."""
    before, base = model["level"], model["level"] + model["trend"]
    place = model["place"] % len(model["season"])
    season = model["season"][place]
    model["level"] = alpha * (value - season) + (1 - alpha) * base
    model["trend"] = beta * (model["level"] - before) + (1 - beta) * model["trend"]
    model["season"][place] = gamma * (value - base) + (1 - gamma) * season
    model["place"] += 1
    return value - base - season


def gaps(rng):
    """Two hosts with a point in each minute, but for gaps, second points of a minute, late ones and a wrong time."""
    points, levels = [], {"a": 50.0, "b": 1e6}
    for step in range(420):
        host = "ab"[step % 2]
        minute = step // 2
        # One is missing in the warm-up already.
        if minute in (5, 61, 62, 100) or 120 <= minute < 145:
            continue
        value = levels[host] + 10 * math.sin(2 * math.pi * minute / 12) + rng.gauss(0, 1)
        if minute % 47 == 46:
            value += 60
        if host == "b" and minute > 80:
            value += 40
        at = BEGIN + minute * MINUTE + rng.randrange(-12, 12) * SECOND
        if minute == 170 and host == "a":
            at += 1000 * MINUTE
        point = Point("cpu", {"host": host}, {"usage": round(value) if step % 7 == 0 else value}, at)
        points.append(point)
        if minute % 31 == 30:
            points.append(Point("cpu", {"host": host}, {"usage": 0.0}, at + 5 * SECOND))
            points.append(Point("cpu", {"host": host}, {"usage": 0.0}, at - 10 * MINUTE))
    return points


@case("holt_winters", "reference_steps", gaps)
def steps_by_time(points):
    return smoothed(points, "usage", 12, every=MINUTE, threshold=4.0)


# --- forecast --------------------------------------------------------------------------------------


def disks(rng):
    """Two days of two disks: one grows slowly, and the other is filled by a log from the second day on until it is
    deleted."""
    points, used = [], {"/": 61.0, "/var": 40.0}
    for step in range(288):
        for path in used:
            used[path] += 0.01 if path == "/" else rng.uniform(-0.02, 0.025)
            if path == "/var" and 150 <= step < 240:
                used[path] += 0.55
            if path == "/var" and step == 240:
                used[path] = 42.0
            value = round(used[path] + rng.gauss(0, 0.05), 2)
            tags = {"host": "db-1", "path": path}
            points.append(Point("disk", tags, {"used_percent": value}, BEGIN + step * 10 * MINUTE))
    return points


@case("forecast", "example", disks)
def when_a_disk_is_full(points):
    for group in by_group(points, "path"):
        for number, point in enumerate(group):
            window = [old for old in group[: number + 1] if point.time - old.time < 6 * HOUR]
            yield on_regression(point, window, "used_percent", 6 * HOUR, HOUR, limit=100.0)


def on_regression(point, window, field, horizon, unit, warmup=10, limit=None, sigmas=None):
    """A point with the line through a window of points, by scipy.stats.linregress."""
    if len(window) < warmup or len({old.time for old in window}) < 2:
        return point
    seconds = numpy.array([(old.time - point.time) / SECOND for old in window])
    values = numpy.array([old.number(field) for old in window])
    line = linregress(seconds, values)
    # The same by a decomposition of the matrix, and not by sums.
    assert numpy.allclose(numpy.polyfit(seconds, values, 1), [line.slope, line.intercept], rtol=1e-6, atol=1e-6)
    at = horizon / SECOND
    forecast = line.intercept + line.slope * at
    bounds = {}
    if sigmas and len(window) > 2:
        residual = ((values - line.intercept - line.slope * seconds) ** 2).sum() / (len(window) - 2)
        squares = ((seconds - seconds.mean()) ** 2).sum()
        margin = sigmas * math.sqrt(residual * (1 + 1 / len(window) + (at - seconds.mean()) ** 2 / squares))
        bounds = {"lower": float(forecast - margin), "upper": float(forecast + margin)}
    remaining = None
    if limit is not None and line.slope != 0:
        remaining = (limit - line.intercept) / line.slope
        remaining = float(max(remaining, 0.0)) if remaining >= seconds[0] else None
    return point.adding(
        forecast=float(forecast), slope=float(line.slope * unit / SECOND), seconds_to_limit=remaining, **bounds
    )


def slopes(rng):
    """Two hosts with random walks that drift, in irregular intervals; some points lack the field, some are late."""
    points, time, levels = [], BEGIN + 123_456_789, {"a": 50.0, "b": 1e6}
    for number in range(500):
        time += rng.randrange(1, 20 * SECOND)
        if number == 300:
            time += 10 * MINUTE
        host = rng.choice("ab")
        levels[host] += rng.gauss(0.1 if number % 200 < 100 else -0.1, 1)
        fields = {"usage": round(levels[host]) if number % 7 == 0 else levels[host]}
        if number % 50 == 49:
            fields = {"other": 1.0}
        late = 30 * SECOND if number % 23 == 22 else HOUR if number % 41 == 40 else 0
        points.append(Point("cpu", {"host": host}, fields, time - late))
    return points


@case("forecast", "reference", slopes)
def the_last_points(points):
    for group in by_group(measured(points, "usage"), "host"):
        for number, point in enumerate(group):
            window = group[max(0, number - 19) : number + 1]
            yield on_regression(point, window, "usage", HOUR, SECOND, warmup=2, sigmas=2.0)


@case("forecast", "reference_period", slopes)
def the_last_minutes(points):
    for group in by_group(measured(points, "usage"), "host"):
        window, newest = [], 0
        for point in group:
            if newest - point.time >= 3 * MINUTE:
                # Older than the window.
                yield point
                continue
            newest = max(newest, point.time)
            # A late point is in the window as long as if it had come in time.
            window = [(time, old) for time, old in window if newest - time < 3 * MINUTE] + [(newest, point)]
            yield on_regression(point, [old for _, old in window], "usage", MINUTE, HOUR, warmup=5, limit=60.0)


# --- filter_iir ------------------------------------------------------------------------------------


def cold_room(rng):
    """Ten hours of the temperature of a cold room, every minute: its compressor runs every 20 minutes, its door opens now
    and then, and after six hours the compressor begins to fail."""
    points, door = [], 0.0
    for minute in range(600):
        door = 2.0 if minute % 97 == 60 else door * 0.8
        warming = max(0, minute - 360) * 0.012
        value = 4 + warming + 0.8 * math.sin(2 * math.pi * minute / 20) + door + rng.gauss(0, 0.15)
        fields = {"temperature": round(value, 2)}
        points.append(Point("climate", {"room": "cold-1"}, fields, BEGIN + minute * MINUTE))
    return points


@case("filter_iir", "example", cold_room)
def without_the_compressor(points):
    return by_scipy(points, "temperature", "room", 3, 1 / 3600, "lowpass", 1 / 60)


def samples(rng):
    """Two hosts with a sum of waves and noise every ten seconds; some points lack the field, and one gap is long."""
    points = []
    for number in range(440):
        host = "ab"[number % 2]
        step = number // 2
        seconds = step * 10 + (3600 if step > 130 else 0)
        value = 10 * math.sin(step / 3) + 30 * math.sin(step / 40) + rng.gauss(0, 2)
        value += 50 if host == "a" else 1e6
        fields = {"usage": round(value) if number % 7 == 0 else value}
        if number % 50 == 49:
            fields = {"other": 1.0}
        # A clock that is not exact makes no difference.
        at = BEGIN + seconds * SECOND + rng.randrange(SECOND)
        points.append(Point("cpu", {"host": host}, fields, at))
    return points


def by_scipy(points, field, tag, order, cutoff, kind, rate):
    """A Butterworth filter of SciPy, settled at the first value, and again after a gap of more than ten samples."""
    sections = butter(order, cutoff, kind, fs=rate, output="sos")
    settled = sosfilt_zi(sections)
    for group in by_group(measured(points, field), tag):
        times = [point.time for point in group]
        begins = [0] + [n for n in range(1, len(group)) if times[n] - times[n - 1] > 10 / rate * SECOND]
        for begin_at, end in zip(begins, begins[1:] + [len(group)]):
            values = numpy.array([point.number(field) for point in group[begin_at:end]])
            filtered, _ = sosfilt(sections, values, zi=settled * values[0])
            for point, value in zip(group[begin_at:end], filtered):
                yield point.adding(filtered=float(value))


@case("filter_iir", "reference_lowpass", samples)
def low_pass(points):
    return by_scipy(points, "usage", "host", 4, 0.005, "lowpass", 0.1)


@case("filter_iir", "reference_highpass", samples)
def high_pass(points):
    return by_scipy(points, "usage", "host", 3, 1 / 300, "highpass", 0.1)


@case("filter_iir", "reference_bandpass", samples)
def band_pass(points):
    return by_scipy(points, "usage", "host", 5, [0.003, 0.02], "bandpass", 0.1)


@case("filter_iir", "reference_bandstop", samples)
def band_stop(points):
    return by_scipy(points, "usage", "host", 2, [1 / 300, 1 / 60], "bandstop", 0.1)


@case("filter_iir", "reference_order_8", samples)
def high_order(points):
    return by_scipy(points, "usage", "host", 8, 0.0005, "lowpass", 0.1)
