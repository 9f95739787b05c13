"""The ensemble of the plugin `anomaly`, by its definition: nothing is kept but the values so far, and all is computed
anew for each point."""

import math

import numpy

from reference import Point, by_group, case

MINUTE = 60 * 1_000_000_000
START = 1_699_920_000 * 1_000_000_000
HOUR = 60 * MINUTE

FEWEST, SHARE, MEMORY, LEAST = 5, 0.02, 10_000, 1e-20


def bucket(number):
    """The bucket of a number above 0, eight for each power of two, and the place within it."""
    fraction, exponent = math.frexp(number)
    eighths = (2 * fraction - 1) * 8
    return 8 * exponent + math.floor(eighths), eighths - math.floor(eighths)


def mean(numbers, length):
    """The mean in which a number counts 1/length when it comes, and the first ones as much as each other."""
    result = 0.0
    for count, number in enumerate(numbers, 1):
        result += (number - result) / min(count, length)
    return result


def share(numbers, parts, number):
    """The share of numbers that are at least about as large as this one. Each counts as a part of a number."""
    if not numbers or number <= 0:
        return 1.0
    weights = parts * (1 + 1 / MEMORY) ** -numpy.arange(len(numbers) - 1, -1, -1.0)
    count = weights.sum()
    if max(numbers) <= 0:
        return LEAST if count >= 300 else 1.0
    # The histogram. The first number above 0 is the top, which each larger one raises by 32 buckets at most.
    top, places = None, []
    for other in numbers:
        if other <= 0:
            places.append(None)
            continue
        place = bucket(other)[0]
        top = place + 1 if top is None else max(top, min(place + 1, top + 32))
        places.append(min(place, top - 1))
    bottom = top - 256
    histogram = numpy.zeros(256)
    for place, weight in zip(places, weights):
        if place is not None and place >= bottom:
            histogram[place - bottom] += weight
    place, within = bucket(number)
    place -= bottom
    if place < 0:
        return 1.0
    # The tail.
    enough = min(max(SHARE * count, FEWEST), count / 2)
    start, least = 256, histogram.nonzero()[0][0]
    while start > least and histogram[start:].sum() < enough:
        start -= 1
    weight = histogram[start:].sum()
    if place < start:
        larger = histogram[place + 1 :].sum() + (1 - within) * histogram[place]
        found = (larger + 0.5) / (count + 1)
    elif weight < enough:
        found = weight / count
    else:
        length = (histogram[start:] * numpy.arange(start, 256)).sum() / weight - start + 0.5
        length = (max(length, 0.25) * weight + 4 * 3) / (weight + 3)
        found = weight / count * math.exp(-(place + within - start) / length)
    about = histogram[max(place - 1, 0) :].sum() / (count + 1)
    return min(max(found, about, LEAST), 1.0)


class View:
    """What a view has said so far. A number of the rarest 2 % counts as a quarter if there was one shortly before."""

    def __init__(self):
        self.numbers, self.parts, self.since_rare = [], [], 0

    def push(self, number):
        found = share(self.numbers, self.parts, number)
        self.numbers.append(number)
        self.parts.append(0.25 if found < SHARE and self.since_rare <= 10 else 1.0)
        self.since_rare = 0 if found < SHARE else self.since_rare + 1
        return found


class Shares:
    """The relative entropy of the last 50 values, in eight ranges of those before."""

    def __init__(self):
        self.values, self.past, self.bounds, self.next, self.of_past = [], [], None, 0, None

    def range(self, value):
        return sum(bound < value for bound in self.bounds)

    def push(self, value):
        count = len(self.values)
        if count >= 50:
            old = self.values[-50]
            stride = min(max(count // 256, 1), 4)
            if len(self.past) < 256:
                self.past.append(old)
            elif count % stride == 0:
                self.past[count // stride % 256] = old
            if self.bounds is not None:
                self.of_past[self.range(old)] += 1
                if sum(self.of_past) > 1024:
                    self.of_past = [number / 2 for number in self.of_past]
        self.values.append(value)
        count += 1
        if len(self.past) >= 50 and count >= self.next:
            self.next = count + min(count, 512)
            ordered = sorted(self.past)
            self.bounds = [ordered[number * len(ordered) // 8] for number in range(1, 8)]
            ranges = numpy.bincount([self.range(other) for other in ordered], minlength=8)
            self.of_past = list(ranges * min(count, 1024) / len(ordered))
        if self.bounds is None:
            return 0.0
        recent = numpy.bincount([self.range(other) for other in self.values[-50:]], minlength=8) / 50
        usual = numpy.maximum(self.of_past, 0.5) / sum(self.of_past)
        return max(sum(a * math.log(a / b) for a, b in zip(recent, usual) if a > 0), 0.0)


def scores(times, values):
    """The score of each value and the view in which it is the most unusual."""
    names = ["level", "recent", "hour", "shift", "spread", "distribution"]
    views = {name: View() for name in [*names, "narrow"]}
    shares, distances = Shares(), []
    values = [value - values[0] for value in values]
    for number, (time, value) in enumerate(zip(times, values)):
        before = values[:number]
        same_hour = [other for at, other in zip(times, before) if at // HOUR % 24 == time // HOUR % 24]

        def distance(others, length):
            return abs(value - mean(others, length)) if others else 0.0

        distances.append(distance(before, 50))
        usual = mean(distances, 1000)
        spread = math.log(mean(distances, 20) / usual + 0.01) if usual > 0 else 0.0
        now = {
            "level": distance(before, 5000),
            "recent": distance(before, 50),
            "hour": distance(same_hour, 50),
            "shift": abs(mean([*before, value], 20) - mean(before, 1000)),
            "spread": max(spread, 0.0),
            "distribution": shares.push(value),
            "narrow": max(-spread, 0.0),
        }
        found = {name: view.push(now[name]) for name, view in views.items()}
        found["spread"] = min(2 * min(found["spread"], found.pop("narrow")), 1.0)
        harmonic = 6 / sum(1 / found[name] for name in names)
        yield -math.log10(harmonic), min(names, key=lambda name: found[name])


def judged(points, name, warmup=100, rest=100, threshold=3.0, reason=None):
    """The points as the plugin passes them on."""
    points = [point for point in points if point.number(name) is not None]
    found = list(scores([point.time for point in points], [point.number(name) for point in points]))
    for number, (point, (score, view)) in enumerate(zip(points, found)):
        if number < warmup:
            yield point.adding(anomaly=False)
            continue
        largest = max((other for other, _ in found[max(warmup, number - rest) : number]), default=-1)
        score = score if score > largest + 0.1 else 0.0
        anomaly = score > threshold
        yield point.adding(score=score, anomaly=anomaly, **({reason: view} if reason and anomaly else {}))


def hosts(rng):
    """Noise with spikes, ints that are often the same, and a level that changes, at irregular times; some points lack the
    field."""
    points, time, walk = [], START, 1e9
    for number in range(1000):
        time += rng.randrange(1, 600) * MINUTE // 60
        host = rng.choice("abc")
        walk += rng.gauss(0, 1) + (500 if number == 700 else 0)
        value = {"a": rng.gauss(50, 2), "b": rng.choice([3, 3, 3, 4]), "c": walk}[host]
        if host != "c" and rng.random() < 0.02:
            value = value * rng.choice([2, 3])
        fields = {"other": 1.0} if number % 50 == 49 else {"usage": value}
        points.append(Point("cpu", {"host": host}, fields, time))
    return points


@case("anomaly", "reference", hosts)
def ensemble(points):
    for group in by_group(points, "host"):
        yield from judged(group, "usage", warmup=50, rest=20, threshold=2.0, reason="why")


def requests(rng):
    """Six days of two services, a point every 15 minutes: one has a daily rhythm, and a midday without requests; the
    other one has a jump that stays, and much later a spike."""
    points = []
    for number in range(6 * 96):
        time = START + number * 15 * MINUTE
        shop = 400 - 250 * math.cos(number / 96 * 2 * math.pi) + rng.gauss(0, 20)
        if 5 * 96 + 46 <= number < 5 * 96 + 52:
            shop *= 0.3
        api = rng.gauss(120, 6) + (60 if number >= 300 else 0) + (200 if number == 530 else 0)
        for service, value in [("api", api), ("shop", shop)]:
            points.append(Point("requests", {"service": service}, {"count": round(value)}, time))
    return points


@case("anomaly", "example", requests)
def example(points):
    for group in by_group(points, "service"):
        yield from judged(group, "count", reason="reason")
