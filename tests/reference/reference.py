"""Points of cases as the reference implementations read and write them.

A case is a folder `plugins/PLUGIN/cases/CASE` with `case.toml`, `input.lp` and `expected.lp`, as
`kapacitor-wasm test` runs it. Here `expected.lp` is computed by libraries that others have written.
"""

import math
import random
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Point:
    """A point of line protocol. The time is in nanoseconds since 1970."""

    measurement: str
    tags: dict
    fields: dict
    time: int

    def adding(self, **fields):
        """The same point with more fields; None leaves one out."""
        return self.adding_all(fields)

    def adding_all(self, fields):
        """The same for fields whose names are not known before."""
        # Numbers of NumPy become those of Python.
        plain = {name: value.item() if hasattr(value, "item") else value for name, value in fields.items()}
        added = {name: value for name, value in plain.items() if value is not None}
        return replace(self, fields={**self.fields, **added})

    def number(self, name):
        """The value of a field as a float; None if it is absent or no number."""
        value = self.fields.get(name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if is_number else None


def folder(plugin, case):
    """The folder of a case."""
    return ROOT / "plugins" / plugin / "cases" / case


# --- line protocol, without escapes in names and values ------------------------------------------

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _value(text):
    if text.startswith('"'):
        return _STRING.fullmatch(text).group(1)
    if text.endswith("i"):
        return int(text[:-1])
    if text in ("t", "T", "true", "True", "TRUE"):
        return True
    if text in ("f", "F", "false", "False", "FALSE"):
        return False
    return float(text)


def _split_fields(text):
    return re.findall(r'([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]*)', text)


def parse(line):
    """The point of a line."""
    key, rest = line.split(" ", 1)
    fields, time = rest.rsplit(" ", 1)
    measurement, *tags = key.split(",")
    return Point(
        measurement,
        dict(tag.split("=", 1) for tag in tags),
        {name: _value(value) for name, value in _split_fields(fields)},
        int(time),
    )


def _written(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, str):
        return f'"{value}"'
    return repr(float(value))


def line(point):
    """The line of a point."""
    tags = "".join(f",{name}={value}" for name, value in sorted(point.tags.items()))
    fields = ",".join(f"{name}={_written(value)}" for name, value in sorted(point.fields.items()))
    return f"{point.measurement}{tags} {fields} {point.time}"


def read(path):
    """The points of a file."""
    lines = Path(path).read_text().splitlines()
    return [parse(text) for text in lines if text and not text.startswith("#")]


def text_of(points):
    """The file of points."""
    return "".join(line(point) + "\n" for point in points)


def by_group(points, *tags):
    """The points of each group, in the order in which the groups came: a list of lists."""
    groups = defaultdict(list)
    for point in points:
        groups[tuple(point.tags.get(tag) for tag in tags)].append(point)
    return list(groups.values())


# --- cases -----------------------------------------------------------------------------------------

CASES = []


@dataclass
class Case:
    """A case whose expected points are computed here."""

    plugin: str
    name: str
    expect: object
    make_input: object = None
    problems: list = field(default_factory=list)

    def run(self, write):
        """Computes the expected points, and writes or compares them. Returns what differs."""
        where = folder(self.plugin, self.name)
        if write and self.make_input:
            rng = random.Random(f"{self.plugin}/{self.name}")
            (where / "input.lp").write_text(text_of(self.make_input(rng)))
        points = list(self.expect(read(where / "input.lp")))
        if write:
            (where / "expected.lp").write_text(text_of(points))
            return []
        return list(differences(read(where / "expected.lp"), points, tolerance(where)))


def case(plugin, name, make_input=None):
    """Registers the decorated function as the reference of a case: it takes the points of input.lp, and returns those
    that are expected. `make_input` takes a `random.Random`, and returns the points that input.lp is written with."""

    def register(expect):
        CASES.append(Case(plugin, name, expect, make_input))
        return expect

    return register


def tolerance(where):
    """The tolerance of a case, absolute and relative. Libraries may differ from version to version in the last digits,
    so it is never less than 1e-12 here."""
    stated = tomllib.loads((where / "case.toml").read_text()).get("tolerance", {})
    return max(stated.get("absolute", 0.0), 1e-300), max(stated.get("relative", 0.0), 1e-12)


def _same(a, b, absolute, relative):
    # A number of NumPy is a float as well.
    if isinstance(a, float) and isinstance(b, float) and not math.isnan(a):
        return math.isclose(a, b, rel_tol=relative, abs_tol=absolute)
    return type(a) is type(b) and a == b


def differences(committed, computed, allowed):
    """What differs between the points of expected.lp and those that were computed."""
    if len(committed) != len(computed):
        yield f"expected.lp has {len(committed)} points, the reference {len(computed)}"
    for number, (old, new) in enumerate(zip(committed, computed), 1):
        same_fields = old.fields.keys() == new.fields.keys() and all(
            _same(old.fields[name], new.fields[name], *allowed) for name in old.fields
        )
        if not same_fields or (old.measurement, old.tags, old.time) != (new.measurement, new.tags, new.time):
            yield f"point {number}: expected.lp has {line(old)}, the reference {line(new)}"


class UsualDistance:
    """The root of the mean square of distances, of which none counts as more than ten usual ones. This is what
    `algorithms::UsualDistance` is for up to 10,000 distances."""

    def __init__(self):
        self.squares, self.count = 0.0, 0

    def spread(self, distance, spread):
        """The spread that counts for a distance: what is usual if the spread is less than a tenth of that."""
        usual = math.sqrt(self.squares / self.count) if self.count else 0.0
        learnt = min(abs(distance), 10 * usual) if usual > 0 else abs(distance)
        self.squares, self.count = self.squares + learnt**2, self.count + 1
        return usual if spread < usual / 10 else spread
