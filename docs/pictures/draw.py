"""Draw the pictures of docs/concepts as SVG: `python docs/pictures/draw.py` writes them beside this file.

Boxes are light with dark text, and everything outside of them is a middle grey, so that a picture can be read on a light and on a
dark page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
BLUE, GREEN, ORANGE, GREY = "#d6e6fa", "#d8f0dd", "#fbe6cc", "#e6e6ea"
"""Models, data, decisions, stored files."""
LINE, TEXT, OUTSIDE = "#7d8590", "#1f2328", "#848d97"
HEAD = '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{line}"/></marker></defs>'


@dataclass
class Picture:
    """An SVG image that is built box by box. All lengths are pixels."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, w: int, h: int, lines: str, colour: str, *, dashed: bool = False) -> None:
        """Draw a rounded box with centred lines of text; the first line is bold."""
        style = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{colour}" stroke="{LINE}"{style}/>'
        )
        rows = lines.split("\n")
        top = y + h / 2 - 9 * (len(rows) - 1) + 5
        for number, row in enumerate(rows):
            weight = "600" if number == 0 else "400"
            size = 15 if number == 0 else 13
            self.text(x + w // 2, top + 18 * number, row, size=size, weight=weight, colour=TEXT)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 13,
        weight: str = "400",
        colour: str = OUTSIDE,
        anchor: str = "middle",
    ) -> None:
        """Write one line of text."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def arrow(self, *points: tuple[int, int]) -> None:
        """Draw an arrow along points."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.8" marker-end="url(#a)"/>'
        )

    def save(self, name: str) -> None:
        """Write the file."""
        body = "\n".join([HEAD.format(line=LINE), *self.parts])
        (FOLDER / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" font-family="system-ui, sans-serif">\n'
            f"<title>{escape(self.title)}</title>\n{body}\n</svg>\n"
        )


def experiment() -> None:
    """Draw an experiment from training questions to accuracies."""
    p = Picture(760, 300, "An experiment: teacher, curator, student, extractor")
    p.box(10, 30, 130, 64, "Questions\nof the train fold", GREEN)
    p.box(190, 30, 130, 64, "Teacher\nwrites rationales", BLUE)
    p.box(370, 30, 150, 64, "Curators\nkeep the right ones", ORANGE)
    p.box(570, 30, 170, 64, "Examples\nto learn from", GREEN)
    p.arrow((140, 62), (188, 62))
    p.arrow((320, 62), (368, 62))
    p.arrow((520, 62), (568, 62))
    p.box(10, 200, 130, 64, "Questions\nof the test fold", GREEN)
    p.box(190, 200, 130, 64, "Student\nwrites an answer", BLUE)
    p.box(370, 200, 150, 64, "Extractor\nreads and compares", ORANGE)
    p.box(570, 200, 170, 64, "Accuracy\nwith an interval", GREY)
    p.arrow((140, 232), (188, 232))
    p.arrow((320, 232), (368, 232))
    p.arrow((520, 232), (568, 232))
    p.arrow((655, 94), (655, 147), (255, 147), (255, 198))
    p.text(455, 140, "training")
    p.save("experiment.svg")


def cells() -> None:
    """Draw two cells that share steps."""
    p = Picture(760, 330, "Two cells of a matrix share the steps that are equal")
    p.text(10, 52, "cell 1: degree 1", anchor="start", size=14)
    p.text(10, 252, "cell 2: degree 8", anchor="start", size=14)
    for y, n in ((20, 1), (220, 8)):
        p.box(150, y, 110, 56, f"complete\n{n} per question", BLUE)
        p.box(295, y, 90, 56, "curate", ORANGE)
        p.box(420, y, 80, 56, "train", BLUE)
        p.box(535, y, 95, 56, "complete\ntest", BLUE)
        p.box(665, y, 85, 56, "score", ORANGE)
        for x1, x2 in ((260, 293), (385, 418), (500, 533), (630, 663)):
            p.arrow((x1, y + 28), (x2, y + 28))
    p.box(150, 118, 110, 60, "Ledger\ncompletions", GREY)
    p.arrow((205, 76), (205, 116))
    p.arrow((205, 220), (205, 180))
    p.box(295, 118, 455, 60, "Store\none folder per finished step, named by its content key", GREY)
    for x in (340, 460, 582, 707):
        p.arrow((x, 76), (x, 116))
        p.arrow((x, 220), (x, 180))
    p.text(205, 305, "asks for 7 more: 1 is in the ledger")
    p.save("cells.svg")


def twins() -> None:
    """Draw the folds of a twin."""
    p = Picture(760, 250, "A twin draws four folds that share no pattern")
    p.box(10, 80, 140, 70, "Twin\ngenerator and seed", BLUE)
    rows = (
        ("train", "600 questions: the student learns from these", GREEN),
        ("validation", "100 questions: for choosing settings", GREEN),
        ("test", "200 questions: new patterns, equally hard", ORANGE),
        ("ood", "200 questions: new patterns with more steps", ORANGE),
    )
    for number, (name, said, colour) in enumerate(rows):
        y = 10 + 58 * number
        p.box(230, y, 120, 46, name, colour)
        p.text(365, y + 28, said, anchor="start", size=14)
        p.arrow((150, 115), (190, 115), (190, y + 23), (228, y + 23))
    p.save("twins.svg")


def verdicts() -> None:
    """Draw three paired differences with their intervals and verdicts."""
    p = Picture(760, 250, "The interval of a paired difference decides the verdict")
    zero, scale = 330, 9
    p.parts.append(
        f'<line x1="{zero}" y1="24" x2="{zero}" y2="205" stroke="{LINE}" stroke-width="1.5" stroke-dasharray="4 4"/>'
    )
    p.text(zero, 225, "no difference", size=13)
    p.text(zero + 190, 225, "rationales better, in points →", size=13)
    p.text(zero - 190, 225, "← answers better", size=13)
    rows = (
        (50, 25, 20, 31, "supported", GREEN),
        (110, 2, -6, 10, "inconclusive", GREY),
        (170, -18, -25, -11, "contradicted", ORANGE),
    )
    for y, effect, low, high, verdict, colour in rows:
        p.parts.append(
            f'<line x1="{zero + scale * low}" y1="{y}" x2="{zero + scale * high}" y2="{y}" stroke="{OUTSIDE}" stroke-width="4"/>'
            f'<circle cx="{zero + scale * effect}" cy="{y}" r="7" fill="{OUTSIDE}"/>'
        )
        p.box(632, y - 18, 120, 36, verdict, colour)
    p.save("verdicts.svg")


if __name__ == "__main__":
    experiment()
    cells()
    twins()
    verdicts()
