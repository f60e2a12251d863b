"""MongoDB databases: raw documents out of one consistent point, and back, byte for byte.

``source`` is the front door. One way: ``inventory`` (what is there), ``point`` (as of when), ``reading`` and
``capture`` (documents in ``_id`` order). The other: ``target``, ``making``, ``loading``, ``merging``. ``book`` looks
into a snapshot without restoring it. ``items`` is the contract between them.
"""
