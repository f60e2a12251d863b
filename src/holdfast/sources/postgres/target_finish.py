"""The last steps of a restore: sequences, materialized views in the order they need, event triggers, statistics."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Sequence

import psycopg

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import ItemResult
from holdfast.model.snapshot import Item
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.names import literal, qualified
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_saved import Saved
from holdfast.sources.postgres.target_schema import patiently


def set_sequences(
    connection: Connection, saved: Saved, items: Sequence[Item], *, never_back: bool = False
) -> list[ItemResult]:
    """Give sequences the value they had; with ``never_back`` only forward of where they are now."""
    return [_set_sequence(connection, saved, item, never_back=never_back) for item in items]


def _set_sequence(connection: Connection, saved: Saved, item: Item, *, never_back: bool) -> ItemResult:
    notes = item.notes or {}
    last, called = notes.get("last_value"), bool(notes.get("is_called"))
    if last is None:
        return ItemResult(name=item.label, action="create", rows=None, status="ok", detail="value was not readable")
    name = literal(saved.sql(item)).strip()
    ahead = ""
    if never_back:
        here = f"FROM {saved.sql(item)} c, pg_catalog.pg_sequence s WHERE s.seqrelid = {name}::regclass"
        further = (
            f"CASE WHEN s.seqincrement > 0 THEN ({int(last)}, {int(called)}) > (c.last_value, c.is_called::int)"
            f" ELSE (-({int(last)}::numeric), {int(called)}) > (-(c.last_value::numeric), c.is_called::int) END"
        )
        ahead = f" WHERE (SELECT {further} {here})"
    try:
        with connection.transaction():
            moved = connection.execute(
                f"SELECT pg_catalog.setval({name}::regclass, {int(last)}, {called}){ahead}"
            ).rowcount
    except psycopg.Error as error:
        if connection.closed:
            raise
        return ItemResult(name=item.label, action="create", rows=None, status="failed", detail=reason(error))
    action = "overwrite" if never_back and moved else "leave" if never_back else "create"
    return ItemResult(name=item.label, action=action, rows=None, status="ok")


def refresh(
    connection: Connection, saved: Saved, items: Iterable[Item], definitions: Definitions, paths: Sequence[str] = ()
) -> list[ItemResult]:
    """Fill the materialized views that were filled, those first that others read; the rest stay empty."""
    by_name = {saved.name(item): item for item in items}
    results = []
    for name in _in_order(definitions, set(by_name)):
        item = by_name[name]
        if not (item.notes or {}).get("populated", True):
            results.append(
                ItemResult(
                    name=item.label,
                    action="create",
                    rows=None,
                    status="ok",
                    detail="left unpopulated, as it was",
                )
            )
            continue
        status, detail = "ok", ""
        try:
            patiently(connection, definitions.encode(f"REFRESH MATERIALIZED VIEW {qualified(*name)}"), paths)
        except psycopg.Error as error:
            if connection.closed:
                raise
            status, detail = "failed", f"could not be refreshed: {reason(error)}"
        results.append(ItemResult(name=item.label, action="create", rows=None, status=status, detail=detail))
    return results


def _in_order(definitions: Definitions, wanted: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The archive lists a view after what it reads, save in rings; needs are followed to be sure."""
    order: list[tuple[str, str]] = []
    seen: set[int] = set()

    def visit(entry: Definition) -> None:
        if entry.id in seen:
            return
        seen.add(entry.id)
        for need in entry.needs:
            found = definitions.get(need)
            if found is not None:
                visit(found)
        if entry.desc == "MATERIALIZED VIEW" and (entry.namespace, entry.tag) in wanted:
            order.append((entry.namespace, entry.tag))

    for entry in definitions.of("MATERIALIZED VIEW"):
        visit(entry)
    return order


def analyze(place: Place, tables: Sequence[tuple[str, str]], width: int) -> None:
    """Collect statistics, so that the first queries are planned well. Failures cost speed only and are passed over."""
    waiting: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for table in tables:
        waiting.put(table)

    def work() -> None:
        try:
            with place.session(synchronous_commit="off") as connection:
                while True:
                    batch = _some(waiting)
                    if not batch:
                        return
                    connection.execute(f"ANALYZE {', '.join(qualified(*table) for table in batch)}")
        except (psycopg.Error, HoldfastError):
            return

    threads = [threading.Thread(target=work) for _ in range(min(width, len(tables)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _some(waiting: queue.SimpleQueue[tuple[str, str]], most: int = 50) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    try:
        while len(found) < min(most, max(1, waiting.qsize() // 4)):
            found.append(waiting.get_nowait())
    except queue.Empty:
        pass
    return found


def settle(connection: Connection) -> None:
    """Make everything that was committed without waiting durable: one synchronous commit flushes what went before."""
    connection.execute("SET synchronous_commit = on")
    connection.execute("SELECT pg_catalog.txid_current()")
    connection.execute("RESET synchronous_commit")
