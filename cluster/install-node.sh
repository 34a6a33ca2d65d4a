#!/usr/bin/env bash
# Makes a machine with systemd a node, from a checkout and as root: install-node.sh TOKEN_FILE [EXTRAS]
#
# Lays /opt/birthday (Python environment, pinned versions), /etc/birthday (environment, token), a user `birthday` and
# the units; starts nothing. Run again, it updates all but /etc/birthday/environment, which is the site's.
set -euo pipefail

token=${1:?the file with the token}
extras=${2:-train,s3}
checkout=$(cd "$(dirname "$0")/.." && pwd)

id birthday >/dev/null 2>&1 ||
    useradd --system --create-home --home-dir /var/lib/birthday --shell /usr/sbin/nologin birthday
[[ -x /opt/birthday/bin/python ]] || python3 -m venv /opt/birthday
/opt/birthday/bin/pip install --quiet -c "$checkout/cluster/constraints.txt" "${checkout}[$extras]"
install -m 755 "$checkout/cluster/stop-node.sh" "$checkout/cluster/mlflow-server.sh" /opt/birthday/
install -d -m 755 /etc/birthday
[[ -e /etc/birthday/environment ]] || install -m 640 -g birthday "$checkout/cluster/environment" /etc/birthday/environment
install -m 400 -o birthday "$token" /etc/birthday/token
install -m 644 "$checkout"/cluster/birthday-*.service /etc/systemd/system/
systemctl daemon-reload
