"""The full numbers: each crash test with 50 kills, each parser fuzzed for a minute; kept in bench/soak.json.

TOCSIN_TEST_CRASHES and TOCSIN_FUZZ_SECONDS change the numbers. The table in docs/performance.md is written anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / ".cache" / "soak.jsonl"
KILLS, FUZZ_SECONDS = "50", "60"


def main() -> int:
    """Run both; the exit status is 0 only when all passed."""
    sys.path.insert(0, str(ROOT))
    from bench import document
    from bench.harness import machine

    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.unlink(missing_ok=True)
    environment = {"TOCSIN_TEST_CRASHES": KILLS, "TOCSIN_FUZZ_SECONDS": FUZZ_SECONDS, **os.environ}
    environment["TOCSIN_TEST_RECORD"] = str(RECORD)
    started_s = time.monotonic()
    statuses = [
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *arguments], cwd=ROOT, env=environment, check=False
        ).returncode
        for arguments in (
            ["tests/crash"],
            ["-n", "2", "--dist", "worksteal", "tests/fuzz"],
        )  # parsers side by side, one a core
    ]
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    kept = {
        "machine": machine(),
        "day": datetime.now(UTC).date().isoformat(),
        "passed": not any(statuses),
        "minutes": round((time.monotonic() - started_s) / 60, 1),
        "tests": [json.loads(line) for line in lines],
    }
    (ROOT / "bench" / "soak.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    document.write()
    print(f"bench/soak.json and docs/performance.md are written, {kept['minutes']} minutes")
    return 1 if any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
