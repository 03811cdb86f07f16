"""What every figure stands on: its size and letters, plain axes, the legend, and the files that it becomes."""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil
from textwrap import fill

from matplotlib import rc_context, rcParams, rcParamsDefault
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from analysis.statistics.curves import Curve

DOTS_PER_INCH = 160
INK, GRID = "#333333", "#e4e4e4"
LEGEND_CHARACTERS = 70  # a longer name takes two lines
LETTER_POINTS, HANDLE_POINTS, ROW_INCHES = 4.6, 40, 0.19  # of a legend in 9 points
TITLE_CHARACTERS = 58  # of a panel as wide as the page's; a longer title takes two lines
CHARACTER_INCHES = 0.079  # of a title's letter: 58 are the width between the axes of such a panel
NUMBERED_TICKS = 7


@dataclass(frozen=True, kw_only=True)
class Look:
    """The size of a figure and of its letters.

    Attributes:
        width: of a panel, in inches; a figure of two panels is twice as wide.
        points: size of the letters of an axis; titles, ticks, lines and markers follow.
        font: family, as matplotlib knows it.
    """

    width: float = 5.6
    points: float = 10.0
    font: str = "DejaVu Sans"

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 30 and 4 <= self.points <= 30):
            raise ValueError(
                f"a figure {self.width:g} inches wide with letters of {self.points:g} points; expected 1 to 30 inches "
                "(a column is about 3.3, a page about 6.8) and 4 to 30 points"
            )

    def context(self) -> AbstractContextManager[None]:
        """Figures drawn inside `with look.context():` have this look."""
        size = [inches * self.width / PAGE.width for inches in rcParamsDefault["figure.figsize"]]
        return rc_context({"figure.figsize": size, "font.size": self.points, "font.family": [self.font]})


PAGE = Look()


def blank_figure(inches: tuple[float, float]) -> Figure:
    """A white figure whose parts keep out of each other's way.

    `inches` are those of the page; in another `Look` both shrink or grow alike.
    """
    scale = _relative_width()
    layout = ConstrainedLayoutEngine(w_pad=0.1 * scale, h_pad=0.1 * scale)
    size = (inches[0] * scale, inches[1] * scale)
    return Figure(figsize=size, dpi=DOTS_PER_INCH, layout=layout, facecolor="white")


def scaled(points: float) -> float:
    """A size that is right beside text of 10 points, in the current look: of letters, lines and markers."""
    return points * rcParams["font.size"] / PAGE.points


def plain_axes(axes: Axes, title: str, characters: int = TITLE_CHARACTERS) -> None:
    """A light grid, no box, the title to the left in lines as wide as so many characters."""
    lines = wrapped(title, scaled(11), characters * CHARACTER_INCHES * _relative_width())
    axes.set_title(lines, loc="left", fontsize=scaled(11), color=INK)
    axes.grid(color=GRID, linewidth=scaled(0.8))
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=INK, labelsize=scaled(9.5))


def headline(figure: Figure, text: str, *, points: float, color: str = INK) -> None:
    """A text above all panels of a figure, in lines that end within it; `points` are those of the page."""
    lines = wrapped(text, scaled(points), 0.96 * figure.get_figwidth())
    figure.suptitle(lines, x=0.01, ha="left", fontsize=scaled(points), color=color)


def wrapped(text: str, points: float, inches: float) -> str:
    """The text in lines of at most so many inches in the current font, measured; a long word is broken."""
    font = FontProperties(family=rcParams["font.family"], size=points)
    for room in range(max(1, len(text)), 0, -1):
        lines = fill(text, room).splitlines()
        widest = max((text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines), default=0.0)
        if widest <= 72 * inches:
            return "\n".join(lines)
    return fill(text, 1)


def number_axis(axes: Axes, label: str) -> None:
    """A few short numbers below the axes."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def evaluation_axis(axes: Axes, curves: Sequence[Curve], label: str) -> None:
    """A tick at every evaluation of a curve that has more than one; numbers at those that stand far enough apart."""
    number_axis(axes, label)
    places = sorted({float(x) for curve in curves if len(curve.x_X) > 1 for x in curve.x_X})
    if places:
        axes.xaxis.set_major_locator(FixedLocator(spaced(places)))
        axes.xaxis.set_minor_locator(FixedLocator(places))
        axes.tick_params(axis="x", which="minor", length=3, color=INK)


def spaced(places: Sequence[float]) -> list[float]:
    """Of sorted places the last, and from the first on each that is 1/7 of the span from those taken."""
    least = (places[-1] - places[0]) / NUMBERED_TICKS
    taken: list[float] = []
    for place in places[:-1]:
        if (not taken or place - taken[-1] >= least) and places[-1] - place >= least:
            taken.append(place)
    return [*taken, places[-1]]


def legend_below(figure: Figure, lines: Mapping[str, Artist]) -> None:
    """The lines by name, below the figure, which grows by what the names need beyond two rows."""
    room = 72 * figure.get_figwidth()  # points
    names = [fill(name, LEGEND_CHARACTERS) for name in lines]
    longest = max((len(part) for name in names for part in name.splitlines()), default=0)
    columns = max(1, min(6, len(names), int(room / (scaled(LETTER_POINTS * longest + HANDLE_POINTS)))))
    rows = ceil(sum(name.count("\n") + 1 for name in names) / columns)
    figure.set_figheight(figure.get_figheight() + scaled(ROW_INCHES) * max(0, rows - 2))
    figure.legend(
        list(lines.values()),
        names,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=scaled(9),
        handlelength=3.2,
        columnspacing=1.2,
    )


def short_number(value: float) -> str:
    """A count in at most five characters, three digits: 950, 12.3k, 4.56M, 7.1G, 3.2e+15."""
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    return _saved(figure, "png", {"Software": None})


def figure_svg(figure: Figure) -> bytes:
    """The figure as an SVG file, letters as outlines; the same figure gives the same bytes."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def figure_pdf(figure: Figure) -> bytes:
    """The figure as a PDF file with embedded fonts; the same figure gives the same bytes."""
    return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def _relative_width() -> float:
    """The width of the current look over that of the page."""
    return rcParams["figure.figsize"][0] / rcParamsDefault["figure.figsize"][0]


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    """The file, every text drawn as it is written: a name with two dollar signs is no formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):  # once, not for each file
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    buffer, dots = io.BytesIO(), figure.dpi
    with rc_context({"svg.hashsalt": "coeflab", "svg.fonttype": "path", "pdf.fonttype": 42}):
        # Not `savefig`, which draws all of it once more for the layout that is made already.
        if kind == "svg":
            FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)
        elif kind == "pdf":
            FigureCanvasPdf(figure).print_pdf(buffer, metadata=metadata)
        else:
            FigureCanvasAgg(figure).print_png(buffer, metadata=metadata)
    figure.dpi = dots
    return buffer.getvalue()
