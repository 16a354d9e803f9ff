from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rtbench.steps import run
from rtbench.steps.run import run_step
from rtbench.storage.system_errors import NotWrittenError
from tests.helpers.small_runs import TAUGHT, plan_of, run_here, session_in


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EDQUOT, "raise the quota"),
        (errno.EROFS, "Check the path"),
        (errno.EMFILE, "ulimit"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_cannot_be_written_is_one_error_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str, *, named: bool
) -> None:
    session = session_in(tmp_path / "ws")
    step = plan_of(session, TAUGHT).todo[0]

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number), *(["somewhere/x"] if named else []))

    with monkeypatch.context() as patch:
        patch.setattr(run, "do_work", full)
        with pytest.raises(NotWrittenError, match=advice) as caught:
            run_step(session, step)
    assert caught.value.stops_run
    assert caught.value.where == ("somewhere/x" if named else step.title)
    assert len(run_here(tmp_path / "ws")) == 1, "the next go ends as if nothing had been"


def test_errors_of_a_network_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_in(tmp_path / "ws")

    def refused(*_: object) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    monkeypatch.setattr(run, "do_work", refused)
    with pytest.raises(ConnectionRefusedError):
        run_step(session, plan_of(session, TAUGHT).todo[0])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_lack_of_permission_stops_the_run_in_the_workspace_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    session = session_in(tmp_path / "ws")
    step = plan_of(session, TAUGHT).todo[0]
    for path, error in ((tmp_path / "ws" / "ledger", NotWrittenError), (tmp_path / "model", PermissionError)):

        def denied(*_: object, path: Path = path) -> None:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(run, "do_work", denied)
        with pytest.raises(error):
            run_step(session, step)
