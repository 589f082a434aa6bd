"""What /introspect is asked, in all the shapes that clients give it: each a list of whole requests.

Some are recorded (shapes/*.http, by record.py), the others are made here by lot, always the same.
"""

import base64
import dataclasses
import random
from pathlib import Path

RECORDED = {file.stem: file for file in sorted((Path(__file__).parent / "shapes").glob("*.http"))}
HOST = "login.example.com"
FORM = "application/x-www-form-urlencoded"
CONTENT_TYPES = (
    FORM, f"{FORM};charset=UTF-8", f"{FORM}; charset=utf-8", f'{FORM}; charset="utf-8"',
    f"{FORM} ; charset=UTF-8", "Application/X-WWW-Form-URLEncoded",
    "APPLICATION/X-WWW-FORM-URLENCODED;CHARSET=UTF-8",
)  # fmt: skip
WORDS = "Account Batch Cell Device Edge Feature Group Hop Index Job Key Line Mode Node".split()
# Requests that a list has: they are sent over and over.
COUNT = 20_000
FEW_TOKENS = 3000


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who asks."""

    id: str
    secret: str

    @property
    def basic(self):
        return base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()


def written(fields, form):
    """A request with these fields and this body."""
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"POST /introspect HTTP/1.1\r\n{head}\r\n{form}".encode()


def encoded(parameters):
    """A form; no value needs to be escaped."""
    return "&".join(f"{name}={value}" for name, value in parameters)


def recorded(file):
    """What makes requests of a recording."""
    _, _, text = file.read_text().partition("\n")
    head, _, form = text.rstrip("\n").partition("\n\n")
    fields = [line.split(": ", 1) for line in head.split("\n")[1:]]

    def request(_, caller, token):
        values = {"id": caller.id, "secret": caller.secret, "basic": caller.basic, "token": token}
        body = form.format(**values)
        values |= {"host": HOST, "length": len(body)}
        return written([(name, value.format(**values)) for name, value in fields], body)

    return request


def fields_of(caller, form, content_type=FORM):
    """The fields of a plain request."""
    return [
        ("Host", HOST), ("User-Agent", "gateway/1.0"), ("Accept", "application/json"),
        ("Authorization", f"Basic {caller.basic}"), ("Content-Type", content_type),
        ("Content-Length", len(form)),
    ]  # fmt: skip


def plain(_, caller, token):
    form = f"token={token}"
    return written(fields_of(caller, form), form)


def any_order(lot, caller, token):
    parameters = [("token", token), ("token_type_hint", "access_token"), ("trace", "1")]
    lot.shuffle(parameters)
    form = encoded(parameters)
    fields = fields_of(caller, form)
    lot.shuffle(fields)
    return written(fields, form)


def any_case(lot, caller, token):
    form = f"token={token}"
    fields = [
        ("".join(lot.choice((letter.lower(), letter.upper())) for letter in name), value)
        for name, value in fields_of(caller, form)
    ]
    return written(fields, form)


def unknown_fields(lot, caller, token):
    form = f"token={token}"
    fields = fields_of(caller, form)
    for word in lot.sample(WORDS, lot.randint(1, 6)):
        value = f"{lot.getrandbits(4 * lot.randint(4, 24)):x}"
        fields.insert(lot.randint(1, len(fields)), (f"X-{word}", value))
    return written(fields, form)


def traced(lot, caller, token):
    """As a gateway passes them on: each names itself."""
    form = f"token={token}"
    fields = fields_of(caller, form)
    fields += [
        ("X-Request-ID", f"{lot.getrandbits(128):032x}"),
        ("traceparent", f"00-{lot.getrandbits(128):032x}-{lot.getrandbits(64):016x}-01"),
    ]
    return written(fields, form)


def any_content_type(lot, caller, token):
    form = f"token={token}"
    return written(fields_of(caller, form, lot.choice(CONTENT_TYPES)), form)


def secret_in_body(lot, caller, token):
    parameters = [("token", token), ("client_id", caller.id), ("client_secret", caller.secret)]
    lot.shuffle(parameters)
    form = encoded(parameters)
    fields = [each for each in fields_of(caller, form) if each[0] != "Authorization"]
    return written(fields, form)


def hint_first(_, caller, token):
    form = f"token_type_hint=access_token&token={token}"
    return written(fields_of(caller, form), form)


MADE = {
    "plain": plain, "any order": any_order, "any letter case": any_case,
    "unknown headers": unknown_fields, "named and traced": traced,
    "content types": any_content_type, "secret in the body": secret_in_body,
    "hint first": hint_first,
}  # fmt: skip
MAKERS = {name: recorded(file) for name, file in RECORDED.items()} | MADE
TOKENS, CALLERS, MIXED = "10000 tokens", "100 callers", "all mixed"
NAMES = [*MAKERS, TOKENS, CALLERS, MIXED]


def mixed(lot, caller, token):
    return lot.choice(list(MAKERS.values()))(lot, caller, token)


def requests(name, callers, tokens):
    """The requests of a shape, of which each has the next token. Only shapes that say so have more
    callers than the first, or more tokens than some."""
    lot = random.Random(name)
    make = {MIXED: mixed}.get(name) or MAKERS.get(name, plain)
    if name not in (CALLERS, MIXED):
        callers = callers[:1]
    if name not in (TOKENS, MIXED):
        tokens = tokens[:FEW_TOKENS]
    for number in range(COUNT):
        yield make(lot, callers[number % len(callers)], tokens[number % len(tokens)])


def pairs(name):
    """How many pairs of a caller and a token a shape has, at most."""
    return COUNT if name in (TOKENS, MIXED) else FEW_TOKENS


def keep(file, name, callers, tokens):
    """Writes a shape's requests as load.lua reads them: the length of each in a line before it."""
    with file.open("wb") as out:
        for request in requests(name, callers, tokens):
            out.write(b"%d\n%b" % (len(request), request))
