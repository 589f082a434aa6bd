"""django-oauth-toolkit, the newest, under gunicorn: a process for each core, four threads each."""

import json
import os
import secrets
import venv
from pathlib import Path

from measure import run
from postgres import free_port
from servers import Server, spawn
from support import Client

HERE = Path(__file__).resolve().parent
VENV = HERE.parents[1] / ".build/dot-venv"
PACKAGES = ["django-oauth-toolkit", "psycopg[binary]", "gunicorn"]
NOTES = {
    "introspect": "reads each answer from PostgreSQL; any client is told about any token",
    "token": "writes a row for each token; Doornail writes none",
    "revoke": "deletes one row; nodes remember nothing, so none has to hear of it",
    "rotate": "ends the access token before it, and writes two rows; Doornail updates one",
}


def start(stack, cluster, folder, grants):
    """Starts it on a database of its own, with so many grants of a user."""
    if not (VENV / "bin/gunicorn").exists():
        venv.create(VENV, with_pip=True)
        run([VENV / "bin/pip", "install", "-q", *PACKAGES])
    version = "import importlib.metadata as m; print(m.version('django-oauth-toolkit'))"
    name = f"django-oauth-toolkit {run([VENV / 'bin/python', '-c', version]).strip()}"
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": cluster.create_database("dot"),
        "USER": "doornail", "HOST": str(cluster.folder), "PORT": cluster.port,
    }
    environment = os.environ | {
        "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
        "DOT_SECRET": secrets.token_urlsafe(32), "DOT_DATABASE": json.dumps(database),
    }
    made = json.loads(run([VENV / "bin/python", HERE / "dot_site.py", grants], env=environment))
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    log = stack.enter_context((folder / "gunicorn.log").open("w"))
    gunicorn = [VENV / "bin/gunicorn", "-b", f"127.0.0.1:{port}", "-w", os.cpu_count()]
    gunicorn += ["-k", "gthread", "--threads", 4, "--keep-alive", 30, "--log-level", "warning"]
    process = spawn(stack, f"{root}/introspect/", [*gunicorn, "dot_site:application"],
                    env=environment, stdout=log, stderr=log)

    paths = {"introspect": "introspect", "token": "token", "revoke": "revoke_token"}
    urls = {endpoint: f"{root}/{path}/" for endpoint, path in paths.items()}
    bench, app = (Client(id, made[id]).basic["Authorization"] for id in ("bench", "app"))
    server = Server(name, process.pid, urls, folder, bench, app, revocations_per_second=800)
    server.keep(made["grants"])
    return server
