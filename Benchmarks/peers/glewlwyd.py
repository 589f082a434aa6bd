"""Glewlwyd, a server in C: Debian's package, with its OpenID Connect plugin."""

import gzip
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import requests

from measure import run
from postgres import free_port
from servers import Server, several, spawn
from support import Client

SCHEMA = Path("/usr/share/doc/glewlwyd/database/init.postgre.sql.gz")
# Without these the package's schema has whole tables read.
INDEXES = """
CREATE INDEX ON gpo_access_token_scope (gpoa_id);
CREATE INDEX ON gpo_refresh_token_scope (gpor_id);
CREATE INDEX ON gpo_client_token_request (gpoctr_jti_hash);
"""
CONFIGURATION = """
port = {port}
bind_address = "127.0.0.1"
external_url = "{root}"
log_mode = "file"
log_level = "WARNING"
log_file = "{log}"
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
database = {{ type = "postgre" conninfo = "{database}" }};
"""
NOTES = {
    "introspect": "reads each answer from PostgreSQL",
    "token": "writes rows for each token; Doornail writes none",
    "revoke": "updates one row; nodes remember nothing, so none has to hear of it",
    "rotate": "two uses at once may both succeed; access tokens before it live on",
}


def configure(root, secret, password):
    """The plugin, a client and a user, by the administrator's API."""
    http = requests.Session()

    def post(path, **body):
        answer = http.post(f"{root}/api{path}", json=body, timeout=10)
        if answer.status_code != 200:
            sys.exit(f"bench: Glewlwyd: {path}: {answer.status_code} {answer.text[:500]}")

    # The administrator whom the schema brings along.
    post("/auth/", username="admin", password="password")
    post("/scope", name="photos", display_name="photos", description="photos",
         password_required=True, password_max_age=0, scheme={})
    post("/mod/plugin/", module="oidc", name="oidc", display_name="oidc", enabled=True, parameters={
        "iss": root, "jwt-type": "sha", "jwt-key-size": "256", "key": secrets.token_urlsafe(32),
        "code-duration": 600, "refresh-token-duration": 1209600, "access-token-duration": 36000,
        "auth-type-client-enabled": True, "auth-type-password-enabled": True,
        "auth-type-refresh-enabled": True, "auth-type-implicit-enabled": False,
        "refresh-token-one-use": "always", "allow-non-oidc": True,
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
    })
    # As client_secret it is kept in clear; as password it would be a bcrypt hash for each request.
    post("/client/", client_id="bench", name="bench", confidential=True, enabled=True,
         client_secret=secret, scope=["photos"],
         authorization_type=["client_credentials", "password", "refresh_token"],
         token_endpoint_auth_method=["client_secret_basic"])
    post("/user/", username="ada", name="Ada", email="ada@example.test", password=password,
         enabled=True, scope=["photos"])


def start(stack, cluster, folder, grants):
    """Starts it on a database of its own, with so many grants of a user."""
    if not (shutil.which("glewlwyd") and SCHEMA.exists()):
        run(["apt-get", "install", "-y", "--no-install-recommends", "glewlwyd"],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    version = run(["dpkg-query", "-W", "-f", "${Version}", "glewlwyd"]).partition("-")[0]
    database = cluster.create_database("glewlwyd")
    with cluster.connect(database) as connection:
        connection.execute("CREATE EXTENSION pgcrypto; SET ROLE doornail")
        connection.execute(gzip.decompress(SCHEMA.read_bytes()).decode() + INDEXES)
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    file, log = folder / "glewlwyd.conf", folder / "glewlwyd.log"
    url = cluster.url(database)
    file.write_text(CONFIGURATION.format(port=port, root=root, log=log, database=url))
    process = spawn(stack, f"{root}/config", ["glewlwyd", f"--config-file={file}"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    secret, password = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    configure(root, secret, password)

    basic = Client("bench", secret).basic
    login = {"grant_type": "password", "username": "ada", "password": password, "scope": "photos"}

    def grant(_):
        answer = requests.post(urls["token"], login, headers=basic, timeout=20)
        return answer.json()["refresh_token"]

    urls = {path: f"{root}/api/oidc/{path}" for path in ("introspect", "token", "revoke")}
    server = Server(f"Glewlwyd {version}", process.pid, urls, folder, *2 * [basic["Authorization"]],
                    "grant_type=client_credentials&scope=photos", revocations_per_second=1500)

    server.keep(several(grants, grant))
    return server
