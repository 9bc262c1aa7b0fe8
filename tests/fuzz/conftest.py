"""Makes bench/ importable, where the fuzzer lives."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
