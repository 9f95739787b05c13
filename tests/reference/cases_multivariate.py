"""Detectors that look at several fields together, and at the shape of a series: by rrcf, river, stumpy and NumPy."""

import math
import random

import numpy
import rrcf
import stumpy
from river import anomaly

from reference import Point, by_group, case

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class SplitMix(random.Random):
    """The random numbers of the plugins, for libraries that take a generator."""

    MASK = (1 << 64) - 1

    def __new__(cls, *_):
        return super().__new__(cls)

    def __init__(self, seed):
        self.state = seed & self.MASK

    @classmethod
    def part(cls, seed, number):
        return cls(cls(seed ^ (number * 0xD1342543DE82EF95) & cls.MASK).bits())

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & self.MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & self.MASK
        return mixed ^ (mixed >> 31)

    def random(self):
        return (self.bits() >> 11) * 2.0**-53

    def uniform(self, low, high):
        return low + (high - low) * self.random()


class Moments:
    """Exponentially weighted mean and variance, the first number being the first mean."""

    def __init__(self):
        self.mean, self.variance, self.count = None, 0.0, 0

    def push(self, value, most):
        self.count += 1
        alpha = 1 / min(self.count, most)
        if self.mean is None:
            self.mean = value
            return
        difference = value - self.mean
        self.mean += alpha * difference
        self.variance = (1 - alpha) * (self.variance + alpha * difference * difference)

    def sigma(self):
        return math.sqrt(self.variance)


def measured(rng, hosts, count, pair, lacking="value"):
    """Points of hosts in turn, in irregular intervals, with ints now and then; `pair` gives the values of a point."""
    points, time = [], START
    for number in range(count):
        time += rng.randrange(1, 20) * SECOND // 2
        host = hosts[rng.randrange(len(hosts))]
        fields = dict(zip(("value", "other"), pair(rng, host, number)))
        if number % 11 == 0:
            fields["value"] = round(fields["value"])
        if number % 60 == 59:
            del fields[lacking]
        points.append(Point("m", {"host": host}, fields, time))
    return points


# --- random_cut_forest -------------------------------------------------------------------------------


class WeightedTree(rrcf.RCTree):
    """A tree whose cuts are made in coordinates that are multiplied by weights.

    The box of a leaf has one row in rrcf 0.4.4, of which the cut would always be at the greater of two points, in the first
    dimension. Here it has two, as that of a branch.
    """

    def _insert_point_cut(self, point, bbox):
        bbox = numpy.vstack([bbox[0], bbox[-1]])
        dimension, at = super()._insert_point_cut(point * self.weights, bbox * self.weights)
        return dimension, at / self.weights[dimension]


def expected_displacement(tree, x, weights):
    """The expectation of what `codisp` of rrcf would say of a point after its insertion."""
    node, remains, above, total = tree.root, 1.0, 0.0, 0.0
    while isinstance(node, rrcf.Branch):
        low, high = node.b[0], node.b[-1]
        within = (weights * (high - low)).sum()
        everything = (weights * (numpy.maximum(high, x) - numpy.minimum(low, x))).sum()
        separates = 1 - within / everything
        total += remains * separates * max(above, node.n)
        remains *= 1 - separates
        child, sibling = (node.l, node.r) if x[node.q] <= node.p else (node.r, node.l)
        above = max(above, sibling.n / (child.n + 1))
        node = child
    if node is None:
        return 0.0
    return total + remains * (above if (node.x == x).all() else max(above, node.n))


def check_expectation(tree, x, weights):
    """Compares the expectation with the mean of what rrcf says of a point that is inserted many times."""
    generator, tree.rng = tree.rng, numpy.random.RandomState(1)
    displacements = []
    for _ in range(200):
        tree.insert_point(x, index="again")
        displacements.append(tree.codisp("again"))
        tree.forget_point("again")
    tree.rng = generator
    difference = abs(numpy.mean(displacements) - expected_displacement(tree, x, weights))
    # A displacement that comes once in more than 200 times may be missing.
    assert difference <= 6 * numpy.std(displacements) / math.sqrt(200) + 24 / 200, difference


def forest_scores(vectors_and_weights, trees, size, history, warmup, skipped):
    """The scores of vectors; `skipped` points came before the first of them."""
    forest = [(WeightedTree(), SplitMix.part(0, number), []) for number in range(trees)]
    usual, scores = Moments(), []
    for number, (x, weights) in enumerate(vectors_and_weights):
        displacements = []
        for tree, generator, sample in forest:
            tree.rng, tree.weights = generator, weights
            displacements.append(expected_displacement(tree, x, weights))
            if number % 100 == 99 and tree is forest[0][0]:
                check_expectation(tree, x, weights)
            rank = float(number)
            if history > size:
                gumbel = -math.log(-math.log(generator.random() + 2.0**-54))
                rank = number / history + gumbel
            if len(sample) >= size:
                least = min(sample)
                if rank <= least[0]:
                    continue
                sample.remove(least)
                tree.forget_point(least[1])
            tree.insert_point(x, index=number)
            sample.append((rank, number))
        displacement, points = sum(displacements) / trees, number + 1 + skipped
        score = None
        if points > warmup // 2:
            if points > warmup and usual.mean is not None:
                score = (displacement - usual.mean) / max(usual.sigma(), 1.0)
            usual.push(displacement, history)
        scores.append(score)
    return [None] * skipped + scores


def forest(points, names, trees, size, history, shingle, warmup, threshold):
    """The points with the scores of a random cut forest."""
    for group in by_group([point for point in points if all(name in point.fields for name in names)], "host"):
        spreads, vectors, shingled = [Moments() for _ in names], [], []
        for point in group:
            values = [point.number(name) for name in names]
            for spread, value in zip(spreads, values):
                spread.push(value, history)
            shingled = (shingled + values)[-shingle * len(names) :]
            sigmas = [spread.sigma() for spread in spreads]
            least = min((sigma for sigma in sigmas if sigma > 0), default=1.0)
            weights = [least / sigma if sigma > 0 and len(names) > 1 else 1.0 for sigma in sigmas]
            if len(shingled) == shingle * len(names):
                vectors.append((numpy.array(shingled), numpy.array(weights * shingle)))
        scores = forest_scores(vectors, trees, size, history, warmup, shingle - 1)
        for point, score in zip(group, scores, strict=True):
            yield point.adding(score=score, anomaly=score is not None and bool(score > threshold))


def noise_with_jumps(rng, host, number):
    """Noise of two kinds that go together, with values that stand out; host b has small values."""
    unit = 1.0 if host == "a" else 1e-6
    value = rng.gauss(0, 1) + (15 if number % 97 == 96 else 0)
    return 50 * unit + unit * value, 1e9 * unit * (value + rng.gauss(0, 0.3)) + (5e9 if number % 71 == 70 else 0)


@case("random_cut_forest", "reference", lambda rng: measured(rng, "ab", 420, noise_with_jumps))
def forest_of_two_fields(points):
    return forest(points, ["value", "other"], 4, 24, 100, 2, 24, 5.0)


@case("random_cut_forest", "reference_window", lambda rng: measured(rng, "ab", 420, noise_with_jumps))
def forest_of_a_window(points):
    return forest(points, ["value"], 4, 32, 32, 3, 40, 5.0)


def web_servers(rng):
    """The requests of two web servers and the CPU that they take, every ten minutes for three days. On web-2 the CPU is
    busy for a while at night, with few requests; on web-1 requests are refused at noon, with less CPU."""
    points, minute = [], 60 * SECOND
    for number in range(420):
        day = number / 144
        for host, most in (("web-1", 900.0), ("web-2", 450.0)):
            requests = most * (0.6 - 0.4 * math.cos(2 * math.pi * day)) * rng.gauss(1, 0.05)
            usage = 6 + requests * 60 / most + rng.gauss(0, 1.5)
            if host == "web-2" and 299 <= number < 303:
                usage += 45
            if host == "web-1" and 355 <= number < 358:
                usage -= 40
            fields = {"requests": round(requests), "usage_user": round(usage, 1)}
            points.append(Point("web", {"host": host}, fields, 1_772_409_600 * SECOND + 10 * number * minute))
    return points


@case("random_cut_forest", "example", web_servers)
def forest_of_web_servers(points):
    return forest(points, ["requests", "usage_user"], 10, 128, 1280, 1, 128, 12.0)


# --- half_space_trees --------------------------------------------------------------------------------


def learned_range(values):
    """The lower end and the length of the range that the plugin makes of values."""
    low, high = min(values), max(values)
    length = max(high - low, 1e-15 * abs(low), 2.2250738585072014e-308)
    return low - 0.5 * length, 2.0 * length


def does(known, values):
    """Whether a range still does for values."""
    low, length = known
    within = all(0.0 <= (value - low) / length <= 1.0 for value in values)
    return within and (max(values) - min(values)) / length * 2.0 >= 0.25


class HalfSpaceTrees:
    """The trees of river, on scales from 0 to 1, which are learned anew where they no longer do."""

    def __init__(self, trees, height, size, given):
        self.shape = {"n_trees": trees, "height": height, "window_size": size}
        self.size, self.given = size, given
        self.random, self.model, self.ranges, self.window = SplitMix(0), None, None, []

    def scaled(self, values):
        return {n: (value - low) / length for n, (value, (low, length)) in enumerate(zip(values, self.ranges))}

    def score_and_learn(self, values):
        score = None
        if self.model:
            score = self.model.score_one(self.scaled(values))
            self.model.learn_one(self.scaled(values))
        self.window.append(values)
        if len(self.window) == self.size:
            self.end_window()
        return score

    def end_window(self):
        ranges = []
        for number, given in enumerate(self.given):
            values = [point[number] for point in self.window]
            known = self.ranges[number] if self.ranges and does(self.ranges[number], values) else None
            ranges.append(given or known or learned_range(values))
        if ranges != self.ranges:
            self.ranges, self.model = ranges, anomaly.HalfSpaceTrees(**self.shape)
            self.model.rng = self.random
            for values in self.window:
                self.model.learn_one(self.scaled(values))
        self.window = []


def half_spaces(points, names, trees, height, size, threshold, ranges):
    """The points with the scores of half-space trees: how rare a point is by river, compared with those before."""
    given = [(low, high - low) if low is not None else None for low, high in ranges]
    for group in by_group([point for point in points if all(name in point.fields for name in names)], "host"):
        model, usual = HalfSpaceTrees(trees, height, size, given), Moments()
        for point in group:
            by_river = model.score_and_learn([point.number(name) for name in names])
            score = None
            if by_river is not None:
                rarity = -math.log(1 - by_river)
                if usual.count >= size // 5:
                    score = (rarity - usual.mean) / max(usual.sigma(), 0.1)
                usual.push(rarity, 10 * size)
            yield point.adding(score=score, anomaly=score is not None and score > threshold)


@case("half_space_trees", "reference", lambda rng: measured(rng, "ab", 600, noise_with_jumps))
def half_spaces_of_two_fields(points):
    return half_spaces(points, ["value", "other"], 8, 6, 40, 3.0, [(None, None), (None, None)])


@case("half_space_trees", "reference_range", lambda rng: measured(rng, "ab", 420, noise_with_jumps))
def half_spaces_of_a_range(points):
    return half_spaces(points, ["value"], 10, 8, 50, 3.0, [(-20.0, 100.0)])


def pumps(rng):
    """Pressure and flow of two pumps, once a minute. Pump p-2 leaks for a while; p-1 draws air once."""
    points = []
    for minute in range(400):
        for host in ("p-1", "p-2"):
            speed = 1 + 0.05 * math.sin(minute / 5 + (host == "p-2"))
            pressure, flow = rng.gauss(4.2 * speed, 0.04), rng.gauss(11.5 * speed, 0.12)
            if host == "p-2" and 330 <= minute < 334:
                pressure, flow = pressure - 0.9, flow + 2
            if host == "p-1" and minute == 270:
                pressure, flow = pressure - 1.6, flow - 4
            fields = {"pressure": round(pressure, 2), "flow": round(flow, 2)}
            points.append(Point("pump", {"host": host}, fields, 1_772_431_200 * SECOND + minute * 60 * SECOND))
    return points


@case("half_space_trees", "example", pumps)
def half_spaces_of_pumps(points):
    return half_spaces(points, ["pressure", "flow"], 25, 8, 100, 4.5, [(None, None), (None, None)])


# --- matrix_profile ----------------------------------------------------------------------------------


def windows(points, tag, period):
    """The batches that Kapacitor makes of aligned windows: for each group those that a later point has completed. The
    period must divide a day, since Kapacitor does not begin to count in 1970."""
    for group in by_group(points, tag):
        numbers = sorted({point.time // period for point in group})
        for number in numbers[:-1]:
            yield [point for point in group if point.time // period == number]


def discords(batches, name, length, most, threshold):
    """The parts of each batch that are least like any other part, by stumpy."""
    for batch in batches:
        points = [point for point in batch if name in point.fields]
        series = numpy.array([point.number(name) for point in points])
        profile = stumpy.stump(series, length)[:, 0].astype(float)
        usual = numpy.median(profile)
        sigma = 1.482602218505602 * numpy.median(abs(profile - usual))
        sigma = max(sigma, 0.01 * math.sqrt(2 * length))
        found = []
        for start in sorted(range(len(profile)), key=lambda start: (-round(profile[start], 7), start)):
            if len(found) < most and all(abs(start - other) >= length for other in found):
                found.append(start)
        for start in sorted(found):
            score = (profile[start] - usual) / sigma
            added = {
                "distance": float(profile[start]),
                "score": float(score),
                "anomaly": bool(score > threshold),
            }
            yield points[start].adding(**added)


def waves(rng):
    """Two hosts with waves, whose shape is another one for a while; b has constant parts and a value that is far away. (Where
    it is much farther, stumpy has errors of 1e-4.)"""
    points = []
    for number in range(481):
        for host in "ab":
            value = math.sin(number / 4) + rng.gauss(0, 0.05) + (10 if host == "a" else 1e5)
            if host == "a" and number % 240 in range(140, 150):
                value += 0.7
            if host == "b" and number % 240 in range(60, 110):
                value = 1e5 + 3
            if host == "b" and number == 330:
                value = 1e5 + 50
            fields = {"value": round(value) if number % 13 == 0 else value}
            if number % 50 == 49:
                fields = {"other": 1.0}
            points.append(Point("m", {"host": host}, fields, 1_699_999_200 * SECOND + number * 10 * SECOND))
    return points


@case("matrix_profile", "reference", waves)
def discords_of_waves(points):
    return discords(windows(points, "host", 2400 * SECOND), "value", 24, 2, 4.0)


def presses(rng):
    """The current of two presses, of which each stroke takes 20 points. On press-2 a stroke is without its second
    peak."""
    points = []
    for number in range(541):
        for host, most in (("press-1", 31.0), ("press-2", 27.0)):
            phase = number % 20
            current = 4 + most * math.exp(-((phase - 5) ** 2) / 4)
            if not (host == "press-2" and number // 20 == 14):
                current += 0.4 * most * math.exp(-((phase - 13) ** 2) / 6)
            fields = {"current": round(current * rng.gauss(1, 0.02), 2)}
            points.append(Point("press", {"host": host}, fields, 1_772_431_200 * SECOND + number * 20 * SECOND))
    return points


@case("matrix_profile", "example", presses)
def discords_of_presses(points):
    return discords(windows(points, "host", 3600 * SECOND), "current", 20, 1, 5.0)


# --- spectral_residual -------------------------------------------------------------------------------


def saliency(series, width, estimated, look_back=5):
    """How much each value stands out, by the formulas of the paper with NumPy, without the mean of the series."""
    before = series[:-1]
    slopes = [(before[-1] - before[-1 - back]) / back for back in range(1, look_back + 1)]
    following = before[len(before) - look_back] + look_back * numpy.mean(slopes)
    values = numpy.concatenate([series, numpy.full(estimated, following)])
    spectrum = numpy.fft.fft(values - values.mean())
    amplitudes = abs(spectrum)
    amplitudes[0] = 0
    there = amplitudes > 1e-10 * amplitudes.max()
    logarithms = numpy.where(there, numpy.log(numpy.where(there, amplitudes, 1)), numpy.nan)
    around = numpy.array([numpy.roll(logarithms, shift) for shift in range(-(width // 2), width // 2 + 1)])
    residual = numpy.where(there, logarithms - numpy.nanmean(around, axis=0), 0)
    residual = numpy.where(there, numpy.exp(residual + 1j * numpy.angle(spectrum)), 0)
    return abs(numpy.fft.ifft(residual))[: len(series)]


def spectral_residuals(batches, name, threshold, width=3, size=21, estimated=5):
    """The points with their saliency, compared with that of the points before."""
    for batch in batches:
        points = [point for point in batch if name in point.fields]
        salient = saliency(numpy.array([point.number(name) for point in points]), width, estimated)
        for number, point in enumerate(points):
            score = None
            if number >= size:
                mean = max(salient[number - size : number].mean(), 1e-6 * salient.max())
                score = float((salient[number] - mean) / mean)
            yield point.adding(score=score, anomaly=score is not None and score > threshold)


@case("spectral_residual", "reference", waves)
def residuals_of_waves(points):
    return spectral_residuals(windows(points, "host", 2400 * SECOND), "value", 3.0, 5, 15, 8)


def requests(rng):
    """Requests to two services, once a minute, in two windows of four hours. Shop has two dips, and api a peak."""
    points = []
    for minute in range(481):
        for service, most in (("api", 800.0), ("shop", 300.0)):
            rate = most * (1 + 0.3 * math.sin(minute / 19) + 0.1 * math.sin(minute / 5)) * rng.gauss(1, 0.03)
            if service == "shop" and minute in (150, 390, 391):
                rate *= 0.45
            if service == "api" and minute == 300:
                rate *= 1.6
            time = 1_772_409_600 * SECOND + minute * 60 * SECOND
            points.append(Point("http", {"service": service}, {"requests": round(rate)}, time))
    return points


@case("spectral_residual", "example", requests)
def residuals_of_requests(points):
    return spectral_residuals(windows(points, "service", 4 * 3600 * SECOND), "requests", 4.5)
