"""rtbench's own subcommands by name, with their modules. Imports nothing, to keep `rtbench --help` fast."""

from __future__ import annotations

COMMANDS = {
    "run": "rtbench.cli.run:run",
    "plan": "rtbench.cli.plan:plan",
    "runs": "rtbench.cli.runs:runs",
    "report": "rtbench.cli.report:report",
    "compare": "rtbench.cli.compare:compare",
    "errors": "rtbench.cli.errors:errors",
    "extractors": "rtbench.cli.extractors:extractors",
    "show": "rtbench.cli.show:show",
    "curate": "rtbench.cli.curate:curate",
    "score": "rtbench.cli.score:score",
    "import": "rtbench.cli.import_:import_",
    "export": "rtbench.cli.export:export",
    "matrices": "rtbench.cli.matrices:matrices",
    "tasks": "rtbench.cli.tasks:tasks",
    "plugins": "rtbench.cli.plugins:plugins",
    "check": "rtbench.cli.check:check",
    "new": "rtbench.cli.new:new",
    "data": "rtbench.cli.data:data",
    "verify": "rtbench.cli.upkeep:verify",
    "gc": "rtbench.cli.upkeep:gc",
    "du": "rtbench.cli.upkeep:du",
    "doctor": "rtbench.cli.doctor:doctor",
}
