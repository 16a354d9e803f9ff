from __future__ import annotations

import msgspec
import pytest

from tests.helpers.claims import RECIPE, SEEDS, Bench, share


def test_c1_is_supported_where_rationales_win(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60))
    found = bench.line("C1")
    assert found.verdict == "supported"
    assert found.effect == pytest.approx(0.4)
    assert (found.left, found.right) == pytest.approx((0.6, 0.2))
    assert found.interval is not None
    assert 0.3 < found.interval.low < 0.4 < found.interval.high < 0.5
    assert (found.n, found.seeds, found.confidence) == (300, 3, 0.95)
    assert set(found.cells) == {cell.name for cell in bench.cells}


def test_c1_is_inconclusive_where_nothing_differs(bench: Bench) -> None:
    bench.seeds("fine-tune", share(40))
    bench.cot(share(40))
    found = bench.line("C1")
    assert (found.verdict, found.effect) == ("inconclusive", 0.0)


def test_c1_is_contradicted_where_answers_win(bench: Bench) -> None:
    bench.seeds("fine-tune", share(60))
    bench.cot(share(20))
    found = bench.line("C1")
    assert found.verdict == "contradicted"


@pytest.mark.parametrize("task", ["svamp", "single_eq", "addsub", "commonsense_qa", "strategy_qa"])
def test_opposite_is_expected_where_the_paper_found_it(bench: Bench, task: str) -> None:
    """It is supported unless rationales are significantly ahead."""
    bench.seeds("fine-tune", share(50), task=task)
    bench.cot(share(50), task=task)
    assert not bench.lines("C1")
    assert bench.line("C1 opposite").verdict == "supported"


def test_opposite_is_contradicted_where_rationales_win(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20), task="svamp")
    bench.cot(share(60), task="svamp")
    found = bench.line("C1 opposite")
    assert found.verdict == "contradicted"
    assert found.expected == "fine-tune ahead"
    assert found.paper is not None
    assert found.paper.effect == pytest.approx(-0.08)


def test_pairing_is_by_question(bench: Bench) -> None:
    """Equal accuracies on different questions are compared question by question."""
    bench.cell("fine-tune", share(50))
    bench.cell("fine-tune-cot", share(50, shift=50), teacher="main", degree=1)
    found = bench.line("C1")
    assert found.effect == 0.0
    assert found.interval is not None
    assert found.interval.high - found.interval.low == pytest.approx(0.39, abs=0.04), "all 100 differ: 4 × 0.98 / √100"


def test_questions_of_one_pattern_are_no_independent_evidence(bench: Bench) -> None:
    """The same answers are significant as 100 questions, and not as ten of each of ten patterns."""
    verdicts = []
    for patterns in (None, 10):
        bench.cells.clear()
        bench.cell("fine-tune", share(30), patterns=patterns)
        bench.cell("fine-tune-cot", share(40), teacher="main", degree=1, patterns=patterns)
        found = bench.line("C1")
        verdicts.append((found.verdict, found.effect, found.n, found.patterns))
    assert verdicts == [("supported", 0.1, 100, 100), ("inconclusive", 0.1, 100, 10)]


def test_few_patterns_are_reported(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20), patterns=5)
    bench.cot(share(60), patterns=5)
    found = bench.line("C1")
    assert (found.n, found.patterns) == (300, 15)
    assert "the 300 questions have only 15 different patterns" in found.notes


def test_only_questions_that_both_sides_answered_count(bench: Bench) -> None:
    bench.cell("fine-tune", [False] * 60)
    bench.cell("fine-tune-cot", [True] * 60, teacher="main", degree=1, first=20)
    found = bench.line("C1")
    assert found.n == 40
    assert "40 answers have no counterpart and are left out" in found.notes


def test_sides_without_a_common_question_are_not_compared(bench: Bench) -> None:
    bench.cell("fine-tune", [False] * 60)
    bench.cell("fine-tune-cot", [True] * 60, teacher="main", degree=1, first=100)
    found = bench.line("C1")
    assert (found.verdict, found.reason) == ("not tested", "the two sides answered no question in common")


def test_seeds_count_alike_however_many_questions_each_has(bench: Bench) -> None:
    for seed, n in ((0, 200), (1, 20)):
        bench.cell("fine-tune", [False] * n, seed=seed)
        bench.cell("fine-tune-cot", [seed == 0] * n, seed=seed, teacher="main", degree=1)
    assert bench.line("C1").effect == pytest.approx(0.5)


def test_shared_questions_of_upstream_data_give_no_false_certainty(bench: Bench, upstream: Bench) -> None:
    widths = []
    for one in (bench, upstream):
        one.cells.clear()
        one.seeds("fine-tune", share(40))
        one.cot(share(60, shift=10))
        interval = one.line("C1").interval
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[1] > 1.4 * widths[0], "own questions: three times as many"


def test_students_are_pooled_and_shown_each(bench: Bench) -> None:
    for student, gain in (("small", 10), ("large", 50)):
        bench.seeds("fine-tune", share(20), student=student)
        bench.cot(share(20 + gain), student=student)
    found = bench.line("C1")
    assert found.effect == pytest.approx(0.3)
    assert {part.name: round(part.effect, 6) for part in found.by_student} == {"small": 0.1, "large": 0.5}
    assert [part.name for part in found.by_seed] == ["0", "1", "2"]
    assert all(part.n == 100 for part in found.by_seed)


def test_other_teachers_and_degrees_are_shown_outside_the_comparison(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(40))
    bench.cot(share(80), degree=8)
    bench.cot(share(90), teacher="other")
    found = bench.line("C1")
    assert found.effect == pytest.approx(0.2)
    assert {part.name: round(part.effect, 6) for part in found.also} == {"teacher other": 0.7, "D=8 − fine-tune": 0.6}
    assert "teacher main" in found.notes, "the one that most cells learn from"


def test_rows_outside_the_comparison_have_the_same_students_and_seeds(bench: Bench) -> None:
    """A student or seed that the line itself lacks is left out; one that only the line has is named by those there are."""
    for student in ("small", "large"):
        bench.seeds("fine-tune", share(20), student=student)
        bench.cot(share(40), student=student)
    bench.seeds("fine-tune", share(10), student="third")
    bench.cot(share(60), degree=8)
    bench.cot(share(90), degree=8, student="third")
    bench.cot(share(80), degree=32)
    bench.cot(share(80), degree=32, student="large", seeds=[0, 1])
    bench.cot(share(70), teacher="other", student="large", seeds=[1])
    bench.cot(share(99), teacher="other", student="third")
    c1 = {part.name: (round(part.effect, 6), part.n) for part in bench.line("C1").also}
    assert c1 == {
        "teacher other (student large only; seed 1 only)": (0.5, 100),
        "D=8 − fine-tune (student small only)": (0.4, 300),
        "D=32 − fine-tune (5 of 6 pairs)": (0.6, 300),
    }
    c2 = bench.line("C2")
    assert c2.effect == pytest.approx(0.4)
    assert [part.name for part in c2.also] == ["D=8 − D=1 (student small only)"]


def test_other_teachers_are_compared_in_the_main_ones_terms(bench: Bench) -> None:
    """By the same degree, the same sizes and the same part of the questions."""
    for degree, fraction in ((1, 1.0), (8, 1.0), (32, 1.0), (1, 0.25), (1, 0.5)):
        bench.cot(share(30), degree=degree, fraction=fraction)
    for degree, fraction in ((1, 1.0), (8, 1.0), (1, 0.5)):
        bench.cot(share(40), degree=degree, fraction=fraction, teacher="other")
    assert [part.name for part in bench.line("C2").also] == ["D=8 − D=1"]
    assert [part.name for part in bench.line("C5").also] == ["all − 0.5"]
    for student, parameters in (("a", 3000), ("b", 5000)):
        bench.cot(share(50), student=student, parameters=parameters)
    bench.cot(share(50), student="a", parameters=3000, teacher="other")
    bench.cot(share(50), student="b", parameters=5000, teacher="third")
    assert {part.name for part in bench.line("C3").also if part.axis == "teacher"} == set()
    bench.cot(share(70), student="b", parameters=5000, teacher="other")
    found = {part.name: round(part.effect, 6) for part in bench.line("C3").also if part.axis == "teacher"}
    assert found == {"teacher other": 0.3}


def test_c1_needs_degree_1(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(80), degree=8)
    found = bench.line("C1")
    assert found.verdict == "not tested"
    assert "degree 1" in str(found.reason)


def test_c2_is_the_highest_degree_minus_degree_1(bench: Bench) -> None:
    for degree, right in ((1, 20), (8, 40), (32, 60)):
        bench.cot(share(right), degree=degree)
    bench.cot(share(0), student="other", degree=1)
    found = bench.line("C2")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.4))
    assert [(part.name, round(part.effect, 6)) for part in found.also] == [("D=8 − D=1", 0.2)]
    assert [part.name for part in found.by_student] == ["small"]


def test_c2_compares_a_greedy_rationale_with_several_sampled_ones_and_says_so(bench: Bench) -> None:
    """As the paper does: its degree 1 has no temperature stated, the others 0.7."""
    bench.seeds("fine-tune", share(10))
    bench.cot(share(20))
    for degree, right in ((2, 30), (8, 50)):
        bench.cot(share(right), degree=degree, temperature=0.7)
    found = bench.line("C2")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.3))
    assert found.notes[0] == "D=8 − D=1, teacher main T=0.7"
    assert "temperatures differ: D=8 at 0.7, D=1 not set (greedy at degree 1, 0.7 above)" in found.notes
    assert [part.name for part in found.also] == ["D=2 − D=1"]
    names = [part.name for part in bench.line("C1").also]
    assert names == ["D=2 of main T=0.7 − fine-tune", "D=8 of main T=0.7 − fine-tune"]


def test_c2_prefers_the_same_temperature_and_never_takes_another_teacher(bench: Bench) -> None:
    bench.cot(share(10), temperature=0.2)
    bench.cot(share(20), temperature=0.7)
    bench.cot(share(50), degree=8, temperature=0.7)
    found = bench.line("C2")
    assert found.effect == pytest.approx(0.3)
    assert not [note for note in found.notes if "temperatures" in note]
    bench.cells = [cell for cell in bench.cells if cell.degree == 8]
    bench.cot(share(10), teacher="other")
    assert bench.line("C2").reason == "no student has both degree 1 and a higher degree"


def test_c2_needs_two_degrees(bench: Bench) -> None:
    bench.cot(share(20))
    assert bench.line("C2").reason == "no student has both degree 1 and a higher degree"


def test_c3_goes_by_the_parameters_of_the_train_report(bench: Bench) -> None:
    for student, parameters, right in (("a", 6_000_000, 70), ("b", 500_000, 20), ("c", 2_000_000, 60)):
        bench.cot(share(right), student=student, parameters=parameters)
    found = bench.line("C3")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.5))
    assert found.notes[0] == "a (6M) − b (0.5M), teacher main"
    assert [(part.name, round(part.effect, 6)) for part in found.also] == [("c − b", 0.4), ("a − c", 0.1)]


def test_c3_compares_sizes_of_one_series_only(bench: Bench) -> None:
    """T5 beside Flan-T5: the larger of one is no larger size of the other."""
    for series, shares in (("t5", (14, 12, 10)), ("flan-t5", (40, 45, 50))):
        for size, parameters, right in zip(("small", "base", "large"), (60, 220, 770), shares, strict=True):
            bench.cot(share(right), student=f"{series}-{size}", parameters=parameters, series=series)
    found = bench.line("C3")
    assert (found.verdict, found.effect) == ("contradicted", pytest.approx(-0.04))
    assert found.notes[0].startswith("t5-large")
    assert {part.name: round(part.effect, 6) for part in found.also} == {
        "t5-base − t5-small": -0.02,
        "t5-large − t5-base": -0.02,
        "flan-t5-large − flan-t5-small": 0.1,
    }


def test_c3_takes_the_series_with_most_sizes(bench: Bench) -> None:
    for student, parameters, series in (("a1", 1, "a"), ("a2", 9, "a"), ("b1", 2, "b"), ("b2", 3, "b"), ("b3", 4, "b")):
        bench.cot(share(30), student=student, parameters=parameters, series=series)
    assert bench.line("C3").notes[0].startswith("b3")


def test_c3_is_not_tested_on_students_whose_series_nobody_stated(bench: Bench) -> None:
    bench.cot(share(20), student="one", parameters=100, series=None)
    bench.cot(share(90), student="two", parameters=900, series=None)
    found = bench.line("C3")
    assert found.verdict == "not tested"
    assert found.reason == "no two sizes of one series; the series of one, two is not stated (option `series`)"


def test_c3_leaves_out_a_student_whose_size_is_not_known(bench: Bench) -> None:
    for student, parameters in (("a", 100), ("b", 900), ("c", None)):
        bench.cot(share(20), student=student, parameters=parameters)
    assert bench.line("C3").notes[0].startswith("b (0.0009M) − a")


def test_c3_needs_two_sizes(bench: Bench) -> None:
    bench.cot(share(20), student="one")
    bench.cot(share(90), student="two")
    assert bench.line("C3").reason == "all students have the same size"


def test_c4_goes_by_the_teachers_own_accuracy(bench: Bench) -> None:
    for teacher, quality, right in (("x", 50, 20), ("y", 99, 60), ("z", 80, 90)):
        bench.row(share(quality), teacher)
        bench.cot(share(right), teacher=teacher)
    found = bench.line("C4")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.4))
    assert found.notes[0] == "y (99.0 % right) − x (50.0 % right)"
    assert [part.name for part in found.also] == ["z (80.0 %) − x"]


def test_c4_needs_teachers_that_differ_by_more_than_chance(bench: Bench) -> None:
    """200 and 209 right of 300, on unlike questions: no better and no worse teacher, whatever their students do."""
    bench.row(share(67), "x")
    bench.row(share(70, shift=40), "y")
    bench.cot(share(20), teacher="x")
    bench.cot(share(90), teacher="y")
    found = bench.line("C4")
    assert (found.verdict, found.reason) == ("not tested", "the teachers' own accuracies do not differ significantly")


def test_c4_ranks_teachers_on_the_questions_that_both_answered(bench: Bench) -> None:
    """The worse one answered more, easy ones, and would come first by all of its answers."""
    bench.row([True] * 10 + [False] * 40 + [True] * 150, "x")
    bench.row([True] * 40 + [False] * 10, "y")
    bench.cot(share(20), teacher="x")
    bench.cot(share(60), teacher="y")
    found = bench.line("C4")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.4))
    assert found.notes[0] == "y (80.0 % right) − x (20.0 % right)"
    assert found.notes[1].startswith("the teachers' own difference: +60.0 [+5")


def test_c4_without_teachers_to_compare_says_what_is_missing(bench: Bench) -> None:
    bench.cot(share(20))
    bench.cot(share(20), teacher="other", student="large")
    assert "row of their own" in str(bench.line("C4").reason)
    bench.row(share(50))
    bench.row(share(90), "other")
    assert bench.line("C4").reason == "no two teachers that have rows of their own taught the same students"


def test_c5_is_all_questions_minus_the_smallest_part(bench: Bench) -> None:
    for fraction, right in ((1.0, 60), (0.5, 40), (0.25, 10)):
        bench.cot(share(right), fraction=fraction)
    found = bench.line("C5")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.5))
    assert [(part.name, round(part.effect, 6)) for part in found.also] == [("all − 0.5", 0.2)]


def test_parts_of_the_questions_are_looked_at_by_c5_only(bench: Bench) -> None:
    bench.cot(share(10))
    bench.seeds("fine-tune", share(20), fraction=0.5)
    bench.cot(share(60), fraction=0.5)
    assert bench.line("C1").reason == "the run has no fine-tune"


def test_largest_fraction_of_a_run_counts_as_all_questions_and_is_named(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20), fraction=0.5)
    bench.cot(share(60), fraction=0.5)
    bench.cot(share(90), fraction=0.25)
    found = bench.line("C1")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.4))
    assert "students trained on a fraction of 0.5 of the training questions, the largest in the run" in found.notes
    assert bench.line("C5").effect == pytest.approx(-0.3)


def test_the_largest_part_does_not_change_when_its_students_are_lost(bench: Bench) -> None:
    bench.cot(None)
    bench.seeds("fine-tune", share(20), fraction=0.5)
    bench.cot(share(60), fraction=0.5)
    assert bench.line("C1").verdict == "not tested"


def test_c6_takes_the_best_student_at_a_stricter_level(bench: Bench) -> None:
    bench.row(share(50))
    for degree, right in ((1, 40), (8, 80)):
        bench.cot(share(right), degree=degree)
    found = bench.line("C6")
    assert (found.verdict, found.effect) == ("supported", pytest.approx(0.3))
    assert found.confidence == pytest.approx(0.975)
    assert "best of 2 students; interval at 97.50 % (Bonferroni)" in found.notes
    assert [(part.name, round(part.effect, 6)) for part in found.by_student] == [
        ("small D=1 − main", -0.1),
        ("small D=8 − main", 0.3),
    ]


def test_c6_pays_for_many_tries(bench: Bench) -> None:
    """A lead that would do for one student does not for the best of twenty."""
    bench.row(share(50), seeds=[0])
    bench.cot(share(56), seeds=[0])
    assert bench.line("C6").verdict == "supported"
    for degree in range(2, 21):
        bench.cot(share(50), degree=degree, seeds=[0])
    found = bench.line("C6")
    assert found.effect == pytest.approx(0.06)
    assert found.verdict == "inconclusive"


def test_c6_needs_an_imperfect_teacher(bench: Bench) -> None:
    bench.row([True] * 100)
    bench.cot(share(90))
    assert bench.line("C6").reason == "the teacher answers every question right"


def test_c6_one_row_of_the_teacher_serves_all_seeds_of_upstream_data(upstream: Bench) -> None:
    upstream.cell("teacher", share(50), teacher="main", student=None, seed=0)
    upstream.cot(share(80))
    found = upstream.line("C6")
    assert (found.verdict, found.n) == ("supported", 300)


def test_folds_are_never_mixed(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60), fold="ood")
    assert bench.line("C1").verdict == "not tested"
    bench.seeds("fine-tune", share(50), fold="ood")
    found = bench.line("C1", fold="ood")
    assert found.effect == pytest.approx(0.1)
    assert all("/ood/" in name for name in found.cells)


def test_selections_are_never_mixed(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20), selection="last")
    bench.cot(share(60), selection="val")
    assert [one.verdict for one in bench.lines("C1")] == ["not tested"] * 2
    bench.seeds("fine-tune", share(50), selection="val")
    found = {one.selection: one.verdict for one in bench.lines("C1")}
    assert found == {"last": "not tested", "val": "supported"}


def test_extractors_are_never_mixed(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20), extractor="strict")
    bench.cot(share(60))
    assert [one.verdict for one in bench.lines("C1")] == ["not tested"] * 2


def test_questions_of_other_seeds_are_never_paired(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20), seeds=[0])
    bench.cot(share(60), seeds=[1, 2])
    assert bench.line("C1").verdict == "not tested"


def test_cells_that_failed_are_named_as_the_reason(bench: Bench) -> None:
    bench.seeds("fine-tune", None, reason="out of memory\nat line 5")
    bench.cot(share(60))
    assert bench.line("C1").reason == "the run has no fine-tune (3 cells have no result: out of memory)"


def test_missing_seeds_of_a_student_are_reported(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60))
    bench.seeds("fine-tune", share(20), student="large", seeds=[0])
    bench.cot(share(60), student="large", seeds=[0])
    assert "some seeds lack some of the students" in bench.line("C1").notes


def test_differing_recipes_are_reported(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60), recipe=msgspec.structs.replace(RECIPE, steps=600))
    assert "recipes differ: steps 600 against None" in bench.line("C1").notes


def test_difference_that_rests_on_few_answers_says_so(bench: Bench) -> None:
    bench.cell("fine-tune", share(20))
    bench.cell("fine-tune-cot", share(25), teacher="main", degree=1)
    assert "the two sides differ on only 5 answers" in bench.line("C1").notes


def test_every_claim_has_a_line_for_every_task(bench: Bench) -> None:
    for task in ("multiarith", "svamp"):
        bench.seeds("zero-shot", share(0), task=task, selection="last")
    found = bench.lines("C1") + bench.lines("C1 opposite")
    assert [(one.task, one.verdict) for one in found] == [("multiarith", "not tested"), ("svamp", "not tested")]
    assert all(one.reason == "no fine-tuned student answered the fold test" for one in found)


def test_cells_in_short_name_exactly_the_cells(bench: Bench) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60))
    left, right = bench.line("C1").compared.split(" − ")
    seeds = "{" + ",".join(f"seed{seed}" for seed in SEEDS) + "}"
    assert left == f"multiarith/fine-tune-cot/main/small/D1/1.0/test/last/flexible/{seeds}"
    assert right == f"multiarith/fine-tune/None/small/DNone/1.0/test/last/flexible/{seeds}"
