"""A nightly backup as a Celery task. Let beat call it, or use ``holdfast daemon`` and need neither.

celery --workdir examples/celery --app tasks worker
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab

import holdfast

queue = Celery("tasks", broker=os.environ.get("CELERY_BROKER", "memory://"), backend="cache+memory://")
queue.conf.beat_schedule = {"nightly": {"task": "tasks.back_up", "schedule": crontab(hour=4, minute=20)}}

backups = holdfast.open("holdfast.toml")  # made before the workers fork; each of them works with objects of its own


@queue.task(name="tasks.back_up", autoretry_for=(holdfast.HoldfastError,), retry_backoff=True, max_retries=5)
def back_up() -> dict[str, Any]:
    """Take a snapshot of everything, then let go of what is old."""
    taken = backups.backup()
    if taken.failures:
        raise next(iter(taken.failures.values()))
    retained = backups.retain()
    return {"snapshots": [info.id for info in taken.snapshots], "pruned": len(retained.forgotten)}
