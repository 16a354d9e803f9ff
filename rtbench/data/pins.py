"""Upstream data files, pinned so that everyone reads the same bytes."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from rtbench.errors import BadInputError
from rtbench.schema.base import Record
from rtbench.storage.paths import NAME, check_relative

BASE_URL = "https://raw.githubusercontent.com"
"""Base address of downloads: ``<base>/<repository>/<commit>/<path>``. A mirror has the same layout."""


class PinnedFile(Record, frozen=True, omit_defaults=True):
    """One upstream file, pinned so that everyone reads the same bytes."""

    name: str
    """Upstream name relative to the data folder, such as ``MultiArith/MultiArith.json``."""
    repository: str
    """``owner/name`` on GitHub."""
    commit: str
    path: str
    """Path inside the repository."""
    sha256: str | None = None
    """None where the digest is not known. The file is then checked only by the task that reads it."""
    bytes: int | None = None
    """Size in bytes."""

    def check(self, *, where: str) -> None:
        """Check that the file stays inside its folder, on disk and at its address.

        Args:
            where: where the pin is stated, for messages; the field's name is added.

        Raises:
            BadInputError: a field is wrong; the message names it.
        """
        check_relative(self.name, where=f"{where}.name")
        check_relative(self.path, where=f"{where}.path")
        for field, value, names in (("repository", self.repository, 2), ("commit", self.commit, 1)):
            parts = value.split("/")
            if len(parts) != names or not all(NAME.fullmatch(part) for part in parts):
                raise BadInputError(
                    f"{value!r} is not a {field}",
                    where=f"{where}.{field}",
                    next_step="Write owner/name." if names == 2 else "Write the commit's hexadecimal hash.",
                )

    @property
    def url(self) -> str:
        """Return the address at which the file was published."""
        return self.url_at(BASE_URL)

    def url_at(self, base: str) -> str:
        """Return the address of the file at a mirror, whose query (such as a token) is kept."""
        parts = urlsplit(base)
        path = "/".join((parts.path.rstrip("/"), self.repository, self.commit, quote(self.path)))
        return urlunsplit(parts._replace(path=path))
