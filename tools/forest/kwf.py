#!/usr/bin/env python3
"""Converts trained tree ensembles to .kwf files, which the plugins `forest` and `forest_batch` apply.

From Python, with a model of scikit-learn, XGBoost or LightGBM:

    import kwf
    kwf.convert(model, "pump.kwf", features=["rpm", "pressure"])

From a shell, with a file: joblib or pickle (*.joblib, *.pkl), XGBoost (*.json, *.ubj), LightGBM (*.txt):

    python kwf.py pump.joblib pump.kwf --features rpm,pressure

README.md describes the format, and what can be converted.
"""

import argparse
import hashlib
import json
import struct
import sys
import warnings
from pathlib import Path

import numpy as np

from kwf_sources import Unsupported, source_of

MAGIC, VERSION = b"kwforest", 1
NODE = np.dtype([("value", "<f8"), ("place", "<u4"), ("feature", "<u2"), ("flags", "<u2")])
TREE = np.dtype([("first", "<u4"), ("output", "<u4")])
LEAF, MISSING_LEFT, ALL = 1, 2, 0xFFFFFFFF
WIDTH = {"f32": "f4", "f64": "f8"}

# treelite's names for what is made of the sums. `max_index` is the class with the largest one: the same trees.
LINKS = {
    "identity": "identity",
    "identity_multiclass": "identity",
    "sigmoid": "sigmoid",
    "multiclass_ova": "sigmoid",
    "softmax": "softmax",
    "max_index": "softmax",
    "exponential": "exponential",
    "exponential_standard_ratio": "path_length",
}
LESS, LESS_OR_EQUAL = 2, 3  # treelite's operators
BINARY, REGRESSION, MULTICLASS, RANKING, ISOLATION = range(5)  # treelite's tasks


# --- the format --------------------------------------------------------------------------------------


def arrays_of(model, features):
    """The trees, nodes and vectors of leaves."""
    header = model.get_header_accessor()
    outputs = len(header.get_field("base_scores"))
    trees, nodes, vectors = np.zeros(model.num_tree, TREE), [], {}
    first = 0
    for number in range(model.num_tree):
        tree = model.get_tree_accessor(number)
        field = {name: tree.get_field(name) for name in (
            "cleft", "cright", "split_index", "threshold", "cmp", "default_left", "leaf_value", "leaf_vector",
            "leaf_vector_begin", "leaf_vector_end", "node_type",
        )}
        if tree.get_field("has_categorical_split")[0] or (field["node_type"] == 2).any():
            at = int(field["split_index"][field["node_type"] == 2][0])
            raise Unsupported(
                f"a tree splits on categories of `{features[at]}`: make numbers of them before the training, one-hot for instance"
            )
        inner = field["cleft"] >= 0
        if not np.isin(field["cmp"][inner], (LESS, LESS_OR_EQUAL)).all():
            raise Unsupported("a tree compares with an operator other than < and <=")
        # Below a number is what is not above the number before it.
        threshold = field["threshold"].astype("f8")
        threshold = np.where(field["cmp"] == LESS, np.nextafter(threshold, -np.inf), threshold)
        order, place = _order(field["cleft"].tolist(), field["cright"].tolist())
        made = np.zeros(len(order), NODE)
        is_inner = inner[order]
        at = order[is_inner]
        made["value"][is_inner] = threshold[at]
        made["place"][is_inner] = first + place[field["cright"][at]]
        made["feature"][is_inner] = field["split_index"][at]
        made["flags"][is_inner] = np.where(field["default_left"][at], MISSING_LEFT, 0)
        made["flags"][~is_inner] = LEAF
        leaves = order[~is_inner]
        if len(field["leaf_vector"]):
            begin, end = field["leaf_vector_begin"], field["leaf_vector_end"]
            found = [field["leaf_vector"][begin[leaf] : end[leaf]].astype("<f8").tobytes() for leaf in leaves]
            made["place"][~is_inner] = [vectors.setdefault(vector, len(vectors)) for vector in found]
            output = ALL
        else:
            made["value"][~is_inner] = field["leaf_value"][leaves]
            output = header.get_field("class_id")[number] if outputs > 1 else 0
        trees[number] = (first, output)
        nodes.append(made)
        first += len(made)
    return trees, np.concatenate(nodes), np.frombuffer(b"".join(vectors), "<f8")


def _order(left, right):
    """The nodes of a tree in the order in which they are written, each directly before its left child; and the place of
    each."""
    order, place, stack = [], np.zeros(len(left), "i8"), [0]
    while stack:
        node = stack.pop()
        place[node] = len(order)
        order.append(node)
        if left[node] >= 0:
            stack.append(right[node])
            stack.append(left[node])
    return np.array(order), place


def header_of(source, features, classes):
    """What a file says of the model."""
    accessor = source.trees.get_header_accessor()
    get = lambda name: accessor.get_field(name)
    task, post = int(get("task_type")[0]), get("postprocessor")
    post = post if isinstance(post, str) else post[0]
    if post not in LINKS:
        raise Unsupported(f"what the model makes of its sums (`{post}`) is not supported")
    if int(get("num_target")[0]) > 1:
        raise Unsupported("the model predicts several outputs: train one model for each")
    base, link = get("base_scores").astype("f8"), LINKS[post]
    if source.sum == "f32":
        base = base.astype("f4").astype("f8")
    factor = {"sigmoid": "sigmoid_alpha", "path_length": "ratio_c"}.get(link)
    factor = source.factor or (float(get(factor)[0]) if factor else 1.0)
    kind = "isolation" if task == ISOLATION else "regression"
    if task in (BINARY, MULTICLASS):
        kind = "classification"
        count = max(len(base), 2)
        if task == BINARY and link != "sigmoid":
            raise Unsupported("the model gives no probabilities: train it with an objective such as binary:logistic")
        classes = [str(label) for label in (range(count) if classes is None else classes)]
        if len(classes) != count:
            raise Unsupported(f"the model has {count} classes, and {len(classes)} are named")
    count = source.trees.num_feature
    if features is None:
        raise Unsupported(f"the model has no names of features: name all {count}, in the order of the training")
    if len(features) != count:
        raise Unsupported(f"the model has {count} features, and {len(features)} are named")
    columns = [{"name": str(name)} for name in features]
    _check_names("feature", [column["name"] for column in columns])
    _check_names("class", classes if kind == "classification" else [])
    for number, column in enumerate(columns if hasattr(source, "mean") else []):
        column.update(mean=float(source.mean[number]), scale=float(source.scale[number]))
    header = {
        "task": kind,
        "library": source.library,
        "model": source.name,
        "features": columns,
        "classes": classes if kind == "classification" else [],
        "input": source.input,
        "sum": source.sum,
        "base": base.tolist(),
        "average": bool(get("average_tree_output")[0]),
        "link": link,
        "factor": factor,
    }
    return header if source.threshold is None else {**header, "threshold": source.threshold}


def _check_names(what, names):
    """Refuses names that a plugin refuses or can't find."""
    if "" in names:
        raise Unsupported(f"the name of a {what} is empty")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Unsupported(f"the {what} `{name}` is named twice")


def write(path, header, trees, nodes, vectors):
    """Writes a file."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 16)
    parts = [MAGIC, struct.pack("<II", VERSION, len(text)), text]
    content = b"".join(parts + [array.tobytes() for array in (trees, nodes, vectors)])
    Path(path).write_bytes(content + hashlib.sha256(content).digest())


def read(path):
    """The header, trees, nodes and vectors of a file."""
    content = Path(path).read_bytes()
    content, checksum = content[:-32], content[-32:]
    assert content.startswith(MAGIC) and hashlib.sha256(content).digest() == checksum, "no .kwf file, or damaged"
    version, length = struct.unpack_from("<II", content, 8)
    assert version == VERSION, f"version {version} of the format"
    header, at = json.loads(content[16 : 16 + length]), 16 + length
    arrays = []
    for kind, count in ((TREE, "trees"), (NODE, "nodes"), (np.dtype("<f8"), "vectors")):
        count = header[count] * (len(header["base"]) if count == "vectors" else 1)
        arrays.append(np.frombuffer(content, kind, count, at))
        at += arrays[-1].nbytes
    return header, *arrays


def predict(path, rows):
    """What a file predicts: one number for each row, or one for each class. For checks; plugins are faster."""
    header, trees, nodes, vectors = read(path)
    vectors = vectors.reshape(-1, len(header["base"]))
    mean, scale = ([column.get(key, default) for column in header["features"]] for key, default in (("mean", 0), ("scale", 1)))
    rows = (np.asarray(rows, "f8") - mean) / scale
    rows = rows.astype(WIDTH[header["input"]]).astype("f8")
    sums = np.tile(np.array(header["base"], WIDTH[header["sum"]]), (len(rows), 1))
    for first, output in trees:
        at = np.full(len(rows), first)
        while (inner := nodes["flags"][at] & LEAF == 0).any():
            node, which = nodes[at[inner]], np.flatnonzero(inner)
            value = rows[which, node["feature"]]
            left = (value <= node["value"]) | (np.isnan(value) & (node["flags"] & MISSING_LEFT > 0))
            at[inner] = np.where(left, at[inner] + 1, node["place"])
        if output == ALL:
            sums += vectors[nodes["place"][at]]
        else:
            sums[:, output] += nodes["value"][at].astype(WIDTH[header["sum"]])
    sums = sums.astype("f8") / (len(trees) if header["average"] else 1)
    return _linked(header, sums)


def _linked(header, sums):
    link, factor = header["link"], header["factor"]
    with np.errstate(over="ignore"):
        if link == "sigmoid":
            sums = 1 / (1 + np.exp(-factor * sums))
        elif link == "softmax":
            sums = np.exp(sums - sums.max(axis=1, keepdims=True))
            sums /= sums.sum(axis=1, keepdims=True)
        elif link == "exponential":
            sums = np.exp(sums)
        elif link == "path_length":
            sums = np.exp2(-sums / factor)
    if header["task"] != "classification":
        return sums[:, 0]
    return np.hstack([1 - sums, sums]) if sums.shape[1] == 1 else sums


# --- conversion --------------------------------------------------------------------------------------


def rows_for(header, nodes, count, missing):
    """Rows of values at and around the thresholds of each feature, where a mistake would show."""
    rng = np.random.default_rng(0)
    rows = np.empty((count, len(header["features"])))
    inner = nodes[nodes["flags"] & LEAF == 0]
    for number, column in enumerate(header["features"]):
        at = inner["value"][inner["feature"] == number]
        at = at[np.isfinite(at)] if np.isfinite(at).any() else np.zeros(1)
        values = rng.choice(at, count)
        step = rng.choice([0.0, 0.0, 1e-7, -1e-7, 0.1, -0.1], count) * np.maximum(np.abs(values), np.ptp(at))
        rows[:, number] = (values + step) * column.get("scale", 1.0) + column.get("mean", 0.0)
    # LightGBM takes numbers as small as this for 0, and nobody measures them.
    rows[np.abs(rows) < 1e-30] = 0.0
    if missing:
        rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def check(source, path, count=1000):
    """Compares what a file predicts with what the library predicts.

    Rows with missing values are left out if the library takes none."""
    header, _, nodes, _ = read(path)
    for missing in (False, True):
        rows = rows_for(header, nodes, count, missing)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = np.asarray(source.predict(rows), "f8")
        except ValueError:
            if missing:
                return
            raise
        found = predict(path, rows)
        if expected.ndim < found.ndim:
            # A booster has one probability for two classes, and with `multi:softmax` the number of the class.
            found = found[:, 1] if found.shape[1] == 2 else found.argmax(axis=1)
        if expected.shape != found.shape or not np.allclose(found, expected, rtol=1e-6, atol=1e-7, equal_nan=True):
            raise Unsupported("the converted model predicts other numbers than the library, so it was not written")


def convert(model, path, features=None, classes=None):
    """Writes `model`, of scikit-learn, XGBoost or LightGBM or a file of them, to `path`; returns the header.

    `features` are the names of its features in the order of the training, if the model has none. `classes` are names of
    its classes in place of those it has. Raises Unsupported with a sentence if it can't be converted."""
    import treelite

    try:
        source = source_of(model)
    except ImportError as error:
        raise Unsupported(f"the library of the model must be installed: {error}") from error
    except (treelite.TreeliteError, RuntimeError, NotImplementedError, TypeError) as error:
        # The first line says what it is.
        reason = str(error).strip().splitlines()[0]
        raise Unsupported(f"treelite does not read the model: {reason}") from error
    features = list(source.features if features is None and source.features is not None else features or []) or None
    labels = list(source.classes) if classes is None and source.classes is not None else classes
    header = header_of(source, features, labels)
    if classes is not None and not header["classes"]:
        raise Unsupported(f"classes are named, and the model has none: its task is {header['task']}")
    trees, nodes, vectors = arrays_of(source.trees, features)
    header |= {"trees": len(trees), "nodes": len(nodes), "vectors": len(vectors) // len(header["base"])}
    path = Path(path)
    if isinstance(model, (str, Path)) and path.exists() and path.samefile(model):
        raise Unsupported(f"{path} is the model itself: choose another file to write")
    partial = path.with_name(path.name + ".partial")
    try:
        write(partial, header, trees, nodes, vectors)
        if source.predict:
            check(source, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return header


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", type=Path, help="file of the model")
    arguments.add_argument("output", type=Path, help="file to write, such as pump.kwf")
    arguments.add_argument("--features", help="names of the features, separated by commas, if the model has none")
    arguments.add_argument("--classes", help="names of the classes, separated by commas")
    given = arguments.parse_args()
    names = lambda text: None if text is None else [name.strip() for name in text.split(",")]
    try:
        header = convert(given.model, given.output, names(given.features), names(given.classes))
    except (Unsupported, OSError) as error:
        sys.exit(f"kwf: {error}")
    names = ", ".join(column["name"] for column in header["features"])
    print(f"{given.output}: {header['task']} by {header['model']} of {header['library']}")
    print(f"{header['trees']} trees with {header['nodes']} nodes, {given.output.stat().st_size} bytes")
    print(f"features: {names}")
    if header["classes"]:
        print(f"classes: {', '.join(header['classes'])}")


if __name__ == "__main__":
    main()
