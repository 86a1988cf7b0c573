#!/usr/bin/env python3
"""Merges results of director-bench and its peers and prints them side by side.

A row per workload, a column per system and table. A cell has the median and,
in parentheses, how many times that of the floor it is.
"""

import argparse
import json
import sys

SYSTEMS = ["floor", "director", "otp", "elixir"]
FLOOR = ("floor", "")


def read(files):
    results = []
    for name in files:
        with open(name, encoding="utf-8") as file:
            results += json.load(file)
    return results


def column_of(result):
    return result["system"], result.get("table") or ""


def rank(column):
    system = column[0]
    return SYSTEMS.index(system) if system in SYSTEMS else len(SYSTEMS)


def number(value):
    """Three digits, more or less."""
    steps = [(100, 0), (10, 1), (0.1, 2)]
    decimals = next((d for least, d in steps if value >= least), 3)
    return f"{value:.{decimals}f}"


def cell(medians, workload, unit, column):
    median = medians.get((workload, column))
    if median is None:
        return "-"
    floor = medians.get((workload, FLOOR))
    # A ratio of ratios says little.
    if column == FLOOR or not floor or unit == "x":
        return number(median)
    return f"{number(median)} ({number(median / floor)}x)"


def table_of(results):
    """The lines of the table as lists of cells; the first two are headings."""
    units = {r["workload"]: r["unit"] for r in results}
    medians = {(r["workload"], column_of(r)): r["median"] for r in results}
    # Sorting is stable: the order of the files decides among equals.
    columns = sorted(dict.fromkeys(map(column_of, results)), key=rank)
    lines = [
        ["workload", "unit"] + [system for system, _ in columns],
        ["", ""] + [table for _, table in columns],
    ]
    for workload, unit in units.items():
        cells = [cell(medians, workload, unit, column) for column in columns]
        lines.append([workload, unit] + cells)
    return lines


def show(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        names = [text.ljust(width) for text, width in zip(line[:2], widths)]
        cells = [text.rjust(width) for text, width in zip(line[2:], widths[2:])]
        print("  ".join(names + cells).rstrip())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="RESULT.json")
    parser.add_argument("--merged", metavar="FILE", help="write all results")
    args = parser.parse_args()

    results = read(args.files)
    if not results:
        sys.exit("compare.py: no results")
    if args.merged:
        with open(args.merged, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
            file.write("\n")
    for children in sorted({r["children"] for r in results}):
        print(f"\n{children} children, medians (times the floor)\n")
        show(table_of([r for r in results if r["children"] == children]))


if __name__ == "__main__":
    main()
