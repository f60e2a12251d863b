"""What a postgres snapshot holds: the contract between capture and restore.

Names are ``quote_ident(schema).quote_ident(name)`` as the server quotes them, in UTF-8; in a SQL_ASCII database
the bytes are the server's own. The names of the fixed items below cannot be those of a table (no dot).

====================  ==================  ====================================================================
name                  kind                content
====================  ==================  ====================================================================
``definitions``       definitions         one ``pg_dump -Fc -Z0 --schema-only`` archive of the database (date in
                                          its header zeroed); holdfast's own schema is left out
``roles``             roles               SQL, one statement a line, each ending in ``;``: CREATE ROLE, ALTER
                                          ROLE (attributes, passwords where readable), GRANT role TO role,
                                          ALTER ROLE … SET, and for the database itself (named as it was):
                                          ALTER DATABASE … OWNER TO / SET, GRANT … ON DATABASE
``largeobjects``      largeobjects        segment key ``meta``: COPY text rows (oid, owner name, acl[] as text or
                                          NULL, comment or NULL); all other segments: COPY text rows (oid,
                                          byte offset, bytea). Bytes between the pages are zeros
``schema.table``      table               COPY text rows of the columns in ``notes["columns"]``
                      extension_config    the same; only the rows an extension's condition selects
                      sequence            no content; notes last_value, is_called
                      matview             no content; notes populated
====================  ==================  ====================================================================

A table's segments have keys ``start-end`` in heap blocks, ``0-`` for one that holds the whole table, in the order
of the heap. ``Segment.rows`` is the server's own count. A partitioned table has no item, its partitions have.
Encoding of COPY text is the database's (``notes["encoding"]`` of the snapshot); no conversion took place.

``Segment.notes["format"] == "sliced"`` marks a segment with rows too large for COPY text: COPY text rows
(rowno bigint, col int, part int, piece text); for each row a marker (rowno, 0, 0, ``''``), then for every column
that is not NULL its pieces, ``col`` counting from 1 in ``notes["columns"]``; the pieces of columns listed in
``Segment.notes["hex"]`` (those of type bytea, or domains over it) are hexadecimal. ``Segment.rows`` counts rows.

Notes of a table: columns, types (SQL type of each), key (columns of the primary key or []), oid, filenode,
signature, persistence ("p" logged, "u" unlogged), size (bytes of heap), partition_of (root item name or None),
generated (columns left out because the server computes them), method (of access), inherits, and how it hangs together
with others (structure.py): not_null, unique, references, sequences, identity, generated_types, root.
A snapshot of chosen rows has table items of the same form, keys ``rows-0``, ``rows-1`` …; there a partitioned table may
have an item.
"""

from __future__ import annotations

DEFINITIONS = b"definitions"
ROLES = b"roles"
LARGE_OBJECTS = b"largeobjects"

KIND_DEFINITIONS = "definitions"
KIND_ROLES = "roles"
KIND_LARGE_OBJECTS = "largeobjects"
KIND_TABLE = "table"
KIND_EXTENSION_CONFIG = "extension_config"
KIND_SEQUENCE = "sequence"
KIND_MATVIEW = "matview"

META_KEY = "meta"
SLICED = "sliced"

CONTINUITY_SCHEMA = "holdfast_continuity"
"""The one schema holdfast writes to in a database it protects; never part of a snapshot."""
