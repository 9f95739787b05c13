"""What the libraries say of a model: its trees as treelite has them, and how the library computes with them."""

import json
import warnings
from pathlib import Path

import numpy as np


class Unsupported(Exception):
    """Why a model can't be converted: a sentence."""


class Source:
    """A model of a library: its trees as treelite has them, and how the library computes with them."""

    features = None  # names
    classes = None  # labels
    threshold = None  # of an isolation forest
    factor = None  # if treelite has it with fewer bits than the library
    input, sum = "f64", "f64"
    predict = None  # predicts rows, to check what was converted

    def __init__(self, trees, name, library):
        self.trees, self.name, self.library = trees, name, library


def of_sklearn(model):
    """scikit-learn: it rounds features to 32 bits, except for histograms, and adds up in 64 bits."""
    import sklearn
    import treelite

    name = type(model).__name__
    if getattr(model, "n_outputs_", 1) > 1:
        raise Unsupported(f"{name} predicts several outputs: train one model for each")
    if getattr(model, "loss", None) == "exponential":
        raise Unsupported(f"{name} has the loss `exponential`, of which treelite knows nothing: use `log_loss`")
    source = Source(treelite.sklearn.import_model(model), name, f"scikit-learn {sklearn.__version__}")
    source.features = getattr(model, "feature_names_in_", None)
    source.classes = getattr(model, "classes_", None)
    source.input = "f64" if name.startswith("Hist") else "f32"
    source.predict = getattr(model, "predict_proba", None) or model.predict
    if name == "IsolationForest":
        from sklearn.ensemble._iforest import _average_path_length

        source.threshold = float(-model.offset_)
        source.factor = float(_average_path_length([model._max_samples])[0])
        source.predict = lambda rows: -model.score_samples(rows)
    return source


def of_xgboost(model):
    """XGBoost: everything has 32 bits."""
    import treelite
    import xgboost

    booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
    trees = booster[: model.best_iteration + 1] if booster is not model and _stopped_early(model) else booster
    source = Source(treelite.frontend.from_xgboost(trees), type(model).__name__, f"XGBoost {xgboost.__version__}")
    source.features = booster.feature_names
    source.input = source.sum = "f32"
    if booster is model:
        source.predict = lambda rows: booster.predict(xgboost.DMatrix(rows, feature_names=booster.feature_names))
    else:
        source.classes = getattr(model, "classes_", None)
        source.predict = getattr(model, "predict_proba", None) or model.predict
    return source


def _stopped_early(model):
    """Whether predictions are made with the trees up to the best one only."""
    try:
        return model.best_iteration is not None
    except AttributeError:
        return False


def of_lightgbm(model):
    """LightGBM: everything has 64 bits."""
    import lightgbm
    import treelite

    booster = model if isinstance(model, lightgbm.Booster) else model.booster_
    _check_lightgbm(booster.model_to_string())
    source = Source(treelite.frontend.from_lightgbm(booster), type(model).__name__, f"LightGBM {lightgbm.__version__}")
    source.features = booster.feature_name()
    source.classes = getattr(model, "classes_", None)
    source.predict = getattr(model, "predict_proba", None) or model.predict
    return source


def _check_lightgbm(text):
    """Refuses what treelite would read as something else."""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "is_linear" and value.strip() == "1":
            raise Unsupported("the leaves of the model are linear models: train it without `linear_tree`")
        if key == "decision_type" and any(int(number) >> 2 & 3 == 1 for number in value.split()):
            raise Unsupported("the model takes zeros for missing values: train it without `zero_as_missing`")


def of_xgboost_file(path):
    """A file of XGBoost, without XGBoost."""
    import treelite

    source = Source(treelite.frontend.load_xgboost_model(str(path)), "Booster", "XGBoost")
    if path.suffix == ".json":
        written = json.loads(path.read_text())
        source.features = written["learner"].get("feature_names") or None
        source.library = "XGBoost " + ".".join(map(str, written["version"]))
    source.input = source.sum = "f32"
    return source


def of_lightgbm_file(path):
    """A file of LightGBM, without LightGBM."""
    import treelite

    text = path.read_text()
    _check_lightgbm(text)
    found = dict(line.split("=", 1) for line in text.split("\n\n")[0].splitlines() if "=" in line)
    source = Source(treelite.frontend.load_lightgbm_model(str(path)), "Booster", f"LightGBM, file of version {found['version']}")
    source.features = found["feature_names"].split()
    return source


def of_file(path):
    """The model in a file. A pickle is a program: open only those that you trust."""
    if not path.is_file():
        raise Unsupported(f"{path}: there is no such file")
    if path.suffix in (".json", ".ubj"):
        return of_xgboost_file(path)
    if path.suffix == ".txt":
        return of_lightgbm_file(path)
    if path.suffix in (".joblib", ".pkl", ".pickle"):
        import joblib

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model = joblib.load(path)
            except ImportError:
                raise
            except Exception as error:
                # It is a program, and may fail with any error.
                raise Unsupported(f"{path} can't be read: {type(error).__name__} {error}".rstrip()) from error
        for warning in caught:
            if "InconsistentVersion" in warning.category.__name__:
                raise Unsupported(f"{path} is of another version of its library: {warning.message}")
        return source_of(model)
    raise Unsupported(f"{path}: a file must end with .joblib, .pkl, .json, .ubj or .txt")


def source_of(model):
    """The model of a library, or in a file."""
    if isinstance(model, (str, Path)):
        return of_file(Path(model))
    of = {"sklearn": of_sklearn, "xgboost": of_xgboost, "lightgbm": of_lightgbm}.get(type(model).__module__.split(".")[0])
    if of is None:
        raise Unsupported(f"{type(model).__name__} is no model of scikit-learn, XGBoost or LightGBM")
    if type(model).__name__ == "Pipeline":
        return of_pipeline(model)
    return of(model)


def of_pipeline(pipeline):
    """A model behind a StandardScaler."""
    *before, (_, model) = [step for step in pipeline.steps if step[1] not in (None, "passthrough")]
    source = source_of(model)
    if not before:
        return source
    kinds = [type(step).__name__ for _, step in before]
    if kinds != ["StandardScaler"]:
        raise Unsupported(f"the pipeline has {', '.join(kinds)} before the model: only one StandardScaler can be converted")
    scaler = before[0][1]
    count = scaler.n_features_in_
    source.mean = scaler.mean_ if scaler.with_mean else np.zeros(count)
    source.scale = scaler.scale_ if scaler.with_std else np.ones(count)
    source.features = getattr(scaler, "feature_names_in_", None)
    predict = source.predict.__name__ if hasattr(source.predict, "__name__") else None
    if type(model).__name__ == "IsolationForest":
        source.predict = lambda rows: -pipeline.score_samples(rows)
    else:
        source.predict = getattr(pipeline, predict)
    return source
