"""`python -m bench NAME [--seconds S] [--json]` runs one bench, `all` runs every one and writes the docs' table."""

from __future__ import annotations

import argparse
import json
import sys

from bench import catalogue, document
from bench.report import Bench, keep, reached, result


def main() -> int:
    """Run what was asked for; exit status 1 only when a bench could not run: a figure that falls short is a fact."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what the docs quote.")
    parser.add_argument(
        "name", choices=[*catalogue.BENCHES, "all", "table"], help="which; `table` rewrites docs/performance.md"
    )
    parser.add_argument("--seconds", type=float, default=None, help="how long each phase lasts")
    parser.add_argument("--json", action="store_true", help="print the record alone, on the last line")
    options = parser.parse_args()
    chosen = [] if options.name == "table" else list(catalogue.BENCHES) if options.name == "all" else [options.name]
    failed = []
    for name in chosen:
        try:
            _run(catalogue.BENCHES[name], options.seconds, options.json)
        except Exception as error:
            if options.name != "all":
                raise
            print(f"{name}: could not run: {error}", file=sys.stderr)
            failed.append(name)
    if options.name in ("all", "table"):
        document.write()
    return 1 if failed else 0


def _run(bench: Bench, seconds: float | None, as_json: bool) -> None:
    if not as_json:
        print(f"{bench.name}: {bench.about}", flush=True)
    record = result(bench, bench.run(seconds or bench.seconds))
    keep(record)
    if not as_json:
        values = record["values"]
        assert isinstance(values, dict)
        for key, value in values.items():
            bound = bench.reach.get(key)
            mark = "" if bound is None else "  reached" if reached(value, bound) else "  falls short"
            print(f"  {key:34} {value:12,.3f}  {json.dumps(bound) if bound else ''}{mark}", flush=True)
    print(json.dumps(record, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
