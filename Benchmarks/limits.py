"""What a node can at best be: servers that know their answer before they are asked."""

import os
import shutil

from logs import FileLog
from postgres import free_port
from servers import Asked, spawn

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.error; worker_processes auto;
events {{}}
http {{
  access_log {log};
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    location / {{
      add_header Cache-Control no-store; add_header Pragma no-cache;
      add_header X-Request-ID $request_id;
      return 200 "{body}";
    }}
  }}
}}
"""


def built_in_swift(stack, binary, name, length, folder, *tls):
    """One of Benchmarks/Limit; with a certificate and its key it speaks TLS."""
    port = free_port()
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    return Asked(name, url, spawn(stack, url, [binary, name, port, length, *tls]).pid, folder)


def nginx(stack, length, folder):
    """nginx, with its access log as it comes."""
    path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    port, file, log = free_port(), folder / "nginx.conf", FileLog(folder / "nginx.log", b"POST")
    file.write_text(NGINX.format(folder=folder, port=port, log=log.file, body="x" * length))
    url = f"http://127.0.0.1:{port}"
    command = [shutil.which("nginx", path=path), "-c", file, "-e", folder / "nginx.error"]
    return Asked("nginx", url, spawn(stack, url, command).pid, folder, log)
