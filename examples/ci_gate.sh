#!/bin/sh
# A gate for CI: starts a program that runs console-subscriber, watches it for a while, and fails if
# something blocks a worker.
#
#   examples/ci_gate.sh target/release/my-service --its-arguments
#
# ADDR   where the program serves console-subscriber [127.0.0.1:6669]
# FOR    how long it is watched [30s]
#
# Exit code: 0 if no rule fired, 1 if one did (stderr has the finding), 2 if nothing could be watched.
set -eu

"$@" &
program=$!
trap 'kill $program 2>/dev/null || true' EXIT

# Put load on the program here. `attach` connects as soon as the program serves.

asynctop attach "${ADDR:-127.0.0.1:6669}" --for "${FOR:-30s}" --format json \
    --fail-on long-poll=50ms --fail-on never-yielded --fail-on lost-waker > asynctop-report.json
