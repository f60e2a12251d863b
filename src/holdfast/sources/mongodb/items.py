"""What a mongodb snapshot holds: the contract between capture, restore and books.

======================  ==============  ========================================================================
name                    kind            content
======================  ==============  ========================================================================
``$definitions``        definitions     BSON documents ``{collection: <as listCollections gave it>, indexes: [<as
                                        listIndexes gave them>]}``, one for each collection, view, time series
``$access``             access          segment keys ``roles`` and ``users``: BSON documents as rolesInfo and
                                        usersInfo gave them
``$changes``            changes         only where documents were read while others wrote: segment keys
                                        ``put:NAME`` (whole documents as they are at the point, to be put over
                                        those of the collection) and ``gone:NAME`` (``{_id}`` of deleted ones)
``NAME``                collection      BSON documents one after the other, as the server sent them
                        timeseries      the same: measurements
                        view            no content
======================  ==============  ========================================================================

No collection's name can begin with ``$``. A collection's segments are in ``_id`` order (the server's, type brackets
ignored) when its notes say ``order: "id"``; ``Segment.notes["from"]`` is then ``{_id: <lower bound>}`` as BSON, empty
for the first: documents of a segment lie from its bound up to the next one's. ``order: "natural"`` says nothing.
Every chunk is a run of whole documents (Cut.DOCUMENTS).

Notes of a collection: uuid, order, capped, collated (its strings compare by a language's rules).
"""

from __future__ import annotations

DEFINITIONS = b"$definitions"
ACCESS = b"$access"
CHANGES = b"$changes"

KIND_DEFINITIONS = "definitions"
KIND_ACCESS = "access"
KIND_CHANGES = "changes"
KIND_COLLECTION = "collection"
KIND_TIMESERIES = "timeseries"
KIND_VIEW = "view"

DATA_KINDS = (KIND_COLLECTION, KIND_TIMESERIES)
PUT, GONE = "put:", "gone:"
ROLES, USERS = "roles", "users"

JOURNAL = "holdfast_journal"
"""The one collection holdfast writes to in a database without transactions; never part of a snapshot."""

UNFINISHED = "holdfast_unfinished_restore"
"""A collection that stands in a database until a restore into it is complete."""

RESTORING = "holdfast_restoring"
"""A collection that stands in a database while a restore writes into what lives there: who does, and how long
documents lived where expiry stands still meanwhile; never part of a snapshot."""

OWN = (JOURNAL, UNFINISHED, RESTORING)
