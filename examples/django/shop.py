"""A Django application in one file: events with tickets, and a view that deletes an event.

DATABASE_URL=postgresql://… python examples/django/manage.py runserver
"""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

_url = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "only for this example"),
    ALLOWED_HOSTS=["127.0.0.1", "testserver"],
    INSTALLED_APPS=["shop"],
    ROOT_URLCONF="shop",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _url.hostname,
            "PORT": _url.port,
            "USER": unquote(_url.username or ""),
            "PASSWORD": unquote(_url.password or ""),
            "NAME": unquote(_url.path.lstrip("/")),
        }
    },
    USE_TZ=True,
)
django.setup()

from django.db import connection, models, transaction  # noqa: E402 - Django wants its settings first
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

import holdfast  # noqa: E402

backups = holdfast.open("holdfast.toml")  # one for the process; every thread may use it


class Event(models.Model):
    """What is sold."""

    title = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "events"


class Ticket(models.Model):
    """Belongs to its event, and goes with it."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    holder = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "tickets"


@csrf_exempt  # the example has no login; yours has
def delete_event(_request: HttpRequest, key: int) -> JsonResponse:
    """Delete an event with everything that belongs to it, once it is stored and was read back."""
    with transaction.atomic():
        event = Event.objects.select_for_update().get(pk=key)
        with backups.entity("event", key).deleting(connection.connection) as snapshot:
            event.delete()
    return JsonResponse({"deleted": key, "snapshot": snapshot.id})


@csrf_exempt
def restore_event(_request: HttpRequest, key: int) -> JsonResponse:
    """Bring it back."""
    result = backups.entity("event", key).restore()
    return JsonResponse({"restored": key, "undo": result.undo})


urlpatterns = [path("events/<int:key>/delete", delete_event), path("events/<int:key>/restore", restore_event)]


def create_tables() -> None:
    """In place of migrations, to keep the example in one file."""
    with connection.schema_editor() as editor:
        for model in (Event, Ticket):
            editor.create_model(model)
