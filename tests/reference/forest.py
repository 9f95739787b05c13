"""Compares the plugin `forest` with the libraries that have trained its models, on 3,000 rows of each.

    python forest.py HOST PLUGIN            HOST is the binary kapacitor-wasm, PLUGIN is forest.wasm
    python forest.py HOST PLUGIN --speed    measures predictions a second as well, of one row at a time and of 1,000

It trains nine models, converts them with tools/forest, packs them and replays the rows. Forests of scikit-learn, and
LightGBM, must be equal to the last bit, all others to 1e-6. `requirements.txt` has the libraries.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import lightgbm
import numpy as np
import xgboost
from sklearn import ensemble

from reference import ROOT, Point, read, text_of

sys.path.insert(0, str(ROOT / "tools" / "forest"))
import kwf  # noqa: E402

ROWS = 3000
FEATURES = ["wind", "gust", "pitch", "rpm", "temperature", "humidity", "direction", "age"]
SECOND = 1_000_000_000


def data(rng):
    """Rows of numbers of several sizes, what is predicted of them, and four classes of it."""
    rows = rng.normal(size=(2 * ROWS, len(FEATURES))) * [3, 4, 10, 300, 1e-6, 20, 90, 1e6]
    target = 500 + 40 * rows[:, 0] + rows[:, 1] ** 2 + np.where(rows[:, 2] > 3, -100, 0) + rng.normal(size=len(rows))
    return rows, target, np.digitize(target, [420, 500, 580])


def models(rows, target, classes):
    """The models, and whether they must be equal to the last bit."""
    e = ensemble
    yield e.RandomForestRegressor(100, random_state=0).fit(rows, target), True
    yield e.RandomForestClassifier(100, random_state=0).fit(rows, classes), True
    yield e.ExtraTreesClassifier(50, random_state=0).fit(rows, classes), True
    yield e.GradientBoostingRegressor(n_estimators=50, random_state=0).fit(rows, target), False
    yield e.HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(rows, classes), False
    yield e.IsolationForest(n_estimators=50, random_state=0).fit(rows), False
    yield xgboost.XGBRegressor(n_estimators=50).fit(rows, target), False
    yield xgboost.XGBClassifier(n_estimators=20).fit(rows, classes), False
    yield lightgbm.LGBMRegressor(n_estimators=50, verbose=-1).fit(rows, target), True


def predictor(model):
    """The function of the library that predicts rows."""
    if isinstance(model, ensemble.IsolationForest):
        return lambda rows: -model.score_samples(rows)
    return getattr(model, "predict_proba", model.predict)


class Commands:
    """Runs the host."""

    def __init__(self, host, plugin, folder):
        self.host, self.plugin, self.folder = host, plugin, folder

    def run(self, *arguments):
        done = subprocess.run([self.host, *map(str, arguments)], capture_output=True, text=True, cwd=self.folder)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")
        return done.stdout

    def pack(self, model):
        kwf.convert(model, self.folder / "model.kwf", features=FEATURES)
        self.run("pack", self.plugin, "model.kwf", "--output", "model.wasm")

    def predictions(self, classes):
        """What the plugin predicts for the rows of input.lp: an array like that of the library."""
        call = "@model().probabilities()" if classes else "@model()"
        self.run("replay", "model.wasm", "--call", call, "--input", "input.lp", "--output", "out.lp")
        points = read(self.folder / "out.lp")
        names = [f"probability_{number}" for number in range(classes)]
        if not classes:
            (names,) = [[name] for name in ("prediction", "score") if name in points[0].fields]
        for point in points if classes else []:
            best = max(range(classes), key=lambda number: point.fields[names[number]])
            assert point.fields["class"] == str(best), point
        found = np.array([[point.fields[name] for name in names] for point in points])
        return found if classes else found[:, 0]

    def nanoseconds(self):
        """CPU of the plugin for a point of input.lp."""
        written = self.run("bench", "model.wasm", "--call", "@model()", "--input", "input.lp", "--rounds", "3")
        cpu = re.search(r"CPU of the plugin for a point +([\d,.]+) ?(ns|µs|us|ms)", written)
        alone = re.search(r"lone point, median +([\d,.]+) ?(ns|µs|us|ms)", written)
        unit = {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6}
        return [float(found[1].replace(",", "")) * unit[found[2]] for found in (cpu, alone)]


def seconds_for(call, least=0.3):
    """The time of a call."""
    call()
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < least:
        call()
        count += 1
    return passed / count


def compare(commands, model, rows, exact):
    """Says how far the plugin is from the library; returns whether that is near enough."""
    commands.pack(model)
    expected = np.asarray(predictor(model)(rows), "f8")
    found = commands.predictions(expected.shape[1] if expected.ndim > 1 else 0)
    difference = np.abs(found - expected)
    equal = np.array_equal(found, expected)
    near = np.allclose(found, expected, rtol=1e-6, atol=0 if expected.ndim == 1 else 1e-7)
    right = equal if exact else near
    size = (commands.folder / "model.kwf").stat().st_size
    relative = (difference / np.maximum(np.abs(expected), 1e-300)).max()
    how = "bit for bit" if equal else f"within {difference.max():.1e}, relative {relative:.1e}"
    print(f"{'ok    ' if right else 'FAILED'} {type(model).__name__:32} {size:>9} bytes  {how}", flush=True)
    return right


def speed(commands, model, rows):
    """Prints predictions a second."""
    predict, one, thousand = predictor(model), rows[:1], rows[:1000]
    each, many = seconds_for(lambda: predict(one)), seconds_for(lambda: predict(thousand)) / 1000
    cpu, alone = commands.nanoseconds()
    print(
        f"       library: {1 / each:,.0f}/s one by one, {1 / many:,.0f}/s of 1,000;"
        f" plugin: {1e9 / alone:,.0f}/s alone, there and back ({each * 1e9 / alone:.0f} x),"
        f" {1e9 / cpu:,.0f}/s of CPU ({each * 1e9 / cpu:.0f} x, {many * 1e9 / cpu:.1f} x)",
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("host", type=Path)
    arguments.add_argument("plugin", type=Path)
    arguments.add_argument("--speed", action="store_true")
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    rows, target, classes = data(np.random.default_rng(1))
    asked = rows[ROWS:]
    points = [
        Point("turbine", {}, dict(zip(FEATURES, map(float, row))), 1_700_000_000 * SECOND + number)
        for number, row in enumerate(asked)
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        commands = Commands(given.host.resolve(), given.plugin.resolve(), Path(folder))
        (commands.folder / "input.lp").write_text(text_of(points))
        for model, exact in models(rows[:ROWS], target[:ROWS], classes[:ROWS]):
            failed += not compare(commands, model, asked, exact)
            if given.speed:
                speed(commands, model, asked)
    sys.exit(failed > 0)


main()
