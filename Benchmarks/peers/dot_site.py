"""The least of a Django site for django-oauth-toolkit; peers/dot.py starts it under gunicorn.

As a script it makes the tables, a client for each grant type, and so many grants of a user, and
prints them as JSON: dot_site.py NUMBER.
"""

import datetime
import json
import os
import secrets
import sys
import uuid

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=os.environ["DOT_SECRET"], ALLOWED_HOSTS=["127.0.0.1"], USE_TZ=True,
    ROOT_URLCONF="oauth2_provider.urls", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    # None that these endpoints could do without.
    MIDDLEWARE=[],
    # Each thread keeps its connection.
    DATABASES={"default": json.loads(os.environ["DOT_DATABASE"]) | {"CONN_MAX_AGE": None}},
    OAUTH2_PROVIDER={
        "SCOPES": {"photos": "photos"}, "DEFAULT_SCOPES": ["photos"],
        "ACCESS_TOKEN_EXPIRE_SECONDS": 36000,
        "ROTATE_REFRESH_TOKEN": True, "REFRESH_TOKEN_REUSE_PROTECTION": True,
    },
    LOGGING={"version": 1, "disable_existing_loggers": True},
)
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken

application = get_wsgi_application()


def client(name, grant_type):
    """A client whose secret is kept in clear: its hash would cost each request a lot."""
    secret = secrets.token_urlsafe(32)
    return secret, Application.objects.create(
        name=name, client_id=name, client_secret=secret, hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL, authorization_grant_type=grant_type,
    )


def grant(app, user):
    """A grant as the toolkit saves it: its first access token and its refresh token."""
    access = AccessToken.objects.create(
        user=user, application=app, token=secrets.token_urlsafe(22), scope="photos",
        expires=timezone.now() + datetime.timedelta(hours=10),
    )
    token = secrets.token_urlsafe(22)
    RefreshToken.objects.create(
        user=user, application=app, token=token, access_token=access, token_family=uuid.uuid4()
    )
    return token


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    ada = get_user_model().objects.create_user("ada")
    bench_secret, _ = client("bench", Application.GRANT_CLIENT_CREDENTIALS)
    app_secret, app = client("app", Application.GRANT_AUTHORIZATION_CODE)
    grants = [grant(app, ada) for _ in range(int(sys.argv[1]))]
    print(json.dumps({"bench": bench_secret, "app": app_secret, "grants": grants}))
