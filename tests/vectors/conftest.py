"""Makes the packages beside this file importable as a stranger has them: without `tests` around them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
