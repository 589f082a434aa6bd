"""Records what clients really send to /introspect, into Benchmarks/shapes/NAME.http.

    .venv/bin/python Benchmarks/record.py [NAME ...]      all of them by default

What they need is Debian's and PyPI's: curl, apache2, libapache2-mod-auth-openidc, libapache2-mod-oauth2,
libnginx-mod-http-lua, lua-cjson, lua-resty-core, golang-go,
openjdk-17-jdk-headless, libspring-web-java; and .venv. lua-resty-openidc is not there: LUA_PATHS names
the `lib` folders of its source and of lua-resty-http's, with a comma between them.

The recordings are in the repository; this is run again for a client's new version, or for another client.
Credentials, token, host and length are replaced by the placeholders that shapes.py fills.
"""

import base64
import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHAPES, CLIENTS = HERE / "shapes", HERE / "clients"
ID, SECRET, TOKEN = "bench-caller", "c2VjcmV0LW9mLWJlbmNo", "dn_at_dG9rZW4tb2YtdGhlLWJlbmNobWFyaw"
ANSWER = b'{"active":true,"client_id":"app","sub":"ada","exp":4102444800}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(ANSWER)
)


class Listener:
    """A socket that keeps the first request to /introspect, and answers that the token is active."""

    def __init__(self, tls=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/introspect"
        self.request = b""
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            with contextlib.suppress(OSError), self.socket.accept()[0] as peer:
                self.answer(peer)

    def answer(self, peer):
        peer.settimeout(5)
        request = b""
        while not is_whole(request):
            part = peer.recv(65536)
            if not part:
                return
            request += part
        self.request = self.request or request
        peer.sendall(HEAD + ANSWER)


def is_whole(request):
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def run(*command, **environment):
    command = list(map(str, command))
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True,
                          check=False, timeout=120)
    if done.returncode:
        sys.exit(f"record: {command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def version(package):
    return run("dpkg-query", "-W", "-f", "${Version}", package).partition("-")[0].rpartition(":")[2]


def behind(command, port):
    """Starts a server that asks about tokens, and sends it a request with one."""
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE) as server:
        try:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and server.poll() is None:
                bearer = f"Authorization: Bearer {TOKEN}"
                if not subprocess.run(["curl", "-s", "-o", "/dev/null", "-H", bearer,
                                       f"http://127.0.0.1:{port}/"], check=False).returncode:
                    return
                time.sleep(0.1)
            sys.exit(f"record: {command[0]} did not answer: {server.stderr.read1().decode()}")
        finally:
            server.terminate()


# The clients: each sends one request, and says what it is.


def curl(url, _):
    run("curl", "-s", "-u", f"{ID}:{SECRET}", "-d", f"token={TOKEN}", url)
    return f"curl {run('curl', '--version').split()[1]}: curl -u ID:SECRET -d token=TOKEN URL"


def python_requests(url, _):
    import requests

    requests.post(url, {"token": TOKEN}, auth=(ID, SECRET), timeout=5)
    return f"requests {requests.__version__}: post(URL, {{'token': TOKEN}}, auth=(ID, SECRET))"


def authlib(url, _):
    import authlib
    from authlib.integrations.requests_client import OAuth2Session

    OAuth2Session(ID, SECRET).introspect_token(url, TOKEN, "access_token")
    return f"Authlib {authlib.__version__}: OAuth2Session(ID, SECRET).introspect_token(...)"


def go(url, folder):
    program = CLIENTS / "introspect.go"
    run("go", "run", program, url, ID, SECRET, TOKEN, GOCACHE=str(folder / "go"))
    return f"Go {run('go', 'version').split()[2][2:]}, net/http: clients/introspect.go"


def spring(url, _):
    jars = ":".join(f"/usr/share/java/{name}.jar" for name in (
        "spring3-web", "spring3-core", "spring3-beans", "spring3-context", "commons-logging"))
    run("java", "-cp", jars, CLIENTS / "Introspect.java", url, ID, SECRET, TOKEN)
    told = f"Spring {version('libspring-web-java')}'s RestTemplate on JDK 17"
    return f"{told}, with the content type of Spring 5: clients/Introspect.java"


def apache(folder, modules, lines):
    """An Apache of its own, which protects a page."""
    port, configuration = free_port(), folder / "apache.conf"
    (folder / "index.html").write_text("it works")
    load = ["mpm_event", "authn_core", "authz_core", "authz_user", "dir", *modules]
    told = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in load]
    told += [f"ServerRoot {folder}", "ServerName localhost", f"Listen 127.0.0.1:{port}",
             f"PidFile {folder}/pid", f"ErrorLog {folder}/log", f"DocumentRoot {folder}",
             "User www-data", "Group www-data", f"DefaultRuntimeDir {folder}", *lines]
    configuration.write_text("\n".join(told) + "\n")
    behind(["apache2", "-X", "-f", configuration], port)


def mod_auth_openidc(url, folder):
    apache(folder, ["auth_openidc"], [
        f"OIDCOAuthIntrospectionEndpoint {url}", f"OIDCOAuthClientID {ID}",
        f"OIDCOAuthClientSecret {SECRET}", "OIDCCryptoPassphrase passphrase",
        "OIDCOAuthSSLValidateServer Off",
        "<Location />", "AuthType oauth20", "Require valid-user", "</Location>"])
    return f"mod_auth_openidc {version('libapache2-mod-auth-openidc')}: AuthType oauth20"


def mod_oauth2(url, folder, method="client_secret_basic"):
    options = f"introspect.auth={method}&client_id={ID}&client_secret={SECRET}"
    apache(folder, ["oauth2"], [
        "<Location />", "AuthType oauth2", f"OAuth2TokenVerify introspect {url} {options}",
        "Require valid-user", "</Location>"])
    return f"mod_oauth2 {version('libapache2-mod-oauth2')}: OAuth2TokenVerify introspect, {method}"


def mod_oauth2_post(url, folder):
    return mod_oauth2(url, folder, "client_secret_post")


def lua_resty_openidc(url, folder):
    port, configuration = free_port(), folder / "nginx.conf"
    paths = [f"{each}/?.lua" for each in os.environ["LUA_PATHS"].split(",")]
    path = ";".join([*paths, "/usr/share/lua/5.1/?.lua"])
    # Of these packages, which are not Debian's, introspection uses nothing.
    unused = "package.loaded['{}'] = {{ new = function() return {{}} end }}"
    stubs = "\n".join(unused.format(name) for name in ("resty.session", "resty.sha256", "resty.string"))
    configuration.write_text(f"""
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log info;
events {{}}
http {{
  access_log off;
  lua_package_path "{path};;";
  init_by_lua_block {{ {stubs} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      content_by_lua_block {{
        local answer, problem = require("resty.openidc").introspect({{
          introspection_endpoint = "{url}", client_id = "{ID}", client_secret = "{SECRET}",
        }})
        ngx.log(ngx.INFO, problem)
        ngx.say("it works")
      }}
    }}
  }}
}}
""")
    behind([shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-c", configuration,
            "-p", folder, "-e", folder / "log", "-g", ""], port)
    found = re.search(r'_VERSION = "([^"]+)"|version = "([^"]+)"', first_of(paths, "resty/openidc"))
    told = "on nginx: introspect with client_id and client_secret"
    return f"lua-resty-openidc {found[1] or found[2]}, {told}"


def first_of(paths, module):
    """The source of a Lua module."""
    files = (Path(path.replace("?", module)) for path in paths)
    return next(file.read_text() for file in files if file.exists())


RECORDERS = {
    "curl": curl, "requests": python_requests, "authlib": authlib, "go": go,
    "spring": spring, "mod_auth_openidc": mod_auth_openidc, "mod_oauth2": mod_oauth2,
    "mod_oauth2-post": mod_oauth2_post, "lua-resty-openidc": lua_resty_openidc,
}  # fmt: skip


# This one asks over TLS alone.
OVER_TLS = {"mod_auth_openidc"}


def tls(folder):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def template(request, port):
    """The request with placeholders, and with newlines alone."""
    text = request.decode()
    pair = base64.b64encode(f"{ID}:{SECRET}".encode()).decode()
    for value, name in ((pair, "basic"), (SECRET, "secret"), (ID, "id"), (TOKEN, "token"),
                        (f"127.0.0.1:{port}", "host")):
        text = text.replace(value, f"{{{name}}}")
    text = re.sub(r"(?i)(\ncontent-length: *)\d+", r"\1{length}", text)
    return text.replace("\r\n", "\n") + "\n"


def main():
    for name in sys.argv[1:] or RECORDERS:
        with tempfile.TemporaryDirectory(prefix="dn-record-") as folder:
            Path(folder).chmod(0o755)
            listener = Listener(tls(Path(folder)) if name in OVER_TLS else None)
            told = RECORDERS[name](listener.url, Path(folder))
        if not listener.request:
            sys.exit(f"record: {name} did not ask")
        text = template(listener.request, listener.port)
        (SHAPES / f"{name}.http").write_text(f"# Recorded of {told}\n{text}")
        print(name, "recorded")


if __name__ == "__main__":
    main()
