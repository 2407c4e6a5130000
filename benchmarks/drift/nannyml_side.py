"""NannyML's part of the comparison; runs in an environment of its own: `python nannyml_side.py FOLDER WINDOWS`.

Prints for each window whether any column drifted by NannyML's own thresholds, and whether the estimated accuracy did:
in any of the window's chunks. Those have 1,000 rows, since thresholds are the spread of the reference's own chunks, and
it has about 5,000 rows.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

import nannyml  # type: ignore[import-not-found]  # noqa: E402 - its imports warn; it is not of this environment
import pandas as pd  # noqa: E402

CHUNK_ROWS = 1_000


def main() -> None:
    """Judge every window of the folder."""
    folder, windows = Path(sys.argv[1]), int(sys.argv[2])
    nannyml.disable_usage_logging()
    reference = pd.read_csv(folder / "reference.csv")
    columns = [name for name in reference.columns if name not in ("predicted", "probability", "target")]
    drift = nannyml.UnivariateDriftCalculator(column_names=columns, chunk_size=CHUNK_ROWS).fit(reference)
    cbpe = nannyml.CBPE(
        y_pred="predicted",
        y_pred_proba="probability",
        y_true="target",
        metrics=["accuracy"],
        problem_type="classification_binary",
        chunk_size=CHUNK_ROWS,
    ).fit(reference)
    found = []
    for number in range(windows):
        window = pd.read_csv(folder / f"window-{number}.csv")
        found.append([_alarms(drift.calculate(window)), _alarms(cbpe.estimate(window.drop(columns="target")))])
    print(json.dumps(found))


def _alarms(result: Any) -> bool:  # noqa: ANN401 - NannyML has no types
    table = result.filter(period="analysis").to_df()
    alerts = [name for name in table.columns if name[-1] == "alert"]
    return bool(table[alerts].to_numpy().any())


if __name__ == "__main__":
    main()
