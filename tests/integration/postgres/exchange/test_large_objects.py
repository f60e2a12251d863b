"""Large objects go into exported dumps, and come out of them by PostgreSQL's own programs as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contracts.book_contract import cheap, room  # noqa: F401
from tests.integration.postgres.exchange.test_dumps import ENVIRON, entry_of, repository, taken  # noqa: F401
from tests.servers.postgres import PostgresServer, fresh_database

from holdfast.repository.repository import Repository
from holdfast.sources.postgres import PostgresSource
from holdfast.usecases.exporting import ExportOrder, export

pytestmark = pytest.mark.usefixtures("cheap")
OBJECTS = r"""
DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'Lo "reader') THEN
  CREATE ROLE "Lo ""reader"; END IF; END$$;
SELECT lo_from_bytea(4711, decode(repeat('00ff5c0a09', 500000), 'hex'));
SELECT lo_from_bytea(4294967290, 'beyond the sign');
SELECT lo_create(4712);
SELECT lo_create(4713);
SELECT lo_put(4713, 5000000, '\x01');
SELECT lo_put(4711, 3000, 'rewritten');
COMMENT ON LARGE OBJECT 4711 IS 'it''s a \ file';
GRANT SELECT ON LARGE OBJECT 4711 TO "Lo ""reader" WITH GRANT OPTION;
GRANT SELECT, UPDATE ON LARGE OBJECT 4713 TO PUBLIC;
REVOKE UPDATE ON LARGE OBJECT 4712 FROM postgres;
CREATE TABLE files (id int PRIMARY KEY, content oid);
INSERT INTO files VALUES (1, 4711), (2, 4713);
"""
TOLD = """SELECT m.oid, md5(lo_get(m.oid)), length(lo_get(m.oid)), pg_get_userbyid(m.lomowner), m.lomacl::text,
  obj_description(m.oid, 'pg_largeobject') FROM pg_largeobject_metadata m ORDER BY 1"""


@pytest.mark.parametrize("format", ["sql", "pgdump"])
def test_large_objects_are_in_exported_dumps(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path, format: str  # noqa: A002, F811
) -> None:
    """Every byte, holes, owners, grants and comments, under the same numbers."""
    pg.run(OBJECTS, database)
    source = PostgresSource(pg.url(database), allow_write_token=False, environ=ENVIRON)
    path = pg.folder / f"lo-{database}-{format}"
    export(repository, ExportOrder(entry=taken(repository, source), source=source, format=format, to=path))
    path.chmod(0o644)
    try:
        with fresh_database(pg) as other:
            if format == "sql":
                pg.client("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path), database=other)
            else:
                pg.client("pg_restore", "--exit-on-error", "-j", "2", str(path), database=other)
            assert sorted(pg.run(TOLD, other)) == sorted(pg.run(TOLD, database))
    finally:
        path.unlink()
