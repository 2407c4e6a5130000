"""How fast the service is, how right its drift verdicts are, and under which harm it keeps its word.

Three folders measure: `speed`, `drift`, `harm`. `pictures` measures nothing: it draws the pictures of the docs. What
stands here is shared by them: the runner (`steps`), the files it writes (`result_files`), the processes under test
(`processes`, `service_process`, `postgres`), and what is sent to them (`client`, `payload`).
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout, which is what benchmarks run in."""
STARTER = ROOT / "models" / "starter"
"""The bundle that is served unless another one is named."""
