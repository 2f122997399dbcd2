"""Figures made into a Markdown table: medians, ratios with their spread, goals reached or not."""

import dataclasses
import statistics
import typing

NONE = "–"
YARDSTICKS = ("static", "fresh", "cache")


@dataclasses.dataclass
class Goal:
    """What `ours` is to reach in one line of the table."""

    text: str
    # From the values of every column, round by round, to the figure that decides; None: not to be had.
    figure: typing.Callable
    reached: typing.Callable

    def verdict(self, values):
        """The goal, what was measured, and whether that is enough."""
        figure = self.figure(values)
        if figure is None:
            return f"{self.text}: {NONE}"
        return f"{self.text}: {number(figure)} {'yes' if self.reached(figure) else '**no**'}"


def at_least(times, column):
    """Our figure is at least TIMES that of COLUMN."""
    return Goal(f"≥ {times} × {column}", lambda v: middle(ratios(v, column)), lambda f: f >= times)


def at_most(times, column):
    """Our figure is at most TIMES that of COLUMN."""
    return Goal(f"≤ {times} × {column}", lambda v: middle(ratios(v, column)), lambda f: f <= times)


def within(most, column):
    """Our figure is at most MOST more than that of COLUMN, in the line's unit."""
    def figure(values):
        pairs = zip(values.get("ours", []), values.get(column, []))
        return middle([ours - theirs for ours, theirs in pairs])
    return Goal(f"≤ {column} + {most}", figure, lambda f: f <= most)


def under(most):
    """Our figure is at most MOST, in the line's unit."""
    return Goal(f"≤ {most}", lambda v: middle(v.get("ours", [])), lambda f: f <= most)


def middle(figures):
    """The median, or None of nothing."""
    return statistics.median(figures) if figures else None


def ratios(values, column):
    """Our figure over that of COLUMN, round by round."""
    pairs = zip(values.get("ours", []), values.get(column, []))
    return [ours / theirs for ours, theirs in pairs if theirs]


def number(figure):
    """Three significant digits, no exponent."""
    if figure is None:
        return NONE
    size = abs(figure)
    if size >= 100:
        return f"{figure:,.0f}"
    if size >= 10:
        return f"{figure:.1f}"
    if size >= 1:
        return f"{figure:.2f}"
    return f"{figure:.3f}"


def spread(figures):
    """The median with the least and the greatest."""
    if not figures:
        return NONE
    if len(figures) == 1:
        return number(figures[0])
    return f"{number(middle(figures))} ({number(min(figures))}–{number(max(figures))})"


@dataclasses.dataclass
class Line:
    """One line of the table: a metric of one row of work."""

    metric: str
    unit: str
    goals: tuple = ()


def heading(columns):
    """The first two lines of the table."""
    cells = ["work", "unit", *columns, *(f"ours / {name}" for name in YARDSTICKS), "goal"]
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def line_text(work, line, columns, values):
    """One line: VALUES is a list of figures, one a round, by column."""
    cells = [work, line.unit]
    cells += [number(middle(values.get(column, []))) for column in columns]
    cells += [spread(ratios(values, name)) for name in YARDSTICKS]
    cells.append("; ".join(goal.verdict(values) for goal in line.goals))
    return f"| {' | '.join(cells)} |"
