"""The full numbers: each crash test with 50 kills, each parser fuzzed for a minute; kept in bench/soak.json.

TOCSIN_TEST_CRASHES and TOCSIN_FUZZ_SECONDS change the numbers. The table in docs/performance.md is written anew.
With tests named (`make soak ARGS=tests/crash/test_tiers.py`) only those run, and what the others found stays as it was:
what failed is named until it passed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / ".cache" / "soak.jsonl"
OUTCOMES = ROOT / ".cache" / "soak.xml"
KEPT = ROOT / "bench" / "soak.json"
ALL = (["tests/crash"], ["-n", "2", "--dist", "worksteal", "tests/fuzz"])  # parsers side by side, one a core
KILLS, FUZZ_SECONDS = "50", "60"


def main() -> int:
    """Run both, or what the arguments name; the exit status is 0 only when all passed."""
    sys.path.insert(0, str(ROOT))
    from bench import document
    from bench.harness import machine

    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.unlink(missing_ok=True)
    environment = {"TOCSIN_TEST_CRASHES": KILLS, "TOCSIN_FUZZ_SECONDS": FUZZ_SECONDS, **os.environ}
    environment["TOCSIN_TEST_RECORD"] = str(RECORD)
    named = sys.argv[1:]
    started_s = time.monotonic()
    ran: set[str] = set()
    failed: set[str] = set()
    for arguments in [named] if named else ALL:
        OUTCOMES.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={OUTCOMES}", *arguments]
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        outcomes = read_outcomes(OUTCOMES)
        ran |= set(outcomes)
        wrong = {test for test, is_passed in outcomes.items() if not is_passed}
        failed |= wrong or ({f"{' '.join(arguments)} (ended with {status})"} if status else set())
    today = datetime.now(UTC).date().isoformat()
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    tests = [{**json.loads(line), "day": today} for line in lines]
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if named else {"tests": [], "failed": []}
    again = {test["test"] for test in tests}
    kept |= {
        "machine": machine(),
        "failed": sorted((set(kept["failed"]) - ran) | failed),
        "tests": [test for test in kept["tests"] if test["test"] not in again] + tests,
    }
    if not named:
        kept |= {"day": today, "minutes": round((time.monotonic() - started_s) / 60, 1)}
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    document.write()
    print(f"bench/soak.json and docs/performance.md are written, {(time.monotonic() - started_s) / 60:.1f} minutes")
    return 1 if failed else 0


def read_outcomes(path: Path) -> dict[str, bool]:
    """Return which tests ran and whether each passed, from pytest's report; empty when it wrote none."""
    if not path.exists():
        return {}
    cases = ElementTree.parse(path).iter("testcase")
    return {
        f"{case.get('classname')}::{case.get('name')}": case.find("failure") is None and case.find("error") is None
        for case in cases
    }


if __name__ == "__main__":
    sys.exit(main())
