"""Gets a server ready for definitions: missing roles, who may own what, which extension versions can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_checks import extensions
from holdfast.sources.postgres.target_path import search_paths
from holdfast.sources.postgres.target_place import Server, look_at, value
from holdfast.sources.postgres.target_roles import make_roles
from holdfast.sources.postgres.target_saved import Saved
from holdfast.sources.postgres.target_schema import Making


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """One session on the target; ``warn`` hears what could not be kept."""

    connection: Connection
    saved: Saved
    request: RestoreRequest
    server: Server
    warn: Callable[[str], None]

    def making(
        self, definitions: Definitions, chosen: Iterable[Definition], content: Content, *, every_role: bool
    ) -> Making:
        """Make missing roles (all saved ones, or those that own what was chosen) and say how to make the rest."""
        owners = {entry.owner for entry in chosen if entry.owner}
        server = self._with_roles(content, None if every_role else owners)
        settable = self._settable(owners & server.roles, server) if self.request.owner else frozenset()
        if self.request.owner:
            for role in sorted(owners - settable):
                why = "may not be given anything" if role in server.roles else "does not exist"
                self.warn(f"objects of role {role} now belong to {server.user}: the role {why} here")
        pinned = {
            name: version
            for name, version in extensions(self.saved).items()
            if version in server.extensions.get(name, frozenset())
        }
        return Making(
            definitions=definitions,
            keeps_owner=settable,
            tablespaces=server.tablespaces,
            pinned=pinned,
            acl=self.request.acl,
            paths=tuple(search_paths(self.connection, definitions)),
        )

    def _with_roles(self, content: Content, wanted: set[str] | None) -> Server:
        if not (self.request.owner or self.request.acl):
            return self.server
        script = self.saved.roles(content)
        if not script:
            return self.server
        made = make_roles(self.connection, script, self.server.roles, wanted)
        for problem in made.problems:
            self.warn(problem)
        if made.made:
            self.warn(f"roles created: {', '.join(made.made)}")
        for role in made.without_password:
            self.warn(
                f"role {role} cannot log in: its password is not in the snapshot; as a superuser: "
                f"ALTER ROLE {quote(role)} LOGIN PASSWORD '…';"
            )
        return look_at(self.connection) if made.made else self.server

    def _settable(self, owners: set[str], server: Server) -> frozenset[str]:
        if server.superuser:
            return frozenset(owners)
        right = "SET" if server.major >= 16 else "MEMBER"
        return frozenset(
            role
            for role in owners
            if value(self.connection, f"SELECT pg_catalog.pg_has_role(current_user, %s, '{right}')", role)
        )
