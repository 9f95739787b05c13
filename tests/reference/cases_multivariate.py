"""Detectors that look at several fields together, and at the shape of a series: by rrcf, river, stumpy and NumPy."""

import math
import random

import numpy
import rrcf

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
    return forest(points, ["requests", "usage_user"], 30, 128, 1280, 1, 128, 12.0)
