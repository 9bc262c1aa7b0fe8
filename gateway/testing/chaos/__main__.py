"""``make faults N=1000 SEED=1``: histories of faults until N faults were injected, and their summary.

usage: python -m gateway.testing.chaos --number N --seed S [--keep FOLDER] [--only NAME,...] [--folder FOLDER]

Exit code 1 when any oracle of any history was broken. ``--number 1 --seed S`` runs the one history of seed S.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.errors import GatewayError
from gateway.testing.chaos import campaign


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.testing.chaos", description=__doc__)
    parser.add_argument("--number", type=int, default=100, help="faults to inject in all")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first history; each next has the next one"
    )
    parser.add_argument("--keep", type=Path, help="where faults.json and faults.txt go")
    parser.add_argument("--only", default="", help="names of faults, separated by commas")
    parser.add_argument(
        "--folder", type=Path, help="where histories are kept while they run, and bad ones after"
    )
    given = parser.parse_args()
    folder = given.folder or campaign.scratch()
    folder.mkdir(parents=True, exist_ok=True)
    only = [name for name in given.only.split(",") if name]
    try:
        campaign.kinds(only)
    except GatewayError as error:
        parser.error(f"{error}; {error.remedy}")
    done = campaign.conduct(given.number, given.seed, folder, only)
    return campaign.finish(done, folder, given.keep)


if __name__ == "__main__":
    sys.exit(main())
