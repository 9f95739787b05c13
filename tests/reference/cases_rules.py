"""Rules: levels, states, edges, silences, tables and fences, by pandas, shapely and python-geohash where they have the
like, and otherwise by their definitions."""

import math
from dataclasses import replace

import geohash
import pandas
from scipy.optimize import minimize_scalar
from shapely import Point as Corner
from shapely import Polygon

from reference import Point, by_group, case

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_772_431_200 * SECOND


def having(points, *names):
    """The points that have these fields as numbers."""
    return [point for point in points if all(point.number(name) is not None for name in names)]


# --- threshold_band --------------------------------------------------------------------------------

LEVELS = ["OK", "INFO", "WARNING", "CRITICAL"]


def level(value, high=(), low=()):
    """The level of a value; limits of INFO, WARNING and CRITICAL are None if there are none."""
    above = [place for place, limit in enumerate(high, 1) if limit is not None and value > limit]
    below = [place for place, limit in enumerate(low, 1) if limit is not None and value < limit]
    return LEVELS[max([0, *above, *below])]


def deviations(group, field, window, robust, warmup):
    """How far each value is from those before it that the window reaches, which is a number of points or a time."""
    times = pandas.to_datetime([point.time for point in group])
    values = pandas.Series([point.number(field) for point in group], times)
    # The point itself does not count.
    if isinstance(window, str):
        rolling = values.rolling(window, min_periods=warmup, closed="neither")
    else:
        rolling = values.shift(1).rolling(window, min_periods=warmup)
    if robust:
        middles = rolling.median()
        spreads = 1.482602218505602 * rolling.apply(lambda values: (values - values.median()).abs().median())
    else:
        middles, spreads = rolling.mean(), rolling.std()
    for point, middle, spread in zip(group, middles, spreads):
        yield point, None if math.isnan(middle) else (point.number(field) - middle) / spread


def levels_of_deviations(points, field, window, robust, warmup, limits):
    for group in by_group(having(points, field), "service"):
        for point, deviation in deviations(group, field, window, robust, warmup):
            found = "OK" if deviation is None else level(deviation, *limits)
            yield point.adding(level=found, deviation=deviation)


def response_times(rng):
    """Three hours of two services, one of which slows down for a while and has single slow answers."""
    points = []
    for number in range(360):
        for service, base in (("cart", 80.0), ("search", 240.0)):
            value = base * math.exp(rng.gauss(0, 0.08))
            if service == "search" and number in (140, 141, 260):
                value *= 1.5 + rng.random()
            if service == "cart" and 210 <= number < 228:
                value *= 1.35
            points.append(Point("http", {"service": service}, {"ms": round(value, 1)}, START + number * MINUTE // 2))
    return points


@case("threshold_band", "example", response_times)
def levels_of_response_times(points):
    return levels_of_deviations(points, "ms", 120, True, 30, ((3.0, 4.0, 6.0), ()))


def irregular(rng):
    """Two services, ints now and then, in irregular intervals; some points lack the field."""
    points, time = [], START
    for number in range(400):
        time += rng.randrange(1, 20) * SECOND // 2
        service = rng.choice(["a", "b"])
        value = rng.gauss(50, 3) if service == "a" else 1e6 + rng.gauss(0, 1)
        if number % 40 == 39:
            value += rng.choice([-20, 20])
        value = round(value) if number % 7 == 0 else value
        fields = {"other": 1.0} if number % 50 == 48 else {"ms": value}
        points.append(Point("http", {"service": service}, fields, time))
    return points


@case("threshold_band", "reference_stddev", irregular)
def levels_by_standard_deviations(points):
    return levels_of_deviations(points, "ms", 25, False, 10, ((1.0, 2.0, 3.0), (-1.0, None, -3.0)))


@case("threshold_band", "reference_mad", irregular)
def levels_by_median_absolute_deviations(points):
    limits = ((None, 2.0, 4.0), (None, -2.0, -4.0))
    return levels_of_deviations(points, "ms", "3min", True, 5, limits)


# --- hysteresis ------------------------------------------------------------------------------------


def temperatures(rng):
    """Six hours of two racks. The cooling of one fails for an hour; the other one is near the limit for a while."""
    points = []
    for number in range(360):
        for rack in ("r1", "r2"):
            value = 24 + rng.gauss(0, 0.4)
            if rack == "r1":
                value += 12 * max(0.0, 1 - abs(number - 170) / 60)
            elif 90 < number < 200:
                value += 7.6 + rng.gauss(0, 0.8)
            points.append(Point("sensors", {"rack": rack}, {"temp": round(value, 2)}, START + number * MINUTE))
    return points


def states(group, field, bands, hold, reset_hold):
    """The point and the state of each value of a group, by looking at all values since the last change again."""
    state, changed = "normal", 0
    for number, point in enumerate(group):
        wanted = [state_after(state, earlier.number(field), bands) for earlier in group[changed : number + 1]]
        first = next(place for place in range(len(wanted)) if set(wanted[place:]) == {wanted[-1]})
        held = point.time - group[changed + first].time
        if wanted[-1] != state and held >= (reset_hold if wanted[-1] == "normal" else hold):
            state, changed = wanted[-1], number + 1
        yield point, state


def state_after(state, value, bands):
    high, high_reset, low, low_reset = bands
    if high is not None and value > (high_reset if state == "high" else high):
        return "high"
    return "low" if low is not None and value < (low_reset if state == "low" else low) else "normal"


@case("hysteresis", "example", temperatures)
def states_of_racks(points):
    for group in by_group(points, "rack"):
        for point, state in states(group, "temp", (32.0, 28.0, None, None), 5 * MINUTE, 5 * MINUTE):
            yield point.adding(state=state, active=state != "normal")


def two_fields(rng):
    """Two hosts with a random walk in two fields, ints now and then; any of the fields may be absent."""
    points, time, values = [], START, {(host, field): 50.0 for host in "ab" for field in ("x", "y")}
    for number in range(500):
        time += rng.randrange(1, 20) * SECOND
        host, fields = rng.choice("ab"), {"other": True}
        for field in ("x", "y"):
            value = values[host, field] = 50 + 0.9 * (values[host, field] - 50) + rng.gauss(0, 12)
            if rng.random() < 0.8:
                fields[field] = round(value) if number % 5 == 0 else value
        points.append(Point("walk", {"host": host}, fields, time))
    return points


@case("hysteresis", "reference", two_fields)
def states_of_fields(points):
    results = {}
    for group in by_group(points, "host"):
        for field in ("x", "y"):
            for point, state in states(having(group, field), field, (75.0, 60.0, 25.0, 40.0), 15 * SECOND, 0):
                found = {f"{field}_is": state, f"{field}_on": state != "normal"}
                results.setdefault(id(point), {}).update(found)
    return [point.adding_all(results[id(point)]) for point in points if id(point) in results]


# --- deadband --------------------------------------------------------------------------------------


def tanks(rng):
    """A day of two tanks: one is filled and emptied, the other one stands still."""
    points, levels = [], {"t1": 40.0, "t2": 75.0}
    for number in range(480):
        for tank in ("t1", "t2"):
            if tank == "t1":
                levels[tank] += 0.5 if 100 < number < 200 else -0.3 if 260 < number < 400 else 0.0
            value = round(levels[tank] + rng.gauss(0, 0.25), 2)
            points.append(Point("tank", {"tank": tank}, {"level": value}, START + number * 3 * MINUTE))
    return points


@case("deadband", "example", tanks)
def changes_of_tanks(points):
    for group in by_group(points, "tank"):
        last = None
        for point in group:
            change = last is None or abs(point.number("level") - last.number("level")) > 2.0
            if change or point.time - last.time >= 120 * MINUTE:
                last = point
                yield point


@case("deadband", "reference", two_fields)
def changes_of_fields(points):
    for group in by_group(points, "host"):
        last, values = None, {}
        for point in group:
            found = {name: point.number(name) for name in ("x", "y") if point.number(name) is not None}
            limits = {name: max(10.0, 0.25 * abs(values.get(name, 0.0))) for name in found}
            changes = [name for name in found if abs(found[name] - values.get(name, math.inf)) > limits[name]]
            if found and (changes or point.time - last >= 120 * SECOND):
                last, values = point.time, {**values, **found}
                yield point


# --- edge_detect -----------------------------------------------------------------------------------


def pumps(rng):
    """Four hours of two pumps, each of which runs for some minutes now and then."""
    points = []
    for pump, on, off in (("p1", 25, 40), ("p2", 12, 18)):
        left, running = off, False
        for number in range(480):
            left -= 1
            if left == 0:
                running = not running
                left = (on if running else off) + rng.randrange(-6, 7)
            amps = 8.0 + rng.gauss(0, 0.5) if running else abs(rng.gauss(0, 0.1))
            points.append(Point("pump", {"pump": pump}, {"amps": round(amps, 2)}, START + number * MINUTE // 2))
    return sorted(points, key=lambda point: point.time)


@case("edge_detect", "level", pumps)
def starts_and_stops(points):
    for group in by_group(points, "pump"):
        edge = None
        for before, point in zip(group, group[1:]):
            was, now = before.number("amps") > 2.0, point.number("amps") > 2.0
            if was == now:
                continue
            found = point.adding(edge="rising" if now else "falling", edge_previous=before.number("amps"))
            yield found if edge is None else found.adding(edge_seconds=(point.time - edge) / 1e9)
            edge = point.time


def machines(rng):
    """Eight hours of two machines, which run, idle, and have a fault now and then."""
    points, power = [], {"idle": 0.4, "run": 6.0, "fault": 0.1}
    for machine in ("m1", "m2"):
        mode, left = "idle", 20
        for number in range(480):
            left -= 1
            if left == 0:
                mode = "run" if mode != "run" else rng.choice(["idle", "idle", "fault"])
                left = rng.randrange(30, 90) if mode == "run" else rng.randrange(5, 25)
            fields = {"mode": mode, "kw": round(abs(rng.gauss(power[mode], 0.1)), 2)}
            points.append(Point("machine", {"machine": machine}, fields, START + number * MINUTE))
    return sorted(points, key=lambda point: point.time)


@case("edge_detect", "example", machines)
def modes(points):
    for group in by_group(points, "machine"):
        edge = None
        for before, point in zip(group, group[1:]):
            if point.fields["mode"] != before.fields["mode"]:
                seconds = None if edge is None else (point.time - edge) / 1e9
                yield point.adding(edge="change", edge_previous=before.fields["mode"], edge_seconds=seconds)
                edge = point.time


# --- no_data ---------------------------------------------------------------------------------------


def hosts(rng):
    """Two hours of three hosts, one of which is silent for half an hour, and another one from some time on."""
    points = []
    for number in range(240):
        for host in ("web-1", "web-2", "web-3"):
            if host == "web-2" and 80 <= number < 140 or host == "web-3" and number >= 200:
                continue
            time = START + number * MINUTE // 2 + rng.randrange(SECOND)
            points.append(Point("system", {"host": host}, {"load1": round(rng.expovariate(1), 2)}, time))
    return sorted(points, key=lambda point: point.time)


@case("no_data", "example", hosts)
def silences(points):
    return silences_among(points, False)


@case("no_data", "all", hosts)
def silences_and_all_points(points):
    return silences_among(points, True)


def silences_among(points, passes_all):
    last, silent = {}, set()
    for point in points:
        host = point.tags["host"]
        for other, before in last.items():
            if other != host and other not in silent and point.time - before.time >= 5 * MINUTE:
                silent.add(other)
                silence = {"silent": True, "silent_for": (point.time - before.time) / 1e9}
                yield replace(before, fields=silence, time=point.time)
        if host in silent:
            silent.remove(host)
            back = {"silent": False, "silent_for": (point.time - last[host].time) / 1e9}
            yield replace(point, fields={**(point.fields if passes_all else {}), **back})
        elif passes_all:
            yield point.adding(silent=False)
        last[host] = point


# --- enrich ----------------------------------------------------------------------------------------

INVENTORY = {"web-1": ("berlin", 8.0), "web-2": ("berlin", 16.0), "db-1": ("paris", 64.0)}


def loads(rng):
    """Two hours of four hosts, one of which is not in the table."""
    points = []
    for number in range(120):
        for host, cores in (("web-1", 8), ("web-2", 16), ("db-1", 64), ("test-7", 4)):
            value = cores * (0.5 + 0.3 * math.sin(number / 20) + rng.gauss(0, 0.05))
            points.append(Point("system", {"host": host}, {"load1": round(value, 2)}, START + number * MINUTE))
    return points


@case("enrich", "cells", loads)
@case("enrich", "example", loads)
def loads_with_inventory(points):
    for point in points:
        dc, cores = INVENTORY.get(point.tags["host"], ("unknown", 4.0))
        yield replace(point, tags={**point.tags, "dc": dc}).adding(cores=cores)


# --- geofence --------------------------------------------------------------------------------------

RADIUS = 6371008.7714


def distance(a, b):
    """The haversine distance of two places, (lat, lon) in degrees."""
    (lat, lon), (other_lat, other_lon) = (map(math.radians, place) for place in (a, b))
    square = math.sin((other_lat - lat) / 2) ** 2
    square += math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    return 2 * RADIUS * math.asin(math.sqrt(square))


class Circle:
    def __init__(self, lat, lon, radius):
        self.center, self.radius, self.area = (lat, lon), radius, math.pi * radius**2

    def contains(self, place):
        return distance(self.center, place) <= self.radius

    def border(self, place):
        return abs(distance(self.center, place) - self.radius)


class Area:
    """A polygon of shapely, whose x is the longitude, in one piece without a leap."""

    def __init__(self, text):
        self.corners = [tuple(map(float, corner.split(","))) for corner in text.split()]
        self.polygon = Polygon([(lon, lat) for lat, lon in self.corners])
        self.area = self.polygon.area * (RADIUS * math.pi / 180) ** 2 * math.cos(math.radians(self.corners[0][0]))

    def contains(self, place):
        lat, lon = place
        return any(self.polygon.contains(Corner(lon + turn, lat)) for turn in (-360, 0, 360))

    def border(self, place):
        def to_side(a, b):
            at = lambda share: distance(place, (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
            inner = minimize_scalar(at, bounds=(0, 1), method="bounded", options={"xatol": 1e-12}).fun
            return min(inner, at(0), at(1))

        return min(to_side(a, b) for a, b in zip(self.corners, self.corners[1:] + self.corners[:1]))


def fenced(points, tag, fences, precision, margin):
    """The points with the smallest fence that holds them, and what changes."""
    for group in by_group(having(points, "lat", "lon"), tag):
        before = None
        for point in group:
            place = point.number("lat"), point.number("lon")
            within = [
                name
                for name, fence in fences.items()
                if fence.contains(place) or name == before and margin > 0 and fence.border(place) <= margin
            ]
            now = min(within, key=lambda name: fences[name].area, default="")
            is_event = before is not None and now != before
            yield point.adding(
                fence=now,
                inside=now != "",
                event="" if not is_event else "enter" if now else "leave",
                left=before if is_event else "",
                distance=float(min(fence.border(place) for fence in fences.values())),
                geohash=geohash.encode(place[0], (place[1] + 180) % 360 - 180, precision) if precision else None,
            )
            before = now


def drive(rng):
    """A morning of two trucks, which leave the depot, deliver in the city, and come back; with the error of a GPS."""
    points = []
    routes = {
        "t1": [(52.452, 13.405), (52.452, 13.405), (52.50, 13.38), (52.525, 13.41), (52.525, 13.41), (52.452, 13.405)],
        "t2": [(52.452, 13.405), (52.49, 13.47), (52.56, 13.49), (52.60, 13.40), (52.52, 13.36), (52.452, 13.405)],
    }
    for number in range(200):
        for truck, route in routes.items():
            part, share = divmod(number * (len(route) - 1) / 200, 1)
            (lat, lon), (to_lat, to_lon) = route[int(part)], route[int(part) + 1]
            fields = {
                "lat": round(lat + share * (to_lat - lat) + rng.gauss(0, 0.0001), 6),
                "lon": round(lon + share * (to_lon - lon) + rng.gauss(0, 0.00015), 6),
            }
            points.append(Point("truck", {"truck": truck}, fields, START + number * MINUTE))
    return points


BERLIN = "52.545,13.34 52.548,13.43 52.51,13.47 52.485,13.43 52.49,13.35"


@case("geofence", "example", drive)
def trucks(points):
    fences = {"depot": Circle(52.452, 13.405, 400.0), "city": Area(BERLIN)}
    return fenced(points, "truck", fences, None, 50.0)


def voyage(rng):
    """Ships around Fiji, whose longitudes leap from 180 to -180; some have ints, some points lack a field."""
    points, time = [], START
    places = {"a": (-17.5, 176.0), "b": (-19.0, 181.5), "c": (-14.0, 179.0)}
    for number in range(360):
        time += rng.randrange(1, 600) * SECOND
        ship = rng.choice("abc")
        lat, lon = places[ship]
        lat += rng.gauss(0, 0.3) - 0.1 * (lat + 17.5)
        lon += rng.gauss(0, 0.4) - 0.1 * (lon - 179.5)
        places[ship] = lat, lon
        lon = lon - 360 if lon > 180 and number % 3 else lon
        fields = {"lat": round(lat), "lon": round(lon)} if number % 30 == 29 else {"lat": lat, "lon": lon}
        if number % 50 == 49:
            del fields["lon"]
        points.append(Point("ship", {"ship": ship}, fields, time))
    return points


@case("geofence", "reference", voyage)
def ships(points):
    waters = "-16,176.5 -15.5,180.2 -17.9,182.6 -18.2,179.9 -20.3,178.4 -19.2,176.2"
    fences = {"waters": Area(waters), "suva": Circle(-18.14, 178.42, 60000.0), "east": Circle(-17.0, 180.1, 90000.0)}
    return fenced(points, "ship", fences, 9, 0.0)
