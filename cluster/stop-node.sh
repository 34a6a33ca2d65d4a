#!/usr/bin/env bash
# Empties this machine's Ray node before it goes: stop-node.sh [PID]
#
# `ray start --block` takes no new trials once it has SIGTERM, but tells nobody else. So the studies' drivers and the
# trials among its descendants get SIGTERM, too: they write checkpoints and end. Returns when `ray start` has ended,
# after RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S at the latest. It is looked for below PID, by default 1: a container.
set -euo pipefail

root=${1:-1}

# Descendants of a process as lines of "PID NAME ARGUMENTS".
below() {
    ps -eo pid=,ppid=,comm=,args= | awk -v root="$1" '
        { parent[$1] = $2; name[$1] = $3; $2 = ""; line[$1] = $0 }
        END { for (p in name) { q = p; while (q > 1 && q != root) q = parent[q]; if (q == root) print line[p] } }'
}

raylet=$(below "$root" | awk '$2 == "raylet" { print $1; exit }')
if [[ -z $raylet ]]; then
    exit 0
fi
main=$(ps -o ppid= -p "$raylet" | tr -d ' ')
kill -TERM "$main"
sleep 2 # until the head knows: a trial that ends earlier would be replaced
below "$raylet" | awk '
    $2 ~ /^ray::/ && $2 !~ /^ray::(IDLE|DashboardA|RuntimeEnv|JobSupervi)/ { print $1 }
    $2 ~ /^python/ && / -m pipeline\.cli / { print $1 }' | xargs --no-run-if-empty kill -TERM
while kill -0 "$raylet" 2>/dev/null; do
    sleep 1
done
