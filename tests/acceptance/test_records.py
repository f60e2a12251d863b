"""Rows are found, compared, asked and brought back by the installed program."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from tests.acceptance.program import Site


def change(site: Site, *statements: str) -> None:
    connection = sqlite3.connect(site.database)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def looked_at(empty_site: Site) -> tuple[Site, str, str]:
    """A site with two snapshots of its database, and some rows changed between them."""
    site = empty_site
    site.fill(rows=50, files=1)
    site.ok("init", "--repository", "./backups", "--source", f"notes=sqlite:{site.database}")
    first = site.ok("backup")["snapshots"][0]["id"]
    change(site, "DELETE FROM notes WHERE id = 7", "UPDATE notes SET text = 'other' WHERE id = 8")
    second = site.ok("backup")["snapshots"][0]["id"]
    return site, first, second


def test_a_row_is_found_and_where_it_is_when_it_is_not(looked_at: tuple[Site, str, str]) -> None:
    """One document; status 1 and the nearest snapshot when there is nothing."""
    site, first, second = looked_at
    found = site.ok("find", first, "notes", "7")
    assert (found["snapshot"], found["item"], found["key"], len(found["rows"])) == (first, "notes", {"id": 7}, 1)
    gone = site.run("find", "latest:notes", "notes", "7", "--json")
    assert (gone.status, [each["snapshot"] for each in gone.document["elsewhere"]]) == (1, [first])
    assert site.run("find", second, "notes", "7").status == 1
    assert "other" in site.run("find", second, "notes", "--where", "text like 'oth%'").out
    wrong = site.run("find", first, "notes", "--where", "text = = 1", "--json")
    assert (wrong.status, wrong.document["error"]["where"].split(":")[0]) == (2, "character 8")


def test_versions_and_differences(looked_at: tuple[Site, str, str]) -> None:
    """Documents as documented; --exit-code tells scripts."""
    site, first, second = looked_at
    versions = site.ok("log", "notes", "notes", "8", "--live")["versions"]
    assert [(each["status"], each["snapshots"]) for each in versions] == [("added", 1), ("changed", 2)]
    assert versions[1]["changed"] == {"text": ["note 7", "other"]}
    (table,) = site.ok("diff", first, second)["tables"]
    assert (table["added"], table["removed"], table["changed"], table["same"]) == (0, 1, 1, 48)
    assert [(row["did"], row["key"]) for row in table["rows"]] == [("changed", {"id": 8}), ("removed", {"id": 7})]
    assert site.run("diff", first, "live", "--exit-code").status == 1
    assert site.run("diff", second, "live", "--exit-code").status == 0


def test_a_snapshot_answers_sql(looked_at: tuple[Site, str, str]) -> None:
    """As a table, as JSON, as CSV; what is no question is refused."""
    site, first, second = looked_at
    asked = ("sql", first, "select count(*) as n, max(id) from notes")
    assert site.ok(*asked)["rows"] == [[50, 50]]
    assert site.run(*asked, "--csv").out.splitlines()[1] == "50,50"
    gone = site.ok("sql", first, "--compare", second, "select id from a.notes except select id from b.notes")
    assert gone["rows"] == [[7]]
    assert site.run("sql", first, "drop table notes").status == 2
    assert site.run("sql", first, "select * from read_text('holdfast.toml')").status == 2


def test_rows_come_back_and_go_again(looked_at: tuple[Site, str, str]) -> None:
    """Without --yes nothing is done; undo makes the rows as they were."""
    site, first, second = looked_at
    wanted = ("restore", first, "--only", "notes", "--keys", "7,8,9")
    assert site.run(*wanted, "--json").status == 2
    dry: dict[str, Any] = site.ok(*wanted, "--dry-run")
    assert [row["fate"] for row in dry["rows"]] == ["create", "conflict", "unchanged"]
    done = site.ok(*wanted, "--overwrite", "--yes")
    assert done["counts"] == {"create": 1, "unchanged": 1, "update": 1, "conflict": 0, "blocked": 0}
    assert site.run("diff", first, "live", "--exit-code").status == 0
    site.ok("undo", done["run"], "--yes")
    assert site.run("diff", second, "live", "--exit-code").status == 0
    assert site.run("restore", first, "--where", "id = 7", "--yes").status == 2
