"""The team's MLflow server as it is started everywhere: on a real PostgreSQL, an S3 server, by real clients."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client

from tests.mlflow_server import BUCKET, SCRIPT, UP_SECONDS, MlflowServer, free_port, new_database, s3

NEEDED = (
    "MLFLOW_BACKEND_STORE_URI",
    "MLFLOW_ARTIFACTS_DESTINATION",
    "MLFLOW_AUTH_ADMIN_USERNAME",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
)
# Flask's routes and those that FastAPI answers itself: experiments, artifacts, the page, GraphQL.
DOORS = (
    "/api/2.0/mlflow/experiments/get?experiment_id=0",
    "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0",
    "/api/2.0/mlflow-artifacts/artifacts",
    "/api/2.0/mlflow/users/list",
    "/",
)

# Behind a proxy with TLS.
PUBLIC = {
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.example",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.example",
}


@pytest.fixture
def client(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The administrator's, in an environment that knows of no S3."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return login(mlflow_server, monkeypatch)


def login(
    server: MlflowServer, monkeypatch: pytest.MonkeyPatch, username: str = "", password: str = ""
) -> MlflowClient:
    """From now on this process is that user; by default the administrator."""
    for name, value in server.client.items():
        monkeypatch.setenv(name, value)
    if username:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", username)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    return MlflowClient(server.url)


def status(url: str, username: str = "", password: str = "", **headers: str) -> int:
    if username:
        headers["Authorization"] = f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
    data = b'{"max_results": 1}' if url.endswith("/search") else None
    headers["Content-Type"] = "application/json"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def answers_as_a_proxy_calls_it(server: MlflowServer) -> None:
    """Where PUBLIC stands among its settings."""
    search = f"{server.url}/ajax-api/2.0/mlflow/experiments/search"
    user = (server.username, server.password)
    assert status(search, *user, Host="mlflow.example", Origin="https://mlflow.example") == 200
    assert status(search, *user, Host="mlflow.example", Origin="https://evil.example") == 403
    assert status(search, *user, Host="evil.example") == 403


def hidden(server: MlflowServer) -> set[str]:
    """What nobody but the server may see."""
    database = server.settings["MLFLOW_BACKEND_STORE_URI"].split(":")[2].split("@")[0]
    return {server.password, database, unquote(database), server.settings["AWS_SECRET_ACCESS_KEY"]}


def run_script(**settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **settings}
    return subprocess.run(
        ["bash", SCRIPT], env=environment, capture_output=True, text=True, timeout=UP_SECONDS
    )


def test_nobody_enters_without_the_password(mlflow_server: MlflowServer) -> None:
    name, password = mlflow_server.username, mlflow_server.password
    for door in DOORS:
        url = mlflow_server.url + door
        assert status(url) == 401, door
        assert status(url, name, "password1234") == 401, door
        assert status(url, "nobody", password) == 401, door
    assert status(mlflow_server.url + DOORS[0], name, password) == 200
    assert status(mlflow_server.url + "/health") == 200


def test_only_known_names_of_the_server_are_answered(mlflow_server: MlflowServer) -> None:
    user = (mlflow_server.username, mlflow_server.password)
    assert status(mlflow_server.url + DOORS[0], *user, Host="evil.example") == 403
    search = f"{mlflow_server.url}/ajax-api/2.0/mlflow/experiments/search"
    assert status(search, *user, Origin="https://mlflow.example") == 403  # nobody has named it
    assert status(mlflow_server.url + "/health", Host="evil.example") == 200  # a probe's


def test_artifacts_go_through_the_server(
    mlflow_server: MlflowServer, client: MlflowClient, tmp_path: Path
) -> None:
    run = client.create_run(client.create_experiment("artifacts"))
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    client.log_metric(run.info.run_id, "n2", 998.0, step=3)
    content = os.urandom(100_000)
    (tmp_path / "weights").write_bytes(content)
    client.log_artifact(run.info.run_id, str(tmp_path / "weights"), "model")

    assert client.get_run(run.info.run_id).data.metrics == {"n2": 998.0}
    assert [file.path for file in client.list_artifacts(run.info.run_id, "model")] == ["model/weights"]
    fetched = client.download_artifacts(run.info.run_id, "model/weights", str(tmp_path / "fetched"))
    assert Path(fetched).read_bytes() == content
    bucket = s3(mlflow_server.settings)
    (key,) = [
        entry["Key"]
        for entry in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
        if run.info.run_id in entry["Key"]
    ]
    assert key.startswith("team/")
    assert bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content


def test_a_user_reads_all_and_writes_what_is_allowed(
    mlflow_server: MlflowServer, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = client.create_experiment("shared")
    run = client.create_run(experiment).info.run_id
    users = get_app_client("basic-auth", mlflow_server.url)
    users.create_user("ada", "a-password-of-hers")

    ada = login(mlflow_server, monkeypatch, "ada", "a-password-of-hers")
    assert ada.get_run(run).info.run_id == run
    with pytest.raises(MlflowException, match=r"403|[Pp]ermission"):
        ada.log_metric(run, "n2", 1.0)
    ada.log_metric(ada.create_run(ada.create_experiment("hers")).info.run_id, "n2", 1.0)

    login(mlflow_server, monkeypatch)
    users.grant_user_permission("ada", "experiment", experiment, "EDIT")
    ada = login(mlflow_server, monkeypatch, "ada", "a-password-of-hers")
    ada.log_metric(run, "n2", 1.0)


def test_no_jobs_and_no_secret_to_be_seen(mlflow_server: MlflowServer) -> None:
    processes = mlflow_server.processes()
    assert len(processes) <= 3, processes  # one that starts, one that serves, and Python's resource tracker
    assert not [line for line in processes.values() if "huey" in line or "jobs" in line]
    seen = "\n".join([*processes.values(), mlflow_server.log])
    assert not [secret for secret in hidden(mlflow_server) if secret in seen]
    (configuration,) = mlflow_server.folder.glob("tmp.*/auth.ini")
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    assert stat.S_IMODE(configuration.parent.stat().st_mode) == 0o700
    assert mlflow_server.password not in configuration.read_text()


def test_the_database_may_restart(mlflow_server: MlflowServer, client: MlflowClient) -> None:
    client.create_experiment("before")
    mlflow_server.database.stop()
    mlflow_server.database.start()
    assert client.get_experiment_by_name("before") is not None
    client.create_experiment("after")


def test_a_server_that_is_killed_has_lost_nothing(
    mlflow_server: MlflowServer, client: MlflowClient, tmp_path: Path
) -> None:
    run = client.create_run(client.create_experiment("killed")).info.run_id
    client.log_metric(run, "n2", 7.0)
    client.log_text(run, "here", "note.txt")
    mlflow_server.kill()
    with pytest.raises(OSError, match=r"refused|reset"):
        status(mlflow_server.url + "/health")
    mlflow_server.start()
    assert client.get_run(run).data.metrics == {"n2": 7.0}
    fetched = client.download_artifacts(run, "note.txt", str(tmp_path))
    assert Path(fetched).read_text() == "here"


def test_two_servers_may_meet_an_empty_database(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    url = new_database(mlflow_server.database, "empty", "so-secret")
    settings = {**mlflow_server.settings, "MLFLOW_BACKEND_STORE_URI": url, **PUBLIC}
    servers = [
        replace(mlflow_server, folder=tmp_path / str(n), port=free_port(), settings=settings, process=None)
        for n in range(2)
    ]
    try:
        for server in servers:
            server.launch()
        seen = set()
        for server in servers:
            end = time.monotonic() + UP_SECONDS
            while "Uvicorn running" not in server.log:
                assert time.monotonic() < end
                assert server.process is not None
                assert server.process.poll() is None, server.log[-3000:]
                seen |= set(server.processes().values())
                time.sleep(0.2)
            server.wait()
            seen.add(server.log)
        assert not [line for line in seen for secret in hidden(servers[0]) if secret in line]
        for server in servers:
            answers_as_a_proxy_calls_it(server)
            assert server.stop() == 0
    finally:
        for server in servers:
            server.kill()


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_named(name: str) -> None:
    given = dict.fromkeys(NEEDED, "postgresql+psycopg://x")
    without = run_script(**{key: value for key, value in given.items() if key != name})
    empty = run_script(**{**given, name: ""})
    for done in (without, empty):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"mlflow-server.sh: not set: {name}\n"


def test_all_missing_settings_are_named_at_once() -> None:
    done = run_script()
    assert (done.returncode, done.stderr) == (2, f"mlflow-server.sh: not set: {' '.join(NEEDED)}\n")


def test_another_database_is_refused_without_showing_it() -> None:
    done = run_script(**dict.fromkeys(NEEDED, "mysql://me:so-secret@db/mlflow"))
    assert done.returncode == 2
    assert done.stderr == "mlflow-server.sh: MLFLOW_BACKEND_STORE_URI must begin with postgresql+psycopg://\n"


def test_a_database_that_does_not_answer_is_one_line(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    url = f"postgresql+psycopg://mlflow:so-secret@127.0.0.1:{free_port()}/mlflow"
    settings = {**mlflow_server.settings, "MLFLOW_BACKEND_STORE_URI": url}
    server = replace(mlflow_server, folder=tmp_path / "server", settings=settings, process=None)
    server.launch()
    try:
        assert server.process is not None
        assert server.process.wait(UP_SECONDS) == 1
        assert server.log.splitlines()[-1].startswith("mlflow-server.sh: no database: ")
        assert "Connection refused" in server.log
        assert "so-secret" not in server.log
        assert "Traceback" not in server.log
    finally:
        server.kill()
