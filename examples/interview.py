"""A format of recordings: text files in which questions begin with `Q: ` and completions with `A: `.

rtbench score --plugin examples/interview.py mymodel__cot__stones.interview --task examples/stones.yaml
"""

import re

from rtbench.api import ONE_TEXT_PREFIX, BadInputError, RecordedEntry, Recording, RecordingFormat, hookimpl, read_bytes

PAIR = re.compile(r"^Q: (.*?)^A: (.*?)(?=^Q: |\Z)", re.MULTILINE | re.DOTALL)


class Interview(RecordingFormat):
    name = "interview"
    rank = 50  # asked before the formats that accept any text

    def matches(self, path):
        return path.suffix == ".interview"

    def read(self, path, *, model, key, task):
        names = path.stem.split("__")
        if len(names) != 3:
            raise BadInputError("no name", where=str(path), next_step="Name the file MODEL__KEY__TASK.interview.")
        pairs = PAIR.findall(read_bytes(path).decode())
        asked = [question for question, _ in pairs]
        entries = [
            RecordedEntry(f"pair {n + 1}", asked[:n].count(question), text.strip(), question.strip())
            for n, (question, text) in enumerate(pairs)
        ]
        return Recording(path, model or names[0], key or names[1], task or names[2], ONE_TEXT_PREFIX, tuple(entries))


@hookimpl
def rtbench_register_recordings(register):
    register("interview", Interview, summary="Q: and A: in a text file")
