"""Run the whole suite in two passes and close with one summary line.

First everything that may run side by side, on two processes; then what needs the machine to itself: real servers, the
browser, killed processes. Extra arguments go to pytest. A skipped test counts as a failure (tests/conftest.py).
"""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".cache" / "test"
ALONE = "integration or browser or crash"
NO_TEST_RAN = 5


def run_pass(name: str, arguments: list[str]) -> tuple[int, Counter[str]]:
    """Run pytest once; return its exit status and what it counted."""
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "tests", f"--junit-xml={report}", "-q", *arguments]
    status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    counts: Counter[str] = Counter()
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            failed, errors, skipped = (int(suite.get(key, "0")) for key in ("failures", "errors", "skipped"))
            counts.update(failed=failed, error=errors, skipped=skipped)
            counts["passed"] += int(suite.get("tests", "0")) - failed - errors - skipped
    return status, counts


def main() -> int:
    """Run both passes; the exit status is 0 only when both ran tests and all passed."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    extra = sys.argv[1:]
    started_s = time.monotonic()
    statuses, total = [], Counter[str]()
    for name, arguments in (
        ("side-by-side", ["-n", "2", "--dist", "worksteal", "-m", f"not ({ALONE})"]),
        ("alone", ["-m", ALONE]),
    ):
        print(f"--- tests: {name}", flush=True)
        status, counts = run_pass(name, [*arguments, *extra])
        statuses.append(0 if status == NO_TEST_RAN and extra else status)
        total += counts
    parts = [f"{total[word]} {word}" for word in ("failed", "passed", "skipped", "error") if total[word]]
    line = f" {', '.join(parts) or 'no tests ran'} in {time.monotonic() - started_s:.2f}s "
    print(line.center(100, "="), flush=True)
    return 0 if total["passed"] and not any(statuses) else 1


if __name__ == "__main__":
    sys.exit(main())
