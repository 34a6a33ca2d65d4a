#!/usr/bin/env bash
# A study as a Slurm job, from a checkout: sbatch cluster/slurm.sh STUDY RUNS [options of `birthday run`]
# e.g. sbatch --nodes=8 --gpus-per-node=4 cluster/slurm.sh studies/quickstart.yaml /shared/runs
#SBATCH --job-name=birthday
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

study=${1:?STUDY: a study file}
runs=${2:?RUNS: a path that all nodes share, or a URL}
shift 2

set -a
# shellcheck source=environment
. "${SLURM_SUBMIT_DIR:?}/cluster/environment"
set +a
export PATH=${BIRTHDAY_VENV:-$SLURM_SUBMIT_DIR/.venv}/bin:$PATH
export RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
# On the node's own disk and short: sockets lie below. Not `--temp-dir`, under which symmetric-run looks for no Ray.
export RAY_TMPDIR=${BIRTHDAY_TMP:-/tmp}/birthday-$SLURM_JOB_ID
mkdir -p "$RAY_TMPDIR"

hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts%%$'\n'*} # the first, where this script runs; `| head -n 1` might end scontrol, and so this script, by SIGPIPE
address=$head:$((20000 + SLURM_JOB_ID % 20000))

# shellcheck disable=SC2016 # expanded on the head
srun --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_ON_NODE" --cpu-bind=none \
    --kill-on-bad-exit=0 --wait=120 \
    ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    bash -c 'echo $$ >"$RAY_TMPDIR/driver"; exec "$@"' driver \
    python -m pipeline.cli run "$study" --runs "$runs" --address "$address" "$@" &
step=$!

# Slurm gives 180 s of notice, then sends SIGTERM to everything at once, and Ray would die before its trials are saved.
# The driver alone is told: it lets them write their checkpoints, and with its end all else ends.
# shellcheck disable=SC2329 # by the traps
stop() {
    kill -TERM "$(cat "$RAY_TMPDIR/driver" 2>/dev/null || echo "$step")" || true
}
again=
trap 'again=yes; stop' USR1 # out of time: the same command goes on in the next run of this job
trap stop TERM              # scancel --batch --signal=TERM JOB: ends cleanly, and for good

status=0
while kill -0 $step 2>/dev/null; do
    status=0
    wait $step || status=$?
done
rm -rf "$RAY_TMPDIR"
if [[ -n $again && $status -ne 0 ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
