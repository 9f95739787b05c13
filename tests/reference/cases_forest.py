"""Tree ensembles, by the libraries that train them.

The models are small, and trained anew each time: with the versions of requirements.txt they are always the same. Writing a
case writes its model, too. `forest.py` compares large models.
"""

import sys
import warnings

import lightgbm
import numpy
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reference import ROOT, Point, case

sys.path.insert(0, str(ROOT / "tools" / "forest"))
import kwf  # noqa: E402

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 472_222 * HOUR

FOLDERS = {"turbine": "forest", "weld": "forest", "pump": "forest_batch"}


def write_model(name, model, features, classes=None):
    """Writes the model of a case."""
    path = ROOT / "plugins" / FOLDERS[name] / "models" / name / f"{name}.kwf"
    path.parent.mkdir(parents=True, exist_ok=True)
    kwf.convert(model, path, features, classes)


def in_models(name, case_name="reference"):
    """Where a case with a model is: it runs with the packed plugin, so it is not among the other cases."""
    return f"../models/{name}/cases/{case_name}"


def predicted(function, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return numpy.asarray(function(numpy.array(rows, dtype=float)), dtype=float)


# --- a wind turbine: the power that it should have ------------------------------------------------

TURBINE = ["wind_speed", "air_density"]


def power_curve(wind, density):
    """kW of a turbine of 2 MW."""
    usable = numpy.clip((wind**3 - 27) / (1728 - 27), 0, 1)
    return numpy.where(wind < 25, numpy.minimum(2000, 2000 * usable * density / 1.225), 0)


def turbine():
    rng = numpy.random.RandomState(7)
    rows = numpy.column_stack([rng.weibull(2, 4000) * 9, rng.normal(1.225, 0.03, 4000)])
    power = power_curve(rows[:, 0], rows[:, 1]) + rng.normal(0, 15, 4000)
    return RandomForestRegressor(10, max_depth=7, random_state=0).fit(rows, power)


def turbine_input(rng):
    """Two days of two turbines; the blades of the second one are iced in the second night."""
    write_model("turbine", turbine(), TURBINE)
    points, wind = [], {"T1": 8.0, "T2": 7.5}
    for step in range(288):
        for name in wind:
            wind[name] = min(max(wind[name] + rng.gauss(0, 0.6) + 0.02 * (9 - wind[name]), 0.5), 24)
            density = 1.225 + 0.02 * numpy.cos(step / 144 * 2 * numpy.pi) + rng.gauss(0, 0.003)
            power = float(power_curve(wind[name], density)) + rng.gauss(0, 15)
            if name == "T2" and 170 <= step < 230:
                power *= 0.72
            fields = {"wind": round(wind[name], 2), "air_density": round(density, 4), "power": round(power, 1)}
            if step % 60 == 17:
                del fields["power" if name == "T1" else "wind"]
            if step % 50 == 9:
                fields["wind"] = round(wind[name])
            points.append(Point("scada", {"turbine": name}, fields, START + 10 * step * MINUTE))
    return points


@case("forest", in_models("turbine", "example"), turbine_input)
def expected_power(points):
    """Feature `wind_speed` is field `wind`, and too far is more than 150 kW and more than a tenth."""
    points = [point for point in points if point.number("wind") is not None]
    rows = [[point.number("wind"), point.number("air_density")] for point in points]
    for point, power in zip(points, predicted(turbine().predict, rows)):
        actual = point.number("power")
        residual = None if actual is None else float(actual - power)
        anomaly = residual is not None and bool(abs(residual) > max(150, 0.1 * abs(power)))
        yield point.adding(prediction=float(power), residual=residual, anomaly=anomaly)


# --- a weld: its class -------------------------------------------------------------------------------

WELD = ["current", "voltage", "wire_speed", "gas_flow"]
WELDS = ["burn_through", "cold", "ok", "porosity"]
USUAL = {
    "ok": (180, 24, 7.5, 15),
    "burn_through": (230, 27, 7.6, 15),
    "cold": (140, 21, 7.4, 15),
    "porosity": (182, 24.3, 7.5, 6),
}
SPREAD = (12, 0.8, 0.3, 2.5)


def weld():
    """A model that has seen welds without a gas sensor."""
    rng = numpy.random.RandomState(11)
    classes = rng.choice(4, 3000, p=[0.1, 0.1, 0.65, 0.15])
    rows = numpy.array([rng.normal(USUAL[WELDS[number]], SPREAD) for number in classes])
    rows[rng.rand(3000) < 0.1, 3] = numpy.nan
    model = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=12, verbose=-1, n_jobs=1, random_state=0)
    return model.fit(rows, numpy.array(WELDS)[classes])


def weld_input(rng):
    """Welds of two robots; some points have no gas flow, and some no current."""
    write_model("weld", weld(), WELD)
    points = []
    for number in range(300):
        kind = rng.choices(list(USUAL), [0.7, 0.1, 0.1, 0.1])[0]
        values = [rng.gauss(mean, spread) for mean, spread in zip(USUAL[kind], SPREAD)]
        fields = {name: round(value, 2) for name, value in zip(WELD, values)}
        if number % 23 == 5:
            del fields["gas_flow"]
        if number % 37 == 9:
            del fields["current"]
        if number % 10 == 0:
            fields["current"] = round(values[0])
        time = START + number * 8 * SECOND + rng.randrange(SECOND)
        points.append(Point("weld", {"robot": f"R{number % 2 + 1}", "station": "a"}, fields, time))
    return points


@case("forest", in_models("weld"), weld_input)
def class_of_weld(points):
    """A missing value is one for LightGBM, too. Below 0.6 the class is `unknown`."""
    model = weld()
    rows = [[numpy.nan if point.number(name) is None else point.number(name) for name in WELD] for point in points]
    for point, each in zip(points, predicted(model.predict_proba, rows)):
        best = int(each.argmax())
        found = str(model.classes_[best]) if each[best] >= 0.6 else "unknown"
        probabilities = {f"p_{name}": float(value) for name, value in zip(model.classes_, each)}
        yield point.adding_all({"class": found, "p": float(each[best]), **probabilities})


# --- a pump: how unusual it is ------------------------------------------------------------------------

PUMP = ["pressure", "flow", "vibration", "temperature"]


def pump():
    rng = numpy.random.RandomState(3)
    flow = rng.normal(100, 8, 3000)
    rows = numpy.column_stack(
        [6 - 0.02 * (flow - 100) + rng.normal(0, 0.1, 3000), flow, rng.gamma(4, 0.5, 3000), rng.normal(60, 3, 3000)]
    )
    forest = IsolationForest(n_estimators=25, max_samples=64, contamination=0.02, random_state=0)
    return make_pipeline(StandardScaler(), forest).fit(rows)


def pump_input(rng):
    """Five hours of two pumps, one of which begins to cavitate; some points lack the vibration."""
    write_model("pump", pump(), PUMP)
    points = []
    for minute in range(320):
        for name in ("p1", "p2"):
            flow = rng.gauss(100, 8)
            bad = max(0, minute - 210) / 60 if name == "p2" else 0
            fields = {
                "pressure": round(6 - 0.02 * (flow - 100) + rng.gauss(0, 0.1) - 0.8 * bad, 3),
                "flow": round(flow * (1 - 0.15 * bad), 2),
                "vibration": round(rng.gammavariate(4, 0.5) + 4 * bad, 3),
                "temperature": round(rng.gauss(60, 3), 1),
            }
            if minute % 100 == 40:
                del fields["vibration"]
            points.append(Point("pump", {"pump": name}, fields, START + minute * MINUTE))
    return points


@case("forest_batch", in_models("pump", "example"), pump_input)
def score_of_pump(points):
    """Windows of an hour, of which the last one never ends. The threshold is the one of the model."""
    model = pump()
    end = max(point.time for point in points) // HOUR * HOUR
    points = [point for point in points if "vibration" in point.fields and point.time < end]
    rows = [[point.number(name) for name in PUMP] for point in points]
    threshold = -model[-1].offset_
    for point, score in zip(points, -predicted(model.score_samples, rows)):
        yield point.adding(score=float(score), anomaly=bool(score > threshold))
