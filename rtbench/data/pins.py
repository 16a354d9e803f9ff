"""Upstream data files, pinned so that everybody reads the same bytes."""

from __future__ import annotations

from urllib.parse import quote

from rtbench.errors import BadInputError
from rtbench.schema.base import Record
from rtbench.storage.paths import NAME, check_relative

BASE_URL = "https://raw.githubusercontent.com"
"""Where pinned files are downloaded: ``<base>/<repository>/<commit>/<path>``. A mirror has the same layout."""


class PinnedFile(Record, frozen=True, omit_defaults=True):
    """One upstream file, pinned so that everybody reads the same bytes."""

    name: str
    """Upstream name relative to the data folder, such as ``MultiArith/MultiArith.json``."""
    repository: str
    """``owner/name`` on GitHub."""
    commit: str
    path: str
    """Path inside the repository."""
    sha256: str | None = None
    """None where the digest is not known; then nothing can be checked here, and the loader checks what it can."""
    bytes: int | None = None

    def check(self, *, where: str) -> None:
        """Check that the file stays in the folder meant for it, on disk and at its address.

        Args:
            where: who states the pin; the field is added.

        Raises:
            BadInputError: names the field.
        """
        check_relative(self.name, where=f"{where}.name")
        check_relative(self.path, where=f"{where}.path")
        for field, stated, names in (("repository", self.repository, 2), ("commit", self.commit, 1)):
            parts = stated.split("/")
            if len(parts) != names or not all(NAME.fullmatch(part) for part in parts):
                raise BadInputError(
                    f"{stated!r} is no {field}",
                    where=f"{where}.{field}",
                    next_step="Write owner/name." if names == 2 else "Write the commit's hexadecimal name.",
                )

    @property
    def url(self) -> str:
        """Where the file was published."""
        return self.url_at(BASE_URL)

    def url_at(self, base: str) -> str:
        """Where a mirror has it."""
        return "/".join((base.rstrip("/"), self.repository, self.commit, quote(self.path)))
