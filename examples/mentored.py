"""A method of one's own: the student learns from a teacher and from itself, and from what it finds likeliest of both.

rtbench run --plugin examples/mentored.py --methods fine-tune-cot,mentored
"""

from rtbench.api import AskedStep, Method, PromptFormat, Template, hookimpl

FORMAT = PromptFormat(
    name="fine-tune-cot",
    decoder=Template(input="{question} ###", label=" {rationale} --> {answer}"),
    encoder_decoder=Template(input="{question}", label="{rationale} --> {answer}"),
    answer_prefix="-->",
)


class Mentored(Method):
    """Trains a student as fine-tune-cot does, which then writes rationales beside the teacher's; the likeliest are kept."""

    name = "mentored"
    uses_teacher = uses_degree = trains = True

    def steps(self, cell, build):
        n = cell.degree or 1
        asked = build.ask_teacher(cell, fold="train", n=n)
        first = build.train(cell, FORMAT, build.curate(cell, asked, prompt_format=FORMAT))
        own = build.ask_student(cell, FORMAT, checkpoint=first, fold="train", n=n, temperature=0.7)
        both = [*asked, AskedStep(own, FORMAT.answer_prefix)]
        examples = build.curate(cell, both, degree=2 * n, also=["likely"], prompt_format=FORMAT)
        return build.test(cell, FORMAT, build.train(cell, FORMAT, examples, note="mentored"))


@hookimpl
def rtbench_register_methods(register):
    register("mentored", Mentored, summary="trained on the likeliest rationales of teacher and student")
