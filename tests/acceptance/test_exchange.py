"""Exported by one command, imported by another, found under the old id: as a user of the old system would."""

from __future__ import annotations

import json

from tests.acceptance.program import Site, rows_of


def test_an_old_backup_is_imported_and_restored_by_its_old_id(site: Site) -> None:
    """Out as a document, in under the id the old system gave it, back as a database."""
    site.ok("backup", "notes")
    written = site.ok("export", "latest:notes", "--format", "json", "--to", "out.json")
    assert set(written) == {"snapshot", "format", "files", "rows"}
    path = site.folder / "out.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "id": "backup-1700000000000", "timestamp": "2023-11-14T22:13:20Z"}))
    planned = site.ok("import", "out.json", "--source", "notes", "--dry-run")
    assert planned["backups"][0]["snapshot"] is None
    made = site.ok("import", "out.json", "--source", "notes")
    assert set(made) == {"run", "dry_run", "backups", "warnings"}
    assert site.ok("import", "out.json", "--source", "notes")["backups"][0]["skipped"].startswith("imported before as")
    shown = site.ok("show", "backup-1700000000000")
    assert shown["id"] == made["backups"][0]["snapshot"]
    assert shown["aliases"] == ["backup-1700000000000"]
    assert site.ok("list")[0]["aliases"] == ["backup-1700000000000"]
    site.ok("restore", "backup-1700000000000", "--to", "again.sqlite")
    assert rows_of(site.folder / "again.sqlite") == rows_of(site.database)


def test_an_old_document_is_written_again_as_it_came(site: Site) -> None:
    """Its id, its time, its facts, and its tables under the names it has for them."""
    site.ok("backup", "notes")
    site.ok("export", "latest:notes", "--format", "json", "--to", "out.json")
    tables = json.loads((site.folder / "out.json").read_text())["tables"]
    old = {
        "id": "backup-1700000000000", "timestamp": "2023-11-14T22:13:20Z", "version": "1.0", "by": "cron",
        "tables": {name.title(): rows for name, rows in tables.items()},
        "statistics": {name.title(): len(rows) for name, rows in tables.items()},
    }  # fmt: skip
    (site.folder / "old.json").write_text(json.dumps(old))
    site.ok("import", "old.json", "--source", "notes")
    site.ok("export", "backup-1700000000000", "--format", "json", "--to", "new.json")
    assert json.loads((site.folder / "new.json").read_text()) == {**old, "source": "notes"}


def test_an_old_backup_stands_in_history_at_its_own_time(site: Site) -> None:
    """Imported last, it is told first; list, show and find say of when it is."""
    site.ok("backup", "notes")
    site.ok("export", "latest:notes", "--format", "json", "--to", "out.json")
    old = json.loads((site.folder / "out.json").read_text())
    (name, rows), *_ = [(name, rows) for name, rows in old["tables"].items() if rows]
    column = next(each for each, value in rows[0].items() if isinstance(value, str))
    key = next(each for each, value in rows[0].items() if isinstance(value, int))
    now, rows[0][column] = rows[0][column], "as it was"
    old |= {"id": "backup-1700000000000", "timestamp": "2023-11-14T22:13:20Z"}
    (site.folder / "old.json").write_text(json.dumps(old))
    site.ok("import", "old.json", "--source", "notes")
    versions = site.ok("log", "notes", name, str(rows[0][key]))["versions"]
    assert [(each["status"], each["row"][column]) for each in versions] == [("added", "as it was"), ("changed", now)]
    assert versions[0]["data_at"] == site.ok("show", "backup-1700000000000")["data_at"] == "2023-11-14T22:13:20.000Z"
    found = site.ok("find", "backup-1700000000000", name, str(rows[0][key]))
    assert found["data_at"] == site.ok("list")[0]["data_at"] == versions[0]["data_at"] != found["created_at"]
    assert "of 2023-11-14 22:13" in site.run("list").out


def test_what_goes_wrong_is_told_in_full(site: Site) -> None:
    """A half-written file names its place; nothing is replaced unasked; one stream holds one file."""
    site.ok("backup", "notes")
    site.ok("export", "latest:notes", "--format", "json", "--to", "out.json")
    again = site.run("export", "latest:notes", "--format", "json", "--to", "out.json")
    assert (again.status, "there already" in again.err) == (1, True)
    path = site.folder / "out.json"
    path.write_text(path.read_text()[:-40])
    half = site.run("import", "out.json", "--source", "notes", "--json")
    assert half.status == 1
    assert half.document["error"]["code"] == "bad-file"
    assert "line" in half.document["error"]["where"]
    assert len(site.ok("list")) == 1
    files = site.run("export", "latest:media", "--format", "json")
    assert files.status == 2
