"""Reference of the command line, generated from click: every command, argument and option, those of plugins too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from rtbench.cli import cli
from rtbench.cli.common import with_session
from rtbench.plugin.manager import PluginManager


def all_commands() -> dict[str, click.Command]:
    """Return every command by its whole name, such as `rtbench tasks export`, groups before their commands."""
    found: dict[str, click.Command] = {}
    added = PluginManager([], []).registries["commands"]
    for name in [*cli.list_commands(click.Context(cli, info_name="rtbench")), *added.names()]:
        if "." not in name:
            command = cli.get_command(click.Context(cli), name) or added.get(name).resolve()
            found.update(_with_subcommands(f"rtbench {name}", command, added))
    return found


def _with_subcommands(path: str, command: click.Command, added) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(click.Context(command)):
        yield from _with_subcommands(f"{path} {name}", command.get_command(click.Context(command), name), added)
    prefix = ".".join(path.split()[1:]) + "."
    for name in added.names():
        if name.startswith(prefix):
            yield from _with_subcommands(f"{path} {name.removeprefix(prefix)}", added.get(name).resolve(), added)


@click.command()
@with_session
def _shared(_: object) -> None:
    """Have the options that commands share."""


SHARED = {option.opts[0]: option for option in _shared.params if isinstance(option, click.Option)}
"""Options of all commands that open a workspace."""


def shared_by(command: click.Command) -> set[str]:
    """Return the names of a command's options that are the shared ones, with the same words; none if it opens no workspace."""
    options = {one.opts[0]: one.help for one in options_of(command)}
    if "--workspace" not in options:
        return set()
    return {name for name, one in SHARED.items() if options.get(name) == one.help}


def options_of(command: click.Command) -> list[click.Option]:
    """Return the options of a command."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


class CliReference(SphinxDirective):
    """Documents all commands."""

    def run(self) -> list[nodes.Node]:
        """Return one section per command, after one for the shared options."""
        lines = [*_heading("Options that most commands share"), ".. program:: rtbench", ""]
        for option in SHARED.values():
            lines += _option(option, click.Context(_shared))
        for path, command in all_commands().items():
            lines += _of_command(path, command)
        parent = nodes.Element()
        parent.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=self.env.docname), parent)
        return list(parent.children)


def _heading(text: str) -> list[str]:
    return ["", text, "-" * len(text), ""]


def _of_command(path: str, command: click.Command) -> list[str]:
    """Return the lines of a command."""
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [*_heading(path), f".. program:: {path}", "", "::", "", f"   {usage}", ""]
    lines += [*_text(command.help), ""]
    shared = shared_by(command)
    for option in options_of(command):
        if option.opts[0] not in shared:
            lines += _option(option, context)
    if shared:
        lines += ["Also: the `shared options <#options-that-most-commands-share>`__.", ""]
    return lines


def _text(text: str | None) -> list[str]:
    r"""Return a help text as reStructuredText: click's `\\b` blocks keep their lines."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", (text or "").split("\f")[0].strip()):
        if paragraph.lstrip().startswith("\b"):
            lines += [f"| {_escaped(line.strip())}" for line in paragraph.replace("\b", "").strip().splitlines()]
        else:
            lines.append(_escaped(" ".join(paragraph.split())))
        lines.append("")
    return lines


def _escaped(text: str) -> str:
    """Return text without markup, except for code between backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its counterpart
        return _plain(text)
    return "".join(f"``{part}``\\ " if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    """Return text in which no character is markup."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def _option(option: click.Option, context: click.Context) -> list[str]:
    """Return the lines of an option."""
    _, said = option.get_help_record(context) or ("", option.help or "")
    lines = [f".. option:: {_names(option)}", "", *(f"   {line}" for line in _text(said))]
    if option.envvar:
        lines += [f"   Environment variable: ``{option.envvar}``", ""]
    return lines


def _names(option: click.Option) -> str:
    """Return the spellings of an option, with its value."""
    value = "" if option.is_flag or option.count else f" {option.make_metavar(click.Context(_shared))}"
    return ", ".join(f"{name}{value}" for name in [*option.opts, *option.secondary_opts])


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.add_directive("cli-reference", CliReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
