"""Errors of the system name the file, whatever raised them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from rtbench.storage.system_errors import advice_on, reason_of
from rtbench.storage.writing import naming


def test_error_without_a_name_gets_it_and_another_keeps_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error, naming(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(tmp_path / "a")
    with pytest.raises(FileNotFoundError) as other, naming(tmp_path / "a"):
        (tmp_path / "b").read_bytes()
    assert other.value.filename == str(tmp_path / "b")
    with pytest.raises(BrokenPipeError) as pipe, naming(tmp_path):
        raise BrokenPipeError
    assert pipe.value.filename is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "Disk quota exceeded"),
        (OSError("odd\x1b[2J\ntext"), r"odd\x1b[2J\ntext"),
        (OSError(), "OSError"),
        (shutil.Error([("a", "b", "No space left on device")]), "No space left on device"),
        (OSError("https://u:p@host/x is gone"), "https://[redacted]@host/x is gone"),
        (OSError("x" * 5000), "x" * 300),
    ],
)
def test_reason_is_one_short_line(error: OSError, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "Make room"),
        (errno.EMFILE, "open files"),
        (errno.ENAMETOOLONG, "shorter"),
        (errno.EROFS, "permissions"),
        (errno.EACCES, "permissions"),
    ],
)
def test_advice_fits_the_error(number: int, said: str) -> None:
    assert said in advice_on(OSError(number, os.strerror(number)))
