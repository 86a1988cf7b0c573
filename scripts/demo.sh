#!/usr/bin/env bash
# Installs what is missing, builds the example `sample`, and runs it. Works
# offline and without root once everything is there.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build release --target sample
say "running build/release/examples/sample"
"$root/build/release/examples/sample"
