"""Requests in every shape, to a node that answers from memory and to one that has to ask.

Every request goes, byte by byte, to two nodes on one database: `fast` remembers, `slow` has no cache,
so that it asks the database for many at a time. What comes back may differ in the date alone.
"""

import json
import re
import socket
import time

import pytest
from browser import Browser
from rawhttp import Connection
from support import ISSUER, assert_unavailable, in_parallel


@pytest.fixture(scope="module")
def fast(doornail):
    return doornail.node(DOORNAIL_ISSUER=ISSUER)


@pytest.fixture(scope="module")
def slow(doornail):
    return doornail.node(DOORNAIL_ISSUER=ISSUER, DOORNAIL_CACHE="0")


@pytest.fixture(scope="module")
def token(fast, client):
    return fast.token(client)


FORM = "Content-Type: application/x-www-form-urlencoded"
ID = "X-Request-ID: the-same"


def request(body, *headers, line="POST /introspect HTTP/1.1", length=None):
    """The bytes of a request."""
    body = body.encode()
    lines = [line, "Host: x", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(node, *sent):
    """What comes back on one connection for some bytes, or bytes and how many answers they get:
    without the answers' dates, or ids that are the server's own; nothing after one that ends the
    connection."""
    with Connection(node) as connection:
        whole = b""
        for one in sent:
            data, count = one if isinstance(one, tuple) else (one, 1)
            connection.send(data)
            for _ in range(count):
                status, headers, body = connection.response()
                date = headers.pop("date")
                assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)
                if not headers["x-request-id"].startswith("the-sam"):
                    assert re.fullmatch(r"[0-9a-f]{16}", headers.pop("x-request-id"))
                whole += repr((status, list(headers.items()), body)).encode()
                if headers.get("connection") == "close":
                    return whole
            if count == 0:
                time.sleep(0.02)
        return whole


def with_an_origin(data):
    """The same request, with a field more."""
    return data.replace(b"\r\nHost:", b"\r\nOrigin: https://x.example\r\nHost:", 1)


def cases(token, client, api):
    """Names, and the bytes to send."""
    basic = f"Authorization: {client.basic['Authorization']}"
    other = f"Authorization: {api.basic['Authorization']}"
    body = f"token={token}"
    hint = body + "&token_type_hint=access_token"
    plain = (FORM, basic, ID)
    return {
        "plain": request(body, *plain),
        "another caller": request(body, FORM, other, ID),
        "with a hint": request(hint, *plain),
        "with a wrong hint": request(body + "&token_type_hint=refresh_token", *plain),
        "with an empty hint": request(body + "&token_type_hint=", *plain),
        "hint first": request("token_type_hint=access_token&" + body, *plain),
        "hint twice": request(hint + "&token_type_hint=access_token", *plain),
        "token twice": request(body + "&" + body, *plain),
        "token empty": request("token=", *plain),
        "no body": request("", *plain),
        "escaped": request(body.replace("_", "%5F"), *plain),
        "escaped wrongly": request(body + "%5", *plain),
        "a space after": request(body + "+", *plain),
        "cut": request(body[:-1], *plain),
        "changed": request(body[:-8] + "AAAAAAAA", *plain),
        "upper case": request(body.upper(), *plain),
        "a line after": request(body + "\n", *plain),
        "names in capitals": request(
            body,
            FORM.replace("Content-Type", "CONTENT-TYPE"),
            basic.replace("Authorization", "AUTHORIZATION"),
            ID,
        ),
        "scheme in capitals": request(body, FORM, basic.replace("Basic", "BASIC"), ID),
        "spaces": request(body, FORM, basic.replace("Basic ", "Basic   "), ID),
        "a charset": request(body, FORM + ";charset=UTF-8", basic, ID),
        "another type": request(body, "Content-Type: application/json", basic, ID),
        "no type": request(body, basic, ID),
        "type twice": request(body, FORM, FORM, basic, ID),
        "nobody": request(body, FORM, ID),
        "two callers": request(body, FORM, basic, other, ID),
        "an empty caller first": request(body, FORM, "Authorization: ", basic, ID),
        "an empty caller last": request(body, FORM, basic, "Authorization: ", ID),
        "a secret in the body too": request(body + "&client_secret=x", *plain),
        "credentials that are no base64": request(body, FORM, "Authorization: Basic !!", ID),
        "an origin": request(body, *plain, "Origin: https://evil.example"),
        "a query": request(body, *plain, line="POST /introspect?x=1 HTTP/1.1"),
        "absolute": request(body, *plain, line="POST http://x/introspect HTTP/1.1"),
        "a slash after": request(body, *plain, line="POST /introspect/ HTTP/1.1"),
        "GET": request("", *plain, line="GET /introspect HTTP/1.1"),
        "a trace": request(
            body, *plain, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ),
        "it closes": request(body, *plain, "Connection: close"),
        "HTTP/1.0": request(body, *plain, line="POST /introspect HTTP/1.0"),
        "HTTP/1.0 that stays": request(
            body, *plain, "Connection: keep-alive", line="POST /introspect HTTP/1.0"
        ),
    }


def test_the_same_bytes(fast, slow, client, api, token):
    for name, data in cases(token, client, api).items():
        # Three times: what is not remembered, what is, and what has been for a while.
        told = [answers(fast, data) for _ in range(3)]
        expected = answers(slow, with_an_origin(data))
        assert told == [expected] * 3, f"{name}: {told} {expected}"
        assert answers(slow, data) == expected, name


def test_the_same_for_a_login(fast, slow, doornail):
    """A token of a person's, with a user name, several audiences and characters that JSON escapes."""
    name = 'gráce "the" \\ hopper'
    person = doornail.user(name)
    app = doornail.app(
        "an-app", "--audience", "https://a.example", "--audience", "https://b.example",
        "--introspects", "any",
    )
    access = Browser(fast).tokens(app, person).access
    basic = f"Authorization: {app.basic['Authorization']}"
    data = request(f"token={access}", FORM, basic, ID)
    told = [answers(fast, data) for _ in range(3)]
    assert told == [answers(slow, with_an_origin(data))] * 3
    assert told[0] == answers(slow, data)


@pytest.mark.parametrize(
    "more",
    [
        "", "&scope=photos:read", "&scope=photos%3Aread+photos%3Awrite", "&scope=", "&scope=other",
        "&scope=openid", "&scope=%zz", "&scope=photos:read&scope=photos:read", "&resource=https://x",
        "&client_secret=x", "&client_id=photos", "&scope=photos:read&client_id=photos", "&", "x",
    ],
)  # fmt: skip
def test_own_tokens(fast, slow, client, more):
    """Tokens of a client's own: the answers differ in the token alone, which is alive everywhere."""
    basic = f"Authorization: {client.basic['Authorization']}"
    data = request(
        "grant_type=client_credentials" + more, FORM, basic, ID, line="POST /token HTTP/1.1"
    )
    token = rb"dn_at_[\w-]+"
    told = answers(fast, *[data] * 4)
    expected = answers(slow, *[with_an_origin(data)] * 4)
    assert re.sub(token, b"", told) == re.sub(token, b"", expected)
    issued = re.findall(token, told)
    assert len(set(issued)) == len(issued) and len(issued) in (0, 4)
    for text in issued:
        for node in (fast, slow):
            assert node.is_active(client, text.decode())


def test_it_is_taken(fast, client, token):
    """The second answer costs no statement, and both are counted and logged alike."""

    def count():
        return sum(
            value
            for (name, labels), value in fast.metrics().items()
            if name == "doornail_http_requests_total" and ("endpoint", "/introspect") in labels
        )

    fast.introspect(client, token)
    statements, before = fast.statements(), count()
    for number in range(20):
        answer = fast.session.post(
            fast.root + "/introspect", data={"token": token},
            headers=client.basic | {"X-Request-ID": f"taken-{number}"},
        )
        assert answer.json()["active"]
    after = fast.statements()
    assert count() == before + 20
    # The lease goes on; nothing reads a token or a client.
    assert after.get("tokens_liveness") == statements.get("tokens_liveness")
    assert after.get("clients_find") == statements.get("clients_find")
    for _ in range(3):
        assert fast.token(client)
    assert fast.statements().get("clients_find") == after.get("clients_find")
    lines = [json.loads(line) for line in fast.logged('"taken-', 20)]
    assert len(lines) == 20
    for line in lines:
        assert line["message"] == "request" and line["outcome"] == "active"
        assert line["client_id"] == client.id and line["status"] == 200
        assert line["endpoint"] == line["path"] == "/introspect" and line["method"] == "POST"
        assert line["address"] == "127.0.0.1" and float(line["duration_ms"]) >= 0
        assert line["bytes"] == len(answer.content)


def test_logged_alike(fast, slow, client, token):
    """The same fields, whichever way."""
    lines = []
    for node in (fast, slow):
        for _ in range(2):
            node.session.post(
                node.root + "/introspect", data={"token": token},
                headers=client.basic
                | {
                    "X-Request-ID": "alike",
                    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                },
            )
        found = [json.loads(line) for line in node.logged('"alike"', 2)]
        lines += [{k: v for k, v in one.items() if k not in ("time", "duration_ms")} for one in found]
    assert len(lines) == 4 and all(line == lines[0] for line in lines), lines


def test_pipelined(fast, slow, client, api, token):
    """Answers come in the order of the requests, whichever way each is answered."""
    every = cases(token, client, api)
    names = ["plain", "escaped", "plain", "nobody", "plain", "with a hint", "cut", "plain", "plain"]
    data = b"".join(every[name] for name in names)
    apart = b"".join(with_an_origin(every[name]) for name in names)
    expected = answers(slow, (apart, len(names)))
    for _ in range(5):
        for node in (fast, slow):
            assert answers(node, (data, len(names))) == expected


def test_repeated(fast, slow, client, api, token):
    """On a connection that repeats one header, until something else comes, and after it."""
    every = cases(token, client, api)
    plain, unnamed = every["plain"], request(f"token={fast.token(client)}", FORM, ID)
    between = {name: [data] for name, data in every.items()} | {
        "of the same length": [plain.replace(token.encode(), fast.token(client).encode())],
        "a forged one of the same length": [plain[:-3] + b"AAA", plain[:-60] + b"A" * 60],
        "without its caller": [unnamed],
        "in two pieces": [(plain[:60], 0), plain[60:]],
        "cut in the body": [(plain[:-5], 0), plain[-5:]],
        "two at once": [(plain + plain, 2)],
        "one and a half": [(plain + plain[:40], 1), plain[40:]],
        "one and a header": [(plain + plain[: -len(token) - 6], 1), plain[-len(token) - 6 :]],
        "an empty line first": [b"\r\n" + plain],
        "an empty line apart": [(b"\r\n", 0), plain],
        "lines that end in LF": [plain.replace(b"\r\n", b"\n")],
        "one line that ends in LF": [plain.replace(b"\r\n", b"\n", 1)],
        "chunks": [
            request("", FORM, f"Authorization: {client.basic['Authorization']}", ID).replace(
                b"Content-Length: 0", b"Transfer-Encoding: chunked"
            )
            + b"%x\r\ntoken=%b\r\n0\r\n\r\n" % (len(token) + 6, token.encode())
        ],
        "no HTTP": [b"\x16\x03\x01" + plain],
    }
    for name, field in LABELS.items():
        between[f"an id: {name}"] = [plain.replace(ID.encode(), field.encode())]
    for name, sent in between.items():
        whole = [plain, plain, plain, *sent, plain, plain, *sent, plain]
        told = [answers(node, *whole) for node in (fast, slow)]
        assert told[0] == told[1], name
    apart = [with_an_origin(plain)] * 8
    assert answers(fast, *[plain] * 8) == answers(slow, *apart)


# In place of the ID.
LABELS = {
    "as long": "X-Request-ID: the-samf",
    "longer": "X-Request-ID: the-same-but-longer",
    "shorter": "X-Request-ID: the-sam",
    "none": "X-Request-ID:",
    "blank": "X-Request-ID: ",
    "not acceptable": "X-Request-ID: the same",
    "of other characters": "X-Request-ID: the-same/ü",
    "too long": "X-Request-ID: " + "x" * 500,
    "longer than a header that is kept": "X-Request-ID: " + "x" * 1500,
    "longer than a header may be": "X-Request-ID: " + "x" * 17_000,
    "a space after": "X-Request-ID: the-same-too ",
    "spaces before": "X-Request-ID:   the-same-too",
    "no space before": "X-Request-ID:the-same-too",
    "in capitals": "X-REQUEST-ID: the-same-too",
    "going on": "X-Request-ID: the-same-too\r\n and-more",
    "an end in LF": "X-Request-ID: the-same-too\nX: the-same",
    "an end in CR": "X-Request-ID: the-same-too\rX: the-same",
    "a NUL": "X-Request-ID: the-same\0",
    "twice": f"{ID}-one\r\n{ID}-two",
    "and an end": f"{ID}\r\nConnection: close",
    "and an origin": f"{ID}\r\nOrigin: https://x.example",
    "and a chunk": f"{ID}\r\nTransfer-Encoding: chunked",
    "and a length": f"{ID}\r\nContent-Length: 5",
}


@pytest.mark.parametrize("first", ["the-same", "the-same-and-much-longer", "the-sam"])
def test_labels(fast, slow, client, first):
    """Requests that differ in what names and traces them."""

    def made(text, *headers):
        body = f"token={text}"
        return request(body, FORM, basic, *headers)

    basic = f"Authorization: {client.basic['Authorization']}"
    tokens = [fast.token(client) for _ in range(4)]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{}-01"
    state = "congo=t61rcWkgMz{},rojo=00f067aa0ba902b7"
    sent = [
        made(
            token, f"X-Request-ID: the-same-{'x' * number}",
            f"traceparent: {trace.format(number)}", f"tracestate: {state.format(number)}", "X: y",
        )
        for number, token in enumerate(tokens)
    ]  # fmt: skip
    begun = made(tokens[0], f"X-Request-ID: {first}", "traceparent: x", "tracestate: y", "X: y")
    whole = [begun, *sent, begun, begun, *reversed(sent)]
    told = [answers(node, *whole) for node in (fast, slow)]
    assert told[0] == told[1] == answers(slow, *map(with_an_origin, whole))


def test_labels_of_what_is_dead(fast, slow, client, api):
    """What has to be asked is asked under the name that the request has."""
    tokens = [fast.token(client) for _ in range(6)]
    basic = f"Authorization: {client.basic['Authorization']}"
    for token in tokens[::2]:
        fast.end(client, token)
    for node in (fast, slow):
        with Connection(node) as connection:
            for number, token in enumerate(tokens * 2):
                name = f"dead-{node.root[-5:]}-{number}"
                trace = f"00-0af7651916cd43dd8448eb211c8031{number:02}-b7ad6b7169203331-01"
                connection.send(
                    request(
                        f"token={token}", FORM, basic, f"X-Request-ID: {name}",
                        f"traceparent: {trace}",
                    )
                )  # fmt: skip
                status, headers, body = connection.response()
                assert (status, headers["x-request-id"]) == (200, name)
                assert json.loads(body)["active"] == (number % 2 == 1)
        lines = [json.loads(line) for line in node.logged('"dead-', 12)]
        told = [(line["request_id"], line["trace_id"], line["outcome"]) for line in lines]
        assert told == [
            (f"dead-{node.root[-5:]}-{number}", f"0af7651916cd43dd8448eb211c8031{number:02}",
             ["inactive", "active"][number % 2])
            for number in range(12)
        ]  # fmt: skip


def test_in_pieces(fast, client, token):
    """A request that arrives byte by byte."""
    data = request(f"token={token}", FORM, f"Authorization: {client.basic['Authorization']}", ID)
    with Connection(fast) as connection:
        for position in range(len(data)):
            connection.send(data[position : position + 1])
        assert connection.response()[0] == 200
        connection.send(data[:50])
        time.sleep(0.05)
        connection.send(data[50:] + data)
        assert [connection.response()[0] for _ in range(2)] == [200, 200]


def test_who_never_reads(fast, client, token):
    """Nobody fills the server's memory with answers that are not read."""
    data = request(f"token={token}", FORM, f"Authorization: {client.basic['Authorization']}", ID)
    with Connection(fast) as connection:
        connection.socket.settimeout(3)
        sent = 0
        try:
            while sent < 256 << 20:
                sent += connection.socket.send(data * 200)
        except TimeoutError:
            pass
        assert sent < 64 << 20, "it went on reading while nobody read"
    assert fast.is_active(client, token)


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("way", ["as it is", "with an origin"])
def test_who_ends_its_side(fast, slow, client, token, way, before):
    """A client that sends its last request and ends its side in one go is answered."""
    data = request(f"token={token}", FORM, f"Authorization: {client.basic['Authorization']}", ID)
    if way == "with an origin":
        data = with_an_origin(data)
    for node in (fast, slow):
        for _ in range(20):
            with Connection(node) as connection:
                for _ in range(before):
                    connection.send(data)
                    assert connection.response()[0] == 200
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                status, _, body = connection.response()
                assert status == 200 and json.loads(body)["active"]
                assert connection.rest(timeout=5) == (b"", True)


def test_a_header_is_what_the_parser_takes_for_it(fast, client):
    """An empty line before a request is no header: what follows is not mistaken for another request."""
    token = fast.token(client)
    plain = request(f"token={token}", FORM, f"Authorization: {client.basic['Authorization']}", ID)
    body, head = b"x" * 10, b""
    while True:
        # As long as its header and what comes of its body in the first piece.
        length = len(head) + len(body)
        made = request("", FORM, ID, length=length)
        if made == head:
            break
        head = made
    rest = b"POST /revoke HTTP/1.1\r\nX: "
    rest += b"x" * (len(head) - len(rest))
    with Connection(fast) as connection:
        connection.send(b"\r\n" + head + body)
        time.sleep(0.1)
        connection.send(rest + plain)
        assert connection.response()[0] == 401
        assert json.loads(connection.response()[2])["active"]
        connection.send(rest + plain)
        status, _, answer = connection.response()
        assert (status, answer) == (200, b""), "it was a revocation"
    assert not fast.is_active(client, token)


def test_a_slow_database(doornail, slow, client, api):
    """What the database keeps waiting is 503 in time, and answered once it is quick again."""
    token = slow.token(client)
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute("LOCK TABLE revoked_tokens IN ACCESS EXCLUSIVE MODE")

        def ask(_):
            began = time.monotonic()
            answer = slow.post("/introspect", {"token": token}, api)
            assert_unavailable(answer)
            return time.monotonic() - began

        assert max(in_parallel(40, ask)) < 7
        connection.rollback()
    for _ in range(3):
        assert slow.is_active(api, token)


@pytest.mark.parametrize(
    "what", ["a request", "one that closes", "half of one", "no HTTP", "one that waits", "nothing"]
)
def test_while_the_database_is_asked(doornail, slow, client, what):
    """What comes while a request waits for the database is answered after it, each once."""
    token = slow.token(client)
    basic = f"Authorization: {client.basic['Authorization']}"
    plain = request(f"token={token}", FORM, basic, ID)
    closing = request(f"token={token}", FORM, basic, ID, "Connection: close")
    waiting = request(f"token={token}", FORM, basic, ID, "Expect: 100-continue")
    head = waiting.index(b"\r\n\r\n") + 4
    with Connection(slow) as connection:
        for _ in range(2):
            connection.send(plain)
            assert connection.response()[0] == 200
        before = slow.statements()["tokens_liveness"]
        with doornail.cluster.connect(doornail.database, autocommit=False) as database:
            database.execute("LOCK TABLE revoked_tokens IN ACCESS EXCLUSIVE MODE")
            connection.send(plain)
            time.sleep(0.1)
            after = {
                "a request": plain, "one that closes": closing, "half of one": plain[:100],
                "no HTTP": b"\x16\x03\x01" + plain, "one that waits": waiting[:head], "nothing": b"",
            }  # fmt: skip
            connection.send(after[what])
            time.sleep(0.05)
            database.rollback()
        status, _, body = connection.response()
        assert status == 200 and json.loads(body)["active"]
        if what == "no HTTP":
            assert connection.response()[0] == 400
        else:
            if what == "half of one":
                connection.send(plain[100:])
            if what == "one that waits":
                assert connection.response()[0] == 100
                connection.send(waiting[head:])
            if what == "nothing":
                connection.send(plain)
            status, headers, body = connection.response()
            assert status == 200 and json.loads(body)["active"]
            assert ("connection" in headers) == (what == "one that closes")
    asked = 1 if what == "no HTTP" else 2
    assert slow.statements()["tokens_liveness"] == before + asked


def test_asked_together(slow, client, api):
    """Without a cache: many connections at once, of which some ask about what is dead."""
    tokens = [slow.token(client) for _ in range(40)]
    for token in tokens[::4]:
        slow.end(client, token)

    def ask(index):
        with Connection(slow) as connection:
            basic = f"Authorization: {(client, api)[index % 2].basic['Authorization']}"
            sent = [
                request(f"token={tokens[(index + step) % 40]}", FORM, basic, ID) for step in range(40)
            ]
            # Each alone, then many in one piece.
            told = []
            for one in sent[:20]:
                connection.send(one)
                told.append(connection.response())
            connection.send(b"".join(sent[20:]))
            told += [connection.response() for _ in sent[20:]]
            for step, (status, _, body) in enumerate(told):
                assert status == 200
                assert json.loads(body)["active"] == ((index + step) % 4 != 0)

    in_parallel(40, ask)


def test_ends_are_seen(fast, slow, client, doornail):
    """Remembered or not, what ended at the other node is dead after its 200; and wrong secrets fail."""
    token = fast.token(client)
    for _ in range(3):
        assert fast.is_active(client, token)
    slow.end(client, token)
    assert not fast.is_active(client, token)

    own = doornail.client("rotating", "--introspects", "any")
    token = fast.token(client)
    for _ in range(3):
        assert fast.is_active(own, token)
    new = doornail.cli("client", "rotate-secret", "rotating", "--now")
    answer = fast.post("/introspect", {"token": token}, own)
    assert answer.status_code == 401, answer.text
    assert new["client_secret"]
