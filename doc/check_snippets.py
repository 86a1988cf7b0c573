#!/usr/bin/env python3
"""Checks that the C++ blocks in the documents are those that are compiled.

Every ```cpp fence in the documents must follow a comment that names its
source and, unless the whole file is meant, a region. The source is a file in
doc/snippets or, with a slash in its name, one below the root of the project:

    <!-- snippet: guide.cpp own-plan -->
    <!-- snippet: readme.cpp -->
    <!-- snippet: examples/journal_table.cpp journal-put -->

A region is what stands between two lines `// [own-plan]`; a name that comes
again goes on where it left off. Blank lines around a region and indentation
that all its lines have in common do not count.

usage: check_snippets.py [--write] [FILE...]

Without files, checks README.md and doc/*.md. Exits with status 1 if something
is wrong. With --write, copies the regions into the documents instead.
"""

import argparse
import os
import re
import sys
import textwrap
from pathlib import Path

DOC = Path(__file__).resolve().parent
ROOT = DOC.parent

COMMENT = re.compile(r"^<!-- snippet: (\S+)(?: (\S+))? -->$")
MARKER = re.compile(r"^\s*// \[([\w-]+)\]$")


class Wrong(Exception):
    """Something that keeps a block from being checked."""


def tidy(lines):
    """Drops common indentation and the blank lines around."""
    return textwrap.dedent("\n".join(lines)).strip("\n").splitlines()


def locate(file):
    """Returns where a source file is, seen from the root of the project."""
    return file if "/" in file else f"doc/snippets/{file}"


def read_source(path):
    """Returns the regions of a source file; None names the whole file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    name = path.relative_to(ROOT)
    regions = {None: []}
    current = None
    for number, line in enumerate(lines, 1):
        match = MARKER.match(line)
        if not match:
            regions[None].append(line)
            if current is not None:
                regions[current].append(line)
        elif current is None:
            current = match[1]
            regions.setdefault(current, [])
        elif current == match[1]:
            current = None
        else:
            raise Wrong(f"{name}:{number}: region '{match[1]}' begins "
                        f"inside region '{current}'")
    if current is not None:
        raise Wrong(f"{name}: region '{current}' does not end")
    return {key: tidy(region) for key, region in regions.items()}


def wanted(match, sources):
    """Returns the lines that a snippet comment stands for."""
    file, region = match[1], match[2]
    if file not in sources:
        path = ROOT / locate(file)
        if not path.is_file():
            raise Wrong(f"there is no {locate(file)}")
        sources[file] = read_source(path)
    if region not in sources[file]:
        raise Wrong(f"{locate(file)} has no region '{region}'")
    return sources[file][region]


def check(path, sources, write):
    """Checks one document. Returns what is wrong, and the regions it shows."""
    lines = path.read_text(encoding="utf-8").splitlines()
    out, wrong, shown = [], [], set()
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.startswith("```"):
            if COMMENT.match(line) and lines[i + 1:i + 2] != ["```cpp"]:
                wrong.append((i + 1, "no ```cpp fence follows this comment"))
            out.append(line)
            i += 1
            continue
        try:
            end = lines.index("```", i + 1)
        except ValueError:
            wrong.append((i + 1, "the fence is not closed"))
            out += lines[i:]
            break
        block = lines[i + 1:end]
        if line == "```cpp":
            match = COMMENT.match(lines[i - 1]) if i > 0 else None
            if match is None:
                wrong.append((i + 1, "no snippet comment stands above"))
            else:
                shown.add((match[1], match[2]))
                try:
                    source = wanted(match, sources)
                    if block != source and not write:
                        name = " ".join(filter(None, (locate(match[1]),
                                                      match[2])))
                        wrong.append((i + 1, f"differs from {name}, run "
                                      "doc/check_snippets.py --write"))
                    block = source
                except Wrong as err:
                    wrong.append((i, str(err)))
        out += [line, *block, "```"]
        i = end + 1
    if write and out != lines:
        path.write_text("\n".join(out) + "\n", encoding="utf-8")
        print(f"wrote {os.path.relpath(path)}")
    return wrong, shown


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true",
                        help="copy the regions into the documents")
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()
    files = [file.resolve() for file in args.files]
    sources, shown, failed = {}, set(), False
    for path in files or [ROOT / "README.md", *sorted(DOC.glob("*.md"))]:
        wrong, found = check(path, sources, args.write)
        shown |= found
        for number, text in wrong:
            failed = True
            print(f"{os.path.relpath(path)}:{number}: {text}",
                  file=sys.stderr)
    if not files:
        for file, regions in sources.items():
            for region in regions:
                if region is not None and (file, region) not in shown:
                    failed = True
                    print(f"{locate(file)}: no document shows region "
                          f"'{region}'", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as err:
        sys.exit(str(err))
