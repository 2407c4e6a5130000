"""The candidates by name. A module is imported when its candidate is asked for: not everyone has every package."""

import importlib

from benchmarks.engines import Candidate, CandidateUnavailable

_CLASSES = {
    "ours": ("onnx_runtime", "Ours"),
    "ort-dynamic": ("onnx_runtime", "Dynamic"),
    "ort-dynamic-fused": ("onnx_runtime", "DynamicFused"),
    "ort-static": ("onnx_runtime", "Static"),
    "ort-static-fused": ("onnx_runtime", "StaticFused"),
    "openvino-nncf": ("openvino_nncf", "OpenVinoNncf"),
    "ort-fp32": ("onnx_runtime", "Fp32"),
    "torch-fp32": ("pytorch", "TorchFp32"),
    "torch-compile": ("pytorch", "TorchCompile"),
}

NAMES = list(_CLASSES)


def candidate(name: str) -> Candidate:
    """Return the candidate `name`, of `NAMES`.

    Raises:
        CandidateUnavailable: a package that it needs is not installed.
    """
    module, kind = _CLASSES[name]
    try:
        found: Candidate = getattr(importlib.import_module(f"benchmarks.engines.{module}"), kind)()
    except ModuleNotFoundError as error:
        raise CandidateUnavailable(f"the package {error.name} is not installed") from error
    return found
