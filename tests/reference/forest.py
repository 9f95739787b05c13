"""Compares the plugin `forest` with the libraries that have trained its models, on 3,000 rows of each.

    python forest.py HOST PLUGIN                  HOST is the binary kapacitor-wasm, PLUGIN is forest.wasm
    python forest.py HOST PLUGIN --speed BATCH    measures the CPU time for a row as well, of one at a time, and of 1,000
                                                  with BATCH, which is forest_batch.wasm

It trains nine models, converts them with tools/forest, packs them and replays the rows. Forests of scikit-learn, and
LightGBM, must be equal to the last bit, all others to 1e-6. Models that take missing values get rows with some, too. Then it
tries models that the converter must refuse. `requirements.txt` has the libraries.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

# One thread, as a plugin has: more need longer for one row.
os.environ["OMP_NUM_THREADS"] = "1"

import joblib
import lightgbm
import numpy as np
import xgboost
from sklearn import ensemble
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from reference import ROOT, Point, read, text_of

sys.path.insert(0, str(ROOT / "tools" / "forest"))
import kwf  # noqa: E402

ROWS = 3000
FEATURES = ["wind", "gust", "pitch", "rpm", "temperature", "humidity", "direction", "age"]
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


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
    yield xgboost.XGBRegressor(n_estimators=50, n_jobs=1).fit(rows, target), False
    yield xgboost.XGBClassifier(n_estimators=20, n_jobs=1).fit(rows, classes), False
    yield lightgbm.LGBMRegressor(n_estimators=50, n_jobs=1, verbose=-1).fit(rows, target), True


def predictor(model):
    """The function of the library that predicts rows."""
    if isinstance(model, ensemble.IsolationForest):
        return lambda rows: -model.score_samples(rows)
    return getattr(model, "predict_proba", model.predict)


def refused():
    """Models that can't be converted, and a part of the reason."""
    rows, target, classes = data(np.random.default_rng(2))
    rows, target, classes = rows[:300], target[:300], classes[:300]
    ages = np.column_stack([rows[:, 0], np.arange(300) % 5])
    lgbm = lambda **options: lightgbm.LGBMRegressor(n_estimators=2, verbose=-1, **options)
    xgb = lambda objective: xgboost.XGBClassifier(n_estimators=2, objective=objective)
    yield 3, "int is no model of"
    yield "nothing.joblib", "there is no such file"
    yield ensemble.AdaBoostRegressor(n_estimators=2).fit(rows, target), "Not supported model type: AdaBoostRegressor"
    yield ensemble.RandomForestRegressor(2).fit(rows, rows[:, :2]), "several outputs"
    boosted = ensemble.GradientBoostingClassifier(n_estimators=2, loss="exponential")
    yield boosted.fit(rows, classes > 1), "loss `exponential`"
    yield make_pipeline(RobustScaler(), ensemble.RandomForestRegressor(2)).fit(rows, target), "has RobustScaler"
    yield lgbm().fit(ages, ages[:, 1], categorical_feature=[1]), "categories of `gust`"
    yield lgbm(linear_tree=True).fit(rows, target), "linear_tree"
    yield lgbm(zero_as_missing=True).fit(rows, target), "zero_as_missing"
    yield lgbm(reg_sqrt=True).fit(rows, np.abs(target)), "`signed_square`"
    yield xgb("binary:hinge").fit(rows, classes > 1), "`hinge`"
    yield xgb("binary:logitraw").fit(rows, classes > 1), "no probabilities"


def check_refusals(folder):
    """Counts the models that are converted and should not be, or for another reason."""
    wrong = 0
    for model, reason in refused():
        try:
            kwf.convert(model, folder / "refused.kwf", FEATURES[: getattr(model, "n_features_in_", 8)])
            found = "it was converted"
        except kwf.Unsupported as error:
            found = str(error)
        if reason not in found:
            print(f"FAILED {type(model).__name__}: not refused because of {reason}: {found}")
            wrong += 1
    return wrong + check_refused_input(folder)


def check_refused_input(folder):
    """Counts the names and files that should be refused and are not, or for another reason."""
    rows, target, classes = data(np.random.default_rng(2))
    regressor = ensemble.RandomForestRegressor(2).fit(rows[:300], target[:300])
    classifier = ensemble.RandomForestClassifier(2).fit(rows[:300], classes[:300] > 1)
    path = folder / "refused.joblib"
    joblib.dump(regressor, path)
    content, wrong = path.read_bytes(), 0
    damaged = folder / "damaged.joblib"
    damaged.write_bytes(content[:1000])
    for model, to, features, named, reason in (
        (regressor, "refused.kwf", FEATURES[:-1] + FEATURES[:1], None, f"the feature `{FEATURES[0]}` is named twice"),
        (regressor, "refused.kwf", FEATURES[:-1] + [""], None, "the name of a feature is empty"),
        (regressor, "refused.kwf", FEATURES, ["no", "yes"], "its task is regression"),
        (classifier, "refused.kwf", FEATURES, ["no", "no"], "the class `no` is named twice"),
        (path, "refused.joblib", FEATURES, None, "is the model itself"),
        (damaged, "refused.kwf", FEATURES, None, "damaged.joblib can't be read"),
    ):
        try:
            kwf.convert(model, folder / to, features, named)
            found = "it was converted"
        except kwf.Unsupported as error:
            found = str(error)
        if reason not in found:
            print(f"FAILED input: not refused because of {reason}: {found}")
            wrong += 1
    return wrong + (path.read_bytes() != content)


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

    def write(self, rows):
        """The rows as points. A missing value is a missing field; `row` is always there."""
        points = []
        for number, row in enumerate(rows):
            fields = {name: float(value) for name, value in zip(FEATURES, row) if not np.isnan(value)}
            points.append(Point("turbine", {}, {**fields, "row": number}, START + number * SECOND))
        (self.folder / "input.lp").write_text(text_of(points))

    def predictions(self, rows, classes):
        """What the plugin predicts for rows: an array like that of the library."""
        self.write(rows)
        call = "@model().missing('nan')" + (".probabilities()" if classes else "")
        self.run("replay", "model.wasm", "--call", call, "--input", "input.lp", "--output", "out.lp")
        points = read(self.folder / "out.lp")
        names = [f"probability_{number}" for number in range(classes)]
        if not classes:
            names = [name for name in ("prediction", "score") if name in points[0].fields]
        found = np.array([[point.fields[name] for name in names] for point in points])
        if classes:
            assert [point.fields["class"] for point in points] == [str(best) for best in found.argmax(axis=1)]
        return found if classes else found[:, 0]

    def nanoseconds(self, *more):
        """CPU of the plugin for a point of input.lp, and the time until a lone point is answered."""
        written = self.run("bench", "model.wasm", "--call", "@model()", "--input", "input.lp", "--rounds", "3", *more)
        unit = {"ns": 1, "us": 1e3, "ms": 1e6}
        for row in ("CPU of the plugin for a point", "lone point, median"):
            found = re.search(row + r" +([\d,.]+) (ns|us|ms)", written)
            yield float(found[1].replace(",", "")) * unit[found[2]]


def seconds_for(call, least=0.3):
    """The CPU time of a call."""
    call()
    count, start = 0, time.process_time()
    while (passed := time.process_time() - start) < least:
        call()
        count += 1
    return passed / count


def compare(commands, model, rows, exact, title):
    """Says how far the plugin is from the library; returns whether that is near enough."""
    expected = np.asarray(predictor(model)(rows), "f8")
    found = commands.predictions(rows, expected.shape[1] if expected.ndim > 1 else 0)
    equal = np.array_equal(found, expected)
    # XGBoost computes probabilities with 32 bits.
    near = np.allclose(found, expected, rtol=1e-6, atol=0 if expected.ndim == 1 else 1e-7)
    right = equal if exact else near
    difference = np.abs(found - expected)
    relative = (difference / np.maximum(np.abs(expected), 1e-300)).max()
    how = "bit for bit" if equal else f"within {difference.max():.1e}, relative {relative:.1e}"
    print(f"{'ok    ' if right else 'FAILED'} {title:52} {how}", flush=True)
    return right


def takes_missing(model, rows):
    """Whether the library predicts rows with missing values."""
    try:
        predictor(model)(rows)
    except ValueError:
        return False
    return True


def speed(commands, batch, model, rows):
    """Prints the CPU time for a row: of the library, forest and forest_batch."""
    predict, one, thousand = predictor(model), rows[:1], rows[:1000]
    each, many = seconds_for(lambda: predict(one)), seconds_for(lambda: predict(thousand)) / 1000
    commands.write(rows)
    cpu, alone = commands.nanoseconds()
    commands.run("pack", batch, "model.kwf", "--output", "model.wasm")
    together, _ = commands.nanoseconds("--window", "1000s", "--align")
    print(
        f"       for a row: library {each * 1e6:,.1f} us alone, {many * 1e6:,.2f} us in 1,000;"
        f" forest {cpu / 1e3:,.2f} us ({each * 1e9 / cpu:,.0f} x), {alone / 1e3:,.1f} us there and back;"
        f" forest_batch {together / 1e3:,.2f} us in 1,000 ({many * 1e9 / together:.1f} x)",
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("host", type=Path)
    arguments.add_argument("plugin", type=Path)
    arguments.add_argument("--speed", type=Path, metavar="BATCH")
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    rows, target, classes = data(rng)
    asked = rows[ROWS:]
    with_gaps = np.where(rng.random(asked.shape) < 0.05, np.nan, asked)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        commands = Commands(given.host.resolve(), given.plugin.resolve(), Path(folder))
        for model, exact in models(rows[:ROWS], target[:ROWS], classes[:ROWS]):
            commands.pack(model)
            name = type(model).__name__
            size = (commands.folder / "model.kwf").stat().st_size
            failed += not compare(commands, model, asked, exact, f"{name}, {size} bytes")
            if takes_missing(model, with_gaps):
                failed += not compare(commands, model, with_gaps, exact, f"{name}, missing values")
            if given.speed:
                speed(commands, given.speed.resolve(), model, asked)
        failed += check_refusals(commands.folder)
    sys.exit(failed > 0)


main()
