"""What opens the repository can be added, taken away and kept apart, without touching data."""

from __future__ import annotations

import base64
import re
import shutil
import stat

from tests.acceptance.program import Site


def test_a_passphrase_is_changed_by_adding_one_and_removing_the_other(site: Site) -> None:
    """The new one opens, the old one does not any more, the last one cannot be removed."""
    site.ok("backup")
    old = next(each["id"] for each in site.ok("key", "list") if each["kind"] == "passphrase")
    added = site.ok("key", "add", "--label", "ops", HOLDFAST_NEW_PASSPHRASE="another good sentence")
    assert added["recovery_key"] is None
    new = {"HOLDFAST_PASSPHRASE": "another good sentence"}
    assert site.run("key", "remove", old[:8], **new).status == 2
    site.ok("key", "remove", old[:8], "--yes", **new)
    assert site.run("list").status == 12
    assert len(site.ok("list", **new)) == 2
    for each in site.ok("key", "list", **new):
        last = site.run("key", "remove", each["id"], "--yes", **new)
    assert last.status != 0
    assert len(site.ok("key", "list", **new)) == 1


def test_the_recovery_kit_opens_a_repository_that_lost_its_keys(site: Site) -> None:
    """The page holds the key, the steps, and the sealed slot to put back; it is for its owner, never over a file."""
    site.ok("backup")
    kit = site.folder / "kit.txt"
    exported = site.ok("key", "export", "--to", "kit.txt")
    assert stat.S_IMODE(kit.stat().st_mode) == 0o600
    assert site.run("key", "export", "--to", "kit.txt").status == 2
    page = kit.read_text()
    key = re.search(r"recovery key:\s+(\S+)", page)
    found = re.search(r"^--- (keys/\S+)\n(.*?)^--- holdfast\.json\n(.*?)^---$", page, re.DOTALL | re.MULTILINE)
    assert key is not None
    assert found is not None
    store = site.folder / "backups"
    shutil.rmtree(store / "keys")
    (store / "holdfast.json").unlink()
    assert site.run("list").status != 0
    (store / "keys").mkdir()
    (store / found[1]).write_bytes(base64.b64decode(found[2]))
    (store / "holdfast.json").write_text(found[3])
    assert found[1] == f"keys/{exported['key']['id']}"
    assert len(site.ok("list", HOLDFAST_PASSPHRASE=key[1])) == 2
