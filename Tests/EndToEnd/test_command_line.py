"""The command line: help that teaches, errors that say what to do, exit codes, --json."""

import json
import subprocess

import pytest

from support import BINARY, INACTIVE, SEEN, Doornail

COMMANDS = [
    (),
    ("dev",),
    ("serve",),
    ("migrate",),
    ("check",),
    ("secret",),
    ("secret", "list"),
    ("secret", "retire"),
    ("client",),
    ("client", "create"),
    ("client", "list"),
    ("client", "show"),
    ("client", "update"),
    ("client", "rotate-secret"),
    ("client", "disable"),
    ("client", "enable"),
    ("client", "delete"),
    ("revoke",),
    ("revoke", "token"),
    ("user",),
    ("user", "create"),
    ("user", "list"),
    ("user", "show"),
    ("user", "set-password"),
    ("user", "disable"),
    ("user", "enable"),
    ("user", "delete"),
    ("session",),
    ("session", "list"),
    ("session", "show"),
    ("revoke", "grant"),
    ("revoke", "session"),
    ("revoke", "user"),
    ("revoke", "client"),
    ("introspect",),
    ("key",),
    ("key", "list"),
    ("key", "rotate"),
    ("restored",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(doornail, command):
    """Every command explains itself, on standard output, without any configuration."""
    done = doornail.run(
        *command, "--help", drop=("DATABASE_URL", "DOORNAIL_SECRET", "DOORNAIL_ISSUER")
    )
    assert done.returncode == 0 and done.stderr == ""
    assert "USAGE: doornail" in done.stdout and "OVERVIEW:" in done.stdout
    told = [line for line in done.stdout.splitlines() if not line.startswith("USAGE:")]
    assert max(map(len, told)) <= 100


NEEDED = {
    "secret retire": ["1"],
    "client create": ["--id", "x", "--name", "x"],
    "client show": ["x"],
    "client update": ["x"],
    "client rotate-secret": ["x"],
    "client disable": ["x"],
    "client enable": ["x"],
    "client delete": ["x"],
    "revoke client": ["x"],
    "user create": ["--username", "x", "--password-stdin"],
    "user show": ["x"],
    "user set-password": ["x"],
    "user disable": ["x"],
    "user enable": ["x"],
    "user delete": ["x"],
    "session show": ["019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"],
    "revoke grant": ["019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"],
    "revoke session": ["019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"],
    "revoke user": ["x"],
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_wrong_flags(doornail, command):
    done = doornail.run(*command, *NEEDED.get(" ".join(command), []), "--no-such-flag")
    assert done.returncode == 2
    assert done.stdout == "" and "--no-such-flag" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("client", "nonsense"),
        ("client", "show"),
        ("client", "show", "a", "b"),
        ("client", "create"),
        ("client", "create", "--id"),
        ("client", "create", "--id", ""),
        ("client", "show", ""),
        ("client", "disable", ""),
        ("revoke", "client"),
        ("revoke", "client", ""),
        ("secret", "retire"),
        ("secret", "retire", "x"),
        ("secret", "retire", "-1"),
        ("secret", "retire", "256"),
        ("client", "create", "--id", "x", "--name", ""),
        ("client", "create", "--id", "x", "--auth-method", "magic"),
        ("client", "create", "--id", "x", "--introspects", "everything"),
        ("client", "create", "--id", "x", "--revokes", "all"),
        ("client", "create", "--id", "x", "--grant", "password"),
        ("client", "create", "--id", "x", "--scope", 'a"b'),
        ("client", "create", "--id", "x", "--scope", "é"),
        ("client", "create", "--id", "x", "--scope", "x" * 4097),
        ("client", "create", "--id", "x", "--audience", "relative"),
        ("client", "create", "--id", "x", "--audience", "https://a.example.com/#x"),
        ("client", "create", "--id", "x", "--redirect-uri", "/relative"),
        ("client", "create", "--id", "x", "--redirect-uri", "https://a.example.com/#fragment"),
        ("client", "create", "--id", "x", "--redirect-uri", "https://*.example.com/"),
        ("client", "create", "--id", "x", "--redirect-uri", "javascript:alert(1)"),
        ("client", "create", "--id", "x", "--redirect-uri", "JavaScript://a.example/%0aalert(1)"),
        ("client", "create", "--id", "x", "--redirect-uri", "data:text/html,x"),
        ("client", "create", "--id", "x", "--public", "--grant", "client_credentials"),
        ("client", "create", "--id", "x", "--public", "--auth-method", "basic"),
        ("client", "create", "--id", "x", "--retry-window", "soon"),
        ("client", "create", "--id", "a b"),
        ("client", "create", "--id", "é"),
        ("client", "create", "--id", "x" * 256),
        ("client", "create", "--id", "019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"),
        ("client", "create", "--id", "019B7A5E-4F00-7C3A-9D51-3F6F2B8D9E10"),
        ("client", "create", "--id", "x", "--grant", "refresh_token"),
        ("client", "create", "--id", "x", "--grant", "authorization_code"),
        ("session", "list", "--user", ""),
        ("session", "show", "ada"),
        ("session", "show", ""),
        ("revoke", "session", "ada"),
        ("revoke", "grant", "x"),
        ("revoke", "user", ""),
        ("user", "show", ""),
        ("user", "show"),
    ],
    ids=lambda arguments: " ".join(arguments)[:70],
)
def test_wrong_usage_is_2(doornail, client, arguments):
    before = doornail.sql("SELECT count(*) FROM clients")
    done = doornail.run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == "" and done.stderr.strip()
    assert doornail.sql("SELECT count(*) FROM clients") == before


def test_longest_client_id(doornail):
    name = "".join(chr(0x21 + index % 94) for index in range(255)).replace("-", "_")
    assert doornail.client(name).id == name


@pytest.mark.parametrize(
    "arguments",
    [
        ("client", "show", "nobody"),
        ("client", "update", "nobody", "--name", "x"),
        ("client", "rotate-secret", "nobody"),
        ("client", "disable", "nobody"),
        ("client", "enable", "nobody"),
        ("client", "delete", "nobody"),
        ("revoke", "client", "nobody"),
        ("revoke", "user", "nobody"),
        ("revoke", "session", "019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"),
        ("revoke", "grant", "019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"),
        ("session", "show", "019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"),
        ("user", "show", "nobody"),
        ("user", "show", "019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"),
        ("user", "disable", "nobody"),
        ("user", "enable", "nobody"),
        ("user", "delete", "nobody"),
        ("secret", "retire", "200"),
        ("secret", "retire", "0"),
        ("client", "create", "--id", "photos", "--name", "again"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_1(doornail, client, arguments):
    done = doornail.run(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == "" and done.stderr.strip()
    named = "photos" if "photos" in arguments else arguments[2]
    assert named in done.stderr
    with_json = doornail.run(*arguments, "--json")
    assert with_json.returncode == 1 and with_json.stdout == ""


def test_lives_of_a_client(doornail, node, api):
    """create, show, list, update, disable, enable, rotate-secret, delete."""
    flags = [
        "--scope",
        "a b",
        "--audience",
        "https://a.example.com",
        "--redirect-uri",
        "https://a.example.com/cb",
    ]
    client = doornail.client("lively", *flags)
    assert client.secret.startswith("dn_cs_")
    shown = doornail.cli("client", "show", "lively")
    assert shown["client_id"] == "lively" and shown["name"] == "lively"
    text = json.dumps(shown)
    assert "https://a.example.com/cb" in text and "client_credentials" in text
    assert client.secret not in text and "client_secret" not in shown
    listed = doornail.cli("client", "list")
    assert isinstance(listed, list)
    assert [one["client_id"] for one in listed].count("lively") == 1
    assert "dn_cs_" not in json.dumps(listed)

    first = node.token(client)
    doornail.cli("client", "update", "lively", "--name", "Lively", "--scope", "a")
    assert doornail.cli("client", "show", "lively")["name"] == "Lively"
    answer = node.post("/token", {"grant_type": "client_credentials"}, client)
    assert answer.json()["scope"] == "a"
    SEEN.add(answer.json()["access_token"])

    doornail.cli("client", "disable", "lively")
    assert not node.is_active(api, first)
    assert node.post("/token", {"grant_type": "client_credentials"}, client).status_code == 401
    doornail.cli("client", "enable", "lively")
    assert not node.is_active(api, first), "what was alive before stays dead"
    second = node.token(client)
    assert node.is_active(api, second)

    doornail.cli("client", "delete", "lively")
    assert not node.is_active(api, second)
    assert doornail.run("client", "show", "lively").returncode == 1
    again = doornail.client("lively")
    assert not node.is_active(api, second), "an id that is made again revives nothing"
    assert node.is_active(api, node.token(again))


def test_secret_is_shown_once(doornail):
    done = doornail.run("client", "create", "--id", "shown", "--name", "Shown")
    assert done.returncode == 0
    secret = [word for word in done.stdout.split() if word.startswith("dn_cs_")]
    assert len(secret) == 1
    SEEN.add(secret[0])
    assert "dn_cs_" not in doornail.run("client", "show", "shown").stdout
    stored = doornail.sql("SELECT row_to_json(clients)::text FROM clients")
    assert not any(secret[0] in row[0] or secret[0][6:] in row[0] for row in stored)


def test_public_clients_have_no_secret(doornail):
    made = doornail.cli(
        "client",
        "create",
        "--id",
        "app",
        "--name",
        "App",
        "--public",
        "--redirect-uri",
        "com.example.app:/callback",
    )
    assert made["client_id"] == "app" and "client_secret" not in made
    assert doornail.run("client", "rotate-secret", "app").returncode == 1


@pytest.mark.parametrize("arguments", [("introspect",), ("revoke", "token")], ids=" ".join)
def test_tokens_never_come_as_arguments(doornail, node, client, arguments):
    token = node.token(client)
    done = doornail.run(*arguments, token)
    assert done.returncode == 2
    assert token not in done.stdout and token not in done.stderr
    assert node.is_active(client, token)
    assert doornail.run(*arguments, stdin="").returncode != 0
    assert doornail.run(*arguments, stdin="\n").returncode != 0


def test_introspect_and_revoke_a_token(doornail, node, client):
    token = node.token(client, scope="photos:read")
    told = doornail.cli("introspect", stdin=token + "\n", env={"DOORNAIL_ISSUER": node.url})
    same = node.introspect(client, token)
    for name in ("active", "token_use", "client_id", "scope", "exp", "iat", "jti"):
        assert told[name] == same[name]
    doornail.cli("revoke", "token", stdin=token + "\n")
    assert not node.is_active(client, token)
    assert doornail.cli("introspect", stdin=token) == INACTIVE
    explained = doornail.cli("introspect", "--explain", stdin=token)
    assert explained["active"] is False and "revoked" in explained["why"]
    text = doornail.run("introspect", "--explain", stdin=token)
    assert text.returncode == 0 and "revoked" in text.stdout


def test_explain_every_cause(doornail, node, client):
    def why(token):
        answer = doornail.cli("introspect", "--explain", stdin=token)
        assert answer["active"] is False and set(answer) >= {"active", "why"}
        return answer["why"]

    made = [doornail.client(f"explained-{index}") for index in range(3)]
    tokens = [node.token(one) for one in made]
    doornail.cli("client", "disable", made[0].id)
    doornail.cli("client", "delete", made[1].id)
    doornail.cli("revoke", "client", made[2].id)
    reasons = [why(token) for token in tokens]
    reasons.append(why(tokens[0][:-1]))
    assert "disabled" in reasons[0] and "deleted" in reasons[1]
    assert len(set(reasons)) == 4


def test_revoke_client(doornail, node, client, api):
    victim = doornail.client("victim")
    tokens = [node.token(victim) for _ in range(3)]
    spared = node.token(client)
    doornail.cli("revoke", "client", victim.id)
    assert not any(node.is_active(api, token) for token in tokens)
    assert node.is_active(api, spared)
    assert node.is_active(api, node.token(victim)), "the client itself goes on"


def test_restored_ends_everything(cluster, tmp_path, doornail):
    """All tokens of all clients die, and the log gets a new name."""
    own = Doornail(cluster, "restored", tmp_path)
    try:
        node = own.node()
        clients = [own.client(f"client-{index}") for index in range(3)]
        api = own.client("api", "--introspects", "any")
        tokens = [node.token(client) for client in clients]
        name = own.sql("SELECT log_id FROM revocation_clock")
        own.cli("restored")
        assert own.sql("SELECT log_id FROM revocation_clock") != name
        assert not any(node.is_active(api, token) for token in tokens)
        assert all(node.is_active(api, node.token(client)) for client in clients)
    finally:
        own.stop()


def test_json_is_one_document(doornail, client):
    for arguments in (
        ("client", "list"),
        ("client", "show", client.id),
        ("secret", "list"),
        ("secret",),
        ("migrate", "--status"),
        ("migrate",),
        ("check",),
    ):
        done = doornail.run(*arguments, "--json")
        assert done.returncode == 0, (arguments, done.stderr)
        answer = json.loads(done.stdout)
        assert isinstance(answer, list if arguments[-1] in ("list", "--status") else dict)
        if arguments == ("secret",):
            SEEN.add(answer["secret"])


def bash(doornail, script):
    """Runs a command as a shell does."""
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env=doornail.environment(),
        timeout=30,
        check=False,
    )


def test_closed_pipes(doornail, client):
    """`doornail client list | head -0` ends quietly, and closed standard streams crash nothing."""
    for command in ("client list", "client list --json", "--help", "secret list"):
        done = bash(doornail, f'set -o pipefail; "{BINARY}" {command} | true')
        assert "atal" not in done.stderr and "rash" not in done.stderr
        assert done.returncode in (0, 1, 141), done.stderr
    for redirection in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = bash(doornail, f'"{BINARY}" client list {redirection}')
        assert done.returncode in (0, 1), (redirection, done.returncode, done.stderr)


def test_secret(doornail):
    secrets = {doornail.run("secret").stdout.strip() for _ in range(5)}
    for secret in secrets:
        SEEN.add(secret)
    assert len(secrets) == 5
    assert all(len(secret) >= 43 and secret.isascii() and "," not in secret for secret in secrets)
