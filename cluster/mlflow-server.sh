#!/usr/bin/env bash
# Starts an MLflow server for a team: what it knows in PostgreSQL, artifacts in an object store that only it reaches,
# and nobody without a password.
#
# Settings are environment variables, so that no password stands in a list of processes. Needed:
#   MLFLOW_BACKEND_STORE_URI       postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, the password percent-encoded
#   MLFLOW_ARTIFACTS_DESTINATION   s3://BUCKET/PREFIX, reached by AWS_ACCESS_KEY_ID, … or the instance's role
#   MLFLOW_AUTH_ADMIN_USERNAME, MLFLOW_AUTH_ADMIN_PASSWORD   the first user; read once, while there is none of the name
# Beyond the machine itself: MLFLOW_HOST, MLFLOW_PORT, MLFLOW_SERVER_ALLOWED_HOSTS, MLFLOW_SERVER_CORS_ALLOWED_ORIGINS.
# `python` is that of the PATH.
set -euo pipefail

missing=()
for name in MLFLOW_BACKEND_STORE_URI MLFLOW_ARTIFACTS_DESTINATION MLFLOW_AUTH_ADMIN_USERNAME \
    MLFLOW_AUTH_ADMIN_PASSWORD; do
    [[ -n ${!name:-} ]] || missing+=("$name")
done
if ((${#missing[@]})); then
    echo "mlflow-server.sh: not set: ${missing[*]}" >&2
    exit 2
fi
if [[ $MLFLOW_BACKEND_STORE_URI != postgresql+psycopg://* ]]; then
    echo "mlflow-server.sh: MLFLOW_BACKEND_STORE_URI must begin with postgresql+psycopg://" >&2
    exit 2
fi

export MLFLOW_WORKERS=${MLFLOW_WORKERS:-2}
# Seven processes and 2 GiB for evaluating language models, which nobody asks for here.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
# Signs the page that adds users, and only while it is open: servers that share a database set one of their own.
export MLFLOW_FLASK_SERVER_SECRET_KEY=${MLFLOW_FLASK_SERVER_SECRET_KEY:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}

# Where users are kept is read from a file alone: with all else, so that one backup has both. RUNTIME_DIRECTORY goes
# with the unit or the pod. Without the cache every request pays for a slow hash of its password, ten times the
# request itself; with it a changed password is accepted for another minute.
umask 077
folder=${RUNTIME_DIRECTORY:-$(mktemp -d)}
export MLFLOW_AUTH_CONFIG_PATH=$folder/auth.ini
cat >"$MLFLOW_AUTH_CONFIG_PATH" <<INI
[mlflow]
default_permission = READ
database_uri = ${MLFLOW_BACKEND_STORE_URI//%/%%}
auth_cache_ttl_seconds = 60
INI

# `mlflow db upgrade`, `python -m mlflow.server.auth db upgrade` and `mlflow server` in one process: on a command line
# the URL would be seen, and importing MLflow takes seconds. Two servers that meet an empty database break each other's
# first tables, so one makes them, the experiment `Default` among them, while others wait.
exec python - <<'PYTHON'
import os
import sys

import sqlalchemy
from mlflow.cli import cli
from mlflow.db import upgrade
from mlflow.server.auth.db.cli import upgrade as upgrade_users
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

url = os.environ["MLFLOW_BACKEND_STORE_URI"]
artifacts = "mlflow-artifacts:/"  # through the server
try:
    # Without a pool, which would keep the connection, and with it the lock.
    turn = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool).connect()
except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
    sys.exit(f"mlflow-server.sh: no database: {str(error).splitlines()[0]}")
with turn:
    turn.execute(sqlalchemy.text("SELECT pg_advisory_lock(hashtext('birthday mlflow'))"))
    upgrade.callback(url)
    SqlAlchemyStore(url, artifacts)
    upgrade_users.callback(url, "head")

cli(["server", "--app-name", "basic-auth", "--serve-artifacts", "--default-artifact-root", artifacts])
PYTHON
