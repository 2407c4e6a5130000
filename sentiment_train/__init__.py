"""The training command line: ratings in, a model bundle out."""

import os

# ONNX Runtime sends telemetry to its maker unless this is set before it is imported (seen with strace in 1.32).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
