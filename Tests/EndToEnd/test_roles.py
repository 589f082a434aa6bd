"""The role that migrates owns the tables; the role that serves may only read and write them."""

import re

import psycopg
import pytest

from support import ROOT, Doornail


@pytest.fixture(scope="module")
def separated(cluster, tmp_path_factory):
    """An installation set up as docs/operating.md says, with a serving role of its own."""
    name = "roles"
    doornail = Doornail(cluster, name, tmp_path_factory.mktemp(name), migrate=False)
    for role in ("owning", "serving"):
        doornail.sql(f"CREATE ROLE {role} LOGIN")
    doornail.sql(f"ALTER DATABASE {name} OWNER TO owning")
    owner_url = cluster.url(name, user="owning")
    text = (ROOT / "docs" / "operating.md").read_text()
    grants = re.findall(r"^ALTER DEFAULT PRIVILEGES .*;$", text, re.M)
    assert grants
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for grant in grants:
            connection.execute(grant.replace(" TO doornail;", " TO serving;"))
    assert doornail.run("migrate", env={"DATABASE_URL": owner_url}).returncode == 0
    doornail.url = cluster.url(name, user="serving")
    yield doornail
    doornail.stop()


def test_everything_works_as_the_serving_role(separated):
    node = separated.node()
    app = separated.client("app", "--audience", "https://api.example.com")
    api = separated.client("api", "--audience", "https://api.example.com", grant=None)
    token, other = node.token(app), node.token(app)
    assert node.is_active(api, token)
    node.end(app, token)
    assert not node.is_active(api, token)
    separated.cli("client", "update", "app", "--scope", "a")
    separated.cli("client", "rotate-secret", "app", "--finish")
    separated.cli("revoke", "client", "app")
    assert not node.is_active(api, other)
    separated.cli("client", "disable", "app")
    separated.cli("client", "enable", "app")
    separated.cli("client", "delete", "app")
    separated.cli("restored")
    assert separated.run("check").returncode == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE clients",
        "TRUNCATE clients",
        "CREATE TABLE public.mine (x int)",
        "ALTER TABLE revoked_tokens DISABLE TRIGGER ALL",
        "SELECT append_revocation('everything', NULL, NULL, true, 'x', 'x')",
    ],
)
def test_it_may_do_no_more(separated, statement):
    with psycopg.connect(separated.url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
