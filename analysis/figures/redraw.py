"""Draw a figure of a report again, from its CSV beside it, at any size and with any letters.

    python redraw.py contrasts-arithmetic.csv --width 3.25 --points 8 --font "Times New Roman" --out figure.pdf

It needs matplotlib and pandas, and nothing of coeflab: the report puts a copy of it beside its figures, with
`figures.json`, which says how each is labelled and what an arm looks like. Change it as your paper needs.
"""

import argparse
import json
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

NEUTRAL = {"color": "#333333", "marker": "o", "dashes": [0, []]}
VERDICTS = {"better": "#0072b2", "worse": "#d55e00", "undecided": "#7a7a7a", "none": "#b0b0b0"}


def lines(axes, rows: pd.DataFrame, styles: dict, scale: float) -> None:
    """An arm's line with its band, against x, or against the groups in their order."""
    places = None if "x" in rows else list(dict.fromkeys(rows["group"].astype(str)))
    for arm, own in rows.groupby("arm", sort=False):
        style = styles.get(arm, NEUTRAL)
        x = own["x"] if places is None else [places.index(group) for group in own["group"].astype(str)]
        dashes = (style["dashes"][0], tuple(style["dashes"][1]))
        [line] = axes.plot(x, scale * own["point"], label=arm, color=style["color"], linestyle=dashes)
        line.set(marker=style["marker"], markevery=1 + len(own) // 12)
        if "low" in own and bool(own["low"].notna().to_numpy().any()):
            axes.fill_between(x, scale * own["low"], scale * own["high"], color=style["color"], alpha=0.08, linewidth=0)
    if places is not None:
        axes.set_xticks(range(len(places)), places)


def rows_of(axes, rows: pd.DataFrame, styles: dict, scale: float) -> None:
    """A row a contrast or arm: a point with its interval; open, the same arm decoded greedily."""
    names = rows["name"] if "name" in rows else rows["arm"]
    for place, row in enumerate(rows.to_dict("records")):
        color = VERDICTS[row["verdict"]] if "verdict" in row else styles.get(row["arm"], NEUTRAL)["color"]
        axes.plot([scale * row["low"], scale * row["high"]], [place, place], color=color)
        axes.plot(scale * row["point"], place, "o", color=color)
        if "greedy" in row:
            axes.plot(scale * row["greedy"], place + 0.2, "D", color=color, markerfacecolor="white")
    if "verdict" in rows:
        axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()


def stairs(axes, rows: pd.DataFrame, styles: dict, scale: float) -> None:
    """A histogram of each arm and verdict."""
    for arm, verdict in dict.fromkeys(zip(rows["arm"], rows["verdict"], strict=True)):
        own = rows.loc[(rows["arm"] == arm) & (rows["verdict"] == verdict)]
        edges = [*own["low"], own["high"].iloc[-1]]
        color = styles.get(arm, NEUTRAL)["color"]
        line = "-" if verdict == "right" else ":"
        axes.stairs(scale * own["tokens"], edges, color=color, linestyle=line, label=f"{arm}, {verdict}")
    axes.set_yscale("symlog", linthresh=1)
    axes.legend(fontsize="x-small", frameon=False)


def redraw(table: Path, *, width: float, height: float, points: float, font: str | None) -> Figure:
    """The figure of one CSV file of a report."""
    about = json.loads((table.parent / "figures.json").read_text(encoding="utf-8"))
    own = about["figures"][table.stem]
    with matplotlib.rc_context():
        matplotlib.rcParams["font.size"] = points
        matplotlib.rcParams["lines.linewidth"] = 0.15 * points
        matplotlib.rcParams["lines.markersize"] = 0.4 * points
        matplotlib.rcParams["font.family"] = font or matplotlib.rcParams["font.family"]
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        draw = {"rows": rows_of, "stairs": stairs}.get(own["kind"], lines)
        draw(axes, pd.read_csv(table), about["styles"], own["scale"])
        axes.set(xlabel=own["x"], ylabel=own["y"], xscale="log" if own["kind"] == "log" else "linear")
        axes.grid(color="#e4e4e4")
        axes.spines[["top", "right"]].set_visible(False)
        if own["kind"] in ("lines", "log"):
            figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=0.9 * points)
    return figure


def main() -> None:
    """Read the options, write the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", type=Path, help="NAME.csv of the report")
    parser.add_argument("--width", type=float, default=3.25, help="inches: a column about 3.25, a page 6.75")
    parser.add_argument("--height", type=float, default=2.6, help="inches")
    parser.add_argument("--points", type=float, default=8, help="size of the letters")
    parser.add_argument("--font", help="family, as matplotlib knows it")
    parser.add_argument("--out", type=Path, default=Path("figure.pdf"), help="its ending says the kind of file")
    given = parser.parse_args()
    figure = redraw(given.table, width=given.width, height=given.height, points=given.points, font=given.font)
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(given.out)
    print(given.out)


if __name__ == "__main__":
    main()
