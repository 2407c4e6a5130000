"""What a bundle keeps of how its model was made, so that it can be made again.

The record comes from `fit.json`, or from a bundle that is exported again; older ones lack the keys that came later.
"""

import datetime as dt
import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sentiment_api.model.bundle import MANIFEST, Manifest, open_bundle
from sentiment_train.errors import UnusableCheckpoint

MOST_LOSSES = 200
"""Of the training loss; a longer history is thinned to them."""
_REQUIRED = ("base", "recipe", "minutes", "data_hash", "rows", "cuts")
_OPTIONAL = (
    *("base_sha256", "history", "steps", "best_step", "tokens_per_s", "device", "processes", "precision", "versions"),
    *("label_counts", "sources", "teachers"),
)
_HISTORY_KEYS = ("step", "loss", "eval_loss", "eval_accuracy", "eval_macro_f1")
_PACKAGES = ("sentiment-service", "torch", "transformers", "onnx", "onnxruntime", "scikit-learn", "numpy")


def read_training_record(run: Path) -> dict[str, Any]:
    """Return the record of the model in `run`, a folder that `fit` made or a bundle.

    Keys: base, recipe, minutes, data_hash, rows (by part) and cuts; and of `_OPTIONAL` those that are known.

    Raises:
        UnusableCheckpoint: there is no record, or it is damaged.
    """
    path = run / "fit.json"
    if not path.exists() and (run / MANIFEST).exists():
        found = open_bundle(run).manifest.training
        if missing := set(_REQUIRED) - found.keys():
            raise UnusableCheckpoint(
                f"expected a bundle that `sentiment-train export` made, found one without a record of its training "
                f"({', '.join(sorted(missing))}); export the folder that `sentiment-train fit` made"
            )
        return {key: found[key] for key in (*_REQUIRED, *_OPTIONAL) if key in found}
    try:
        return _flat(json.loads(path.read_text()))
    except OSError as error:
        raise UnusableCheckpoint(f"expected a folder made by `sentiment-train fit`, found no {path}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableCheckpoint(f"{path} is damaged ({error!r}); fit the model again") from error


def _flat(fitted: dict[str, Any]) -> dict[str, Any]:
    data = fitted["data"]
    known = {key: fitted[key] for key in _OPTIONAL if key in fitted}
    if "history" in known:
        known["history"] = compact_history(known["history"])
    if "sources" in data:
        known["sources"] = [source["name"] for source in data["sources"]]
    if all("labels" in counts for counts in data["parts"].values()):
        known["label_counts"] = {part: counts["labels"] for part, counts in data["parts"].items()}
    return {
        "base": fitted["base"],
        "recipe": fitted["recipe"],
        "minutes": fitted["minutes"],
        "data_hash": data["hash"],
        "rows": {part: counts["rows"] for part, counts in data["parts"].items()},
        "cuts": data["cuts"],
        "split": data.get("split", {}),
        **known,
    }


def compact_history(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return step and figures of each entry of a fit's log: all evaluations, and at most `MOST_LOSSES` losses."""
    losses = [place for place, entry in enumerate(history) if "loss" in entry]
    kept = set(losses[:: -(-len(losses) // MOST_LOSSES)]) | set(losses[-1:]) if losses else set()
    return [
        {key: round(entry[key], 5) for key in _HISTORY_KEYS if key in entry}
        for place, entry in enumerate(history)
        if place in kept or "eval_loss" in entry
    ]


def utc_now() -> str:
    """Return the time in UTC, ISO 8601, whole seconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def installed_versions() -> dict[str, str]:
    """Return the versions of this package and of those that decide what is in a bundle."""
    return {name: version(name) for name in _PACKAGES}


def command_lines(manifest: Manifest, statements: Sequence[str]) -> list[str]:
    """Return the commands that make the model again; `statements` are options of the last one, for the card.

    Folders have the names that the README gives them.
    """
    training, name = manifest.training, manifest.name
    labels = "three-way" if manifest.rating_labels.get("3") else "binary"
    prepare = ["prepare", *(training.get("sources") or ["RATINGS"]), "--out", "prepared", "--labels", labels]
    teachers = _named_teachers(training)
    fits = [_fit(teacher["base"], name, teacher["recipe"]) for name, teacher in teachers.items()]
    fits.append(_fit(base_name(training), "run", training["recipe"], list(teachers)))
    export = ["export", "run", "--data", "prepared", "--out", name, "--name", name]
    export += ["--max-tokens", str(manifest.max_tokens)]
    for key, figures in (training.get("also") or {}).items():
        export += ["--also", f"{key}={figures['file']}"]
    return [shlex.join(["sentiment-train", *words]) for words in (prepare, *fits, [*export, *statements])]


def base_name(training: Mapping[str, Any]) -> str:
    """Return the name of the base in `command_lines`: a fit can begin with one of its teachers."""
    names = {teacher["sha256"]: name for name, teacher in _named_teachers(training).items()}
    return str(names.get(training.get("base_sha256", ""), training["base"]))


def _named_teachers(training: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the teachers by the names that they have in `command_lines`, whatever their folders were called."""
    return {f"teacher-{number}": teacher for number, teacher in enumerate(training.get("teachers") or [], 1)}


def _fit(base: str, out: str, recipe: Mapping[str, Any], teachers: Sequence[str] = ()) -> list[str]:
    taught = [word for name in teachers for word in ("--teacher", name)]
    options = _options({name: value for name, value in recipe.items() if teachers or name != "teacher_share"})
    return ["fit", "prepared", "--base", base, "--out", out, *taught, *options]


def _options(recipe: Mapping[str, Any]) -> list[str]:
    """Return a recipe as options of `fit`, all of them: defaults may change."""
    options = []
    for name, value in recipe.items():
        option = name.replace("_", "-")
        options += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    return options
