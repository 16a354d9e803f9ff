"""No text from others makes a file outside the folder meant for it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbench.errors import BadInputError
from rtbench.storage.paths import NAME, as_name, check_label, check_name, check_relative, inside, resolved, user_path
from tests.helpers.cli import Cli

CLIMBS = ["../x", "a/../../x", "/etc/x", "..", "", "a\\..\\..\\x", "a/\n/x", "C:/x", "a\0b"]


@pytest.mark.parametrize("path", CLIMBS)
def test_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(BadInputError) as caught:
        check_relative(path, where="here")
    assert caught.value.where == "here"


@pytest.mark.parametrize("path", ["x", "a/b.json", "a/..b/c", "MultiArith/Multi Arith.json", "ä.json"])
def test_path_that_stays_is_taken(path: str) -> None:
    assert check_relative(path, where="here") == path


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "b", "/", "//", "link"]), min_size=1))
def test_inside_never_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "link").symlink_to(root.parent)
    try:
        found = inside(root, *parts)
    except BadInputError:
        return
    assert found.resolve().is_relative_to(root.resolve())


def test_inside_refuses_links_that_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(root / "loop")
    (root / "in").symlink_to(root / "kept")
    for name in ("out", "loop"):
        with pytest.raises(BadInputError):
            inside(root, name, where="here")
    assert inside(root, "in", where="here") == root / "in"


@pytest.mark.parametrize("text", ["~nosuchuser/x", "a\0b", "x" * 5000, "~nobody-of-this-name"])
def test_path_of_a_user_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(BadInputError, match="is not a path") as error:
        user_path(text, where="option `model`")
    assert error.value.where == "option `model`"
    assert user_path("~/x") == Path.home() / "x"


def test_loop_of_links_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(BadInputError, match="is not a path"):
        resolved(tmp_path / "a")


BAD_LABELS = [
    "",
    "x[/red]",
    "[bold]x",
    "a\nb",
    "a\x1b[2J",
    "-x",
    ".x",
    "..",
    "a/../b",
    " x",
    "x ",
    "a" * 300,
    "a\\b",
    "a|b",
    "a\0",
]


@pytest.mark.parametrize("name", [*BAD_LABELS, "/x", "x/", "a//b", "a/-b"])
def test_name_that_cannot_be_printed_everywhere_is_refused(name: str) -> None:
    with pytest.raises(BadInputError, match="is not a valid name"):
        check_label(name, where="here", parts=True)


@pytest.mark.parametrize(
    "name", ["gpt-4o-mini", "Qwen/Qwen3-4B", "equal money", "lehrer-ä", "a+b", "T=0.7 (n=8)", "x_1", "m:7b"]
)
def test_name_of_a_model_is_taken(name: str) -> None:
    assert check_label(name, where="here", parts=True) == name
    with pytest.raises(BadInputError):
        check_label("a/b", where="here")


@given(text=st.text())
def test_any_text_becomes_a_name(text: str) -> None:
    assert NAME.fullmatch(as_name(text))


@pytest.mark.parametrize("name", ["../../own", "a/b", "", ".", "..", ".hidden", "a b", "x\n", "-x", "ä", "a" * 129])
def test_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(BadInputError, match="is not a valid name"):
        check_name(name, where="here")


LINES = b'{"question":"1+1?","answer":"2"}\n' * 20
GOOD = {"name": "x.jsonl", "repository": "a/b", "commit": "c" * 40, "path": "x.jsonl"}


@pytest.fixture
def mirror() -> Iterator[str]:
    """A mirror that answers every address with the same lines."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(LINES)))
            self.end_headers()
            self.wfile.write(LINES)

        def log_message(self, *arguments: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def planned(cli: Cli, mirror: str, pin: dict[str, str], code: int) -> str:
    (cli.folder / "climb.yaml").write_text(
        "task: climb\ndataset_path: json\ndoc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n"
        "metadata:\n  version: 1\n  rtbench:\n    answer_type: number\n"
        f"    files: [{{{', '.join(f'{key}: {value!r}' for key, value in pin.items())}}}]\n"
    )
    cli.environment.update(RTBENCH_MIRROR=mirror, RTBENCH_CACHE="cache/a/b")
    asked = ("--task", "climb.yaml", "--tasks", "climb", "--methods", "zero-shot", "--students", "pocket-0.5m")
    return cli("plan", "--source", "upstream", *asked, code=code).stderr


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "../../../../../planted.jsonl"),
        ("path", "/tmp/planted.jsonl"),
        ("path", "a/../../../../../../planted.jsonl"),
        ("repository", "../../.."),
        ("repository", "a/../../../.."),
        ("repository", ".."),
        ("commit", ".."),
        ("commit", "../../../.."),
        ("commit", "/tmp"),
        ("name", "../planted.jsonl"),
        ("name", "/etc/passwd"),
        ("name", "x" * 300),
        ("path", "a/" + "x" * 300),
        ("repository", "a/b/c"),
    ],
)
def test_pin_that_climbs_is_named_and_nothing_is_fetched(cli: Cli, mirror: str, field: str, value: str) -> None:
    said = planned(cli, mirror, {**GOOD, "sha256": hashlib.sha256(LINES).hexdigest(), field: value}, code=2)
    assert f"files[0].{field}" in said
    assert "climb.yaml" in said
    assert not [path for path in cli.folder.rglob("*") if path.is_file() and path.name != "climb.yaml"]


def test_pin_that_stays_is_fetched_into_the_cache(cli: Cli, mirror: str) -> None:
    planned(cli, mirror, {**GOOD, "sha256": hashlib.sha256(LINES).hexdigest()}, code=0)
    assert (cli.folder / "cache/a/b/a--b/cccccccccccc/x.jsonl").read_bytes() == LINES


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("name", ["../../own", "/tmp/own", "a/b", ".", "a b", ""])
def test_matrix_name_that_is_no_file_name_is_an_error_of_the_file(cli: Cli, command: str, name: str) -> None:
    (cli.folder / "climb.yaml").write_text(
        f"name: {name!r}\nsource: twin\ntasks: [multiarith]\nteachers: [{{name: brief, use: scripted, verbosity: 0}}]\n"
        "methods: [fine-tune-cot]\nstudents: []\nlimit: 3\n"
    )
    own = cli.folder / "own.json"
    own.write_text("precious")
    said = cli(command, "--matrix", "climb.yaml", "--workspace", "deep/ws", code=2).stderr
    assert "climb.yaml, name" in said
    assert own.read_text() == "precious"
    assert not Path(cli.folder / "deep").exists()


def test_matrix_without_a_name_is_called_as_its_file_as_far_as_that_goes(cli: Cli, demo: Path) -> None:
    odd = demo.with_name("my demo (1).yaml")
    odd.write_text(demo.read_text().replace("name: demo\n", ""))
    found = cli.json("plan", "--matrix", odd)
    assert found["matrix"] == "my_demo__1_"  # type: ignore[index,call-overload]


@pytest.mark.parametrize("name", ["a\udcff", "x\udc80/y"])
def test_path_that_is_not_utf8_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="is not a path"):
        resolved(tmp_path / name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--workspace", b"w\xff"),
        ("report", b"\xff"),
        ("plan", "--teacher", b"name=\xff,use=scripted"),
        ("score", b"a\xff.jsonl"),
    ],
)
def test_argument_that_is_not_utf8_is_refused(cli: Cli, arguments: tuple[str | bytes, ...]) -> None:
    words = [word.decode(errors="surrogateescape") if isinstance(word, bytes) else word for word in arguments]
    assert "not UTF-8 text" in cli(*words, code=2).stderr
    assert not list(cli.folder.iterdir())
