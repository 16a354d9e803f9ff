"""A task in Python: numbers to be written in Roman numerals.

rtbench tasks --plugin examples/roman.py
"""

from rtbench.api import Sample, Score, Split, Task, TaskData, TaskInfo, hookimpl

ONES = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
TENS = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"]


class LastNumeral:
    """Finds the last word of a text that is a Roman numeral."""

    name = "last-numeral"
    version = 1
    cites = "examples/roman.py"

    def canonical(self, extracted):
        return extracted

    def score(self, completions, samples, answer_prefix):
        return [self.score_one(one, samples[one.sample_index].answer, answer_prefix) for one in completions]

    def score_one(self, completion, gold, prefix):
        words = [word for word in completion.text.replace(".", " ").split() if set(word) <= set("CLXVI")]
        extracted = words[-1] if words else None
        return Score(
            sample_index=completion.sample_index,
            completion_index=completion.completion_index,
            extracted=extracted,
            correct=extracted == gold,
            contains_answer=gold in words,
            correct_format=prefix is None or prefix in completion.text,
            complete=completion.finish_reason == "stop",
        )


class Roman(Task):
    info = TaskInfo("roman", "Roman numerals", "string", 0.0, extractors={"last-numeral": 1})

    def fingerprint(self, files, variant):
        return "roman-1"  # another one when the questions change

    def load(self, files, variant):
        samples = {n: Sample(n, f"Write {n} in Roman numerals.", TENS[n // 10] + ONES[n % 10]) for n in range(1, 100)}
        test = tuple(range(5, 100, 5))
        return TaskData(samples, {"default": Split(tuple(n for n in samples if n not in test), test)})

    def extractor(self, name):
        return LastNumeral()


@hookimpl
def rtbench_register_tasks(register):
    register("roman", Roman, summary="numbers in Roman numerals")
