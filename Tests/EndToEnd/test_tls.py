"""TLS by certificate and key files, read again on SIGHUP; a bad pair keeps the old one."""

import re
import signal
import socket
import ssl
import subprocess
import time

import pytest
import requests


def make_pair(folder, name, kind="ec"):
    """A self-signed certificate for 127.0.0.1, in the files that the server reads."""
    key = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt",
                                                         "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
         "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )


def name_served(node, context=None):
    """The common name of the certificate that a new connection gets."""
    context = context or ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            pem = ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))
    shown = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, text=True,
                           capture_output=True, check=True)
    return shown.stdout.strip().rpartition("= ")[2]


@pytest.fixture(scope="module")
def folder(doornail):
    folder = doornail.folder / "tls"
    folder.mkdir()
    make_pair(folder, "first")
    return folder


def wait_until_ready(node):
    """Asks the second listener, which speaks HTTP."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if requests.get(node.admin + "/health/ready", timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise AssertionError(node.log_text()[-3000:])


def serving(doornail, folder):
    """A node that serves the pair of a folder."""
    node = doornail.node(
        ready=False,
        DOORNAIL_TLS_CERTIFICATE=str(folder / "certificate.pem"),
        DOORNAIL_TLS_KEY=str(folder / "key.pem"),
        DOORNAIL_ISSUER="https://127.0.0.1:4444",
    )
    wait_until_ready(node)
    return node


@pytest.fixture(scope="module")
def node(doornail, folder):
    return serving(doornail, folder)


def served_within(node, name, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if name_served(node) == name:
            return True
        time.sleep(0.05)
    return False


def test_serves_https(doornail, node, folder):
    client = doornail.client("over-tls")
    answer = requests.post(
        f"https://127.0.0.1:{node.port}/token", data={"grant_type": "client_credentials"},
        headers=client.basic, verify=folder / "certificate.pem", timeout=10,
    )
    assert answer.status_code == 200
    with pytest.raises(requests.RequestException):
        requests.get(f"http://127.0.0.1:{node.port}/health/live", timeout=5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_refused(node):
    context = ssl._create_unverified_context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        name_served(node, context)


@pytest.mark.parametrize(
    "ciphers, served",
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES128-SHA", False),
        ("ECDHE-ECDSA-AES256-SHA", False),
        ("ECDHE-RSA-AES128-GCM-SHA256", True),
        ("ECDHE-RSA-AES256-SHA", False),
        ("AES128-GCM-SHA256", False),
        ("AES256-SHA", False),
    ],
)
def test_ciphers_of_tls_1_2(doornail, ciphers, served):
    """Forward secrecy and authenticated encryption, or nothing."""
    kind = "ec" if "ECDSA" in ciphers else "rsa"
    folder = doornail.folder / f"tls-{kind}"
    if not folder.exists():
        folder.mkdir()
        make_pair(folder, kind, kind)
        serving(doornail, folder).kind = kind
    node = next(node for node in doornail.nodes if getattr(node, "kind", "") == kind)
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    if served:
        assert name_served(node, context) == kind
    else:
        with pytest.raises((ssl.SSLError, OSError)):
            name_served(node, context)
        assert name_served(node) == kind, "TLS 1.3 is as it was"


def test_sighup_reads_them_again(node, folder):
    assert name_served(node) == "first"
    with requests.Session() as session:
        session.verify = False
        session.trust_env = False
        url = f"https://127.0.0.1:{node.port}/health/live"
        assert session.get(url, timeout=5).status_code == 200
        make_pair(folder, "second", "rsa")
        node.process.send_signal(signal.SIGHUP)
        assert served_within(node, "second")
        # A connection that was open lives on.
        assert session.get(url, timeout=5).status_code == 200


def test_a_key_that_others_can_change(doornail, node, tmp_path):
    make_pair(tmp_path, "first")
    names = {"CERTIFICATE": "certificate.pem", "KEY": "key.pem"}
    env = {f"DOORNAIL_TLS_{name}": str(tmp_path / file) for name, file in names.items()}
    for mode, code, word in ((0o640, 0, None), (0o644, 0, "o-r"), (0o660, 1, "go-w")):
        (tmp_path / "key.pem").chmod(mode)
        done = doornail.run("check", env=env)
        assert done.returncode == code, done.stdout + done.stderr
        told = re.findall(r"'chmod (\S+) (\S+)'", done.stdout)
        assert told == ([(word, str(tmp_path / "key.pem"))] if word else [])


@pytest.mark.parametrize("damage", ["missing", "garbage", "empty", "another key"])
def test_a_bad_pair_keeps_the_old_one(node, folder, damage):
    before = name_served(node)
    good = {name: (folder / name).read_bytes() for name in ("certificate.pem", "key.pem")}
    refused = node.log_text().count("not replaced")
    try:
        if damage == "missing":
            (folder / "certificate.pem").unlink()
        elif damage == "another key":
            make_pair(folder, "other")
            (folder / "certificate.pem").write_bytes(good["certificate.pem"])
        else:
            (folder / "key.pem").write_bytes(b"" if damage == "empty" else b"-----garbage")
        node.process.send_signal(signal.SIGHUP)
        node.logged("not replaced", refused + 1)
        assert name_served(node) == before
    finally:
        for name, content in good.items():
            (folder / name).write_bytes(content)
