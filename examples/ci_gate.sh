#!/bin/sh
# A gate for CI: starts a program that runs console-subscriber, watches it for a while, and fails if
# something blocks a worker.
#
#   examples/ci_gate.sh target/release/my-service --its-arguments
#
# ADDR   where the program serves console-subscriber [127.0.0.1:6669]
# FOR    how long it is watched [30s]
# LOAD   the command of the load generator, which has to run for the whole time of FOR [none]
#
# Exit code: 0 if no rule of --fail-on fired, 1 if one did (stderr has the finding), 2 if the gate could not
# observe the program the whole time.
set -eu

"$@" &
program=$!
load=
trap 'kill $program $load 2>/dev/null || true' EXIT

# Without load, nothing blocks. `attach` connects as soon as the program serves, and FOR begins then; the load
# generator starts before, so it has to repeat failed connections.
if [ -n "${LOAD:-}" ]; then
    sh -c "$LOAD" &
    load=$!
fi

asynctop attach "${ADDR:-127.0.0.1:6669}" --for "${FOR:-30s}" --format json \
    --fail-on long-poll=50ms --fail-on never-yielded --fail-on lost-waker > asynctop-report.json
