"""The timeline as a picture: where each step, gate, outage and moment lies. Geometry alone; the template draws it."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reports.models import SignOff
from reports.words import day_and_time, duration

WIDTH, LABELS, RIGHT = 1000.0, 190.0, 16.0
ROW, BAR, GATE = 20.0, 9.0, 4.0
GAP_SECONDS = 60.0
"""Idle time longer than this, and long beside the rest, is drawn as a short break."""
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 7 * 86400)
TICK_PIXELS = 85.0
LETTER = 7.0
"""Width of a letter of the small labels, in the picture's units, taken a little too large."""

FILLS = {
    "finished": "#6d87ab", "already-true": "#a9b3bf", "running": "#2f5d9b", "failed": "#c22f2f", "interrupted": "#7047b5",
    "cut-short": "#7047b5", "go": "#18794e", "no-go": "#c22f2f", "waived": "#8d5a00", "could-not-verify": "#7047b5",
    "beforehand": "#a9b3bf",
}  # fmt: skip
"""Kind of a bar -> its colour where the page's styles are off."""


@dataclass(frozen=True)
class Shape:
    """A bar or a line: where, what kind (its class in the drawing), and what it says."""

    x: float
    y: float
    width: float
    kind: str
    text: str

    @property
    def middle(self) -> float:
        """Where a label centred on it goes, kept inside the picture."""
        half = len(self.text) * LETTER / 2
        return min(max(self.x + self.width / 2, LABELS + half), WIDTH - half)


@dataclass
class Picture:
    """Everything to be drawn."""

    height: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    labels: list[Shape] = field(default_factory=list)
    steps: list[Shape] = field(default_factory=list)
    gates: list[Shape] = field(default_factory=list)
    outage: list[Shape] = field(default_factory=list)
    moments: list[Shape] = field(default_factory=list)
    ticks: list[Shape] = field(default_factory=list)
    breaks: list[Shape] = field(default_factory=list)
    width: float = WIDTH


class Scale:
    """Seconds to x. Long idle times between `busy` intervals are squeezed into breaks."""

    def __init__(self, busy: list[tuple[float, float]]) -> None:
        merged: list[tuple[float, float]] = []
        for start, end in sorted(busy):
            if merged and start <= merged[-1][1] + GAP_SECONDS:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        active = sum(end - start for start, end in merged)
        self.pieces = merged[:1]
        for start, end in merged[1:]:
            if start - self.pieces[-1][1] > 0.15 * active:
                self.pieces.append((start, end))
            else:
                self.pieces[-1] = (self.pieces[-1][0], end)
        room = WIDTH - LABELS - RIGHT
        count = len(self.pieces) - 1
        self.gap = min(28.0, room * 0.4 / count) if count else 0.0
        total = sum(end - start for start, end in self.pieces) or 1.0
        self.factor = (room - self.gap * count) / total
        self.lefts: list[float] = []
        left = LABELS
        for start, end in self.pieces:
            self.lefts.append(left)
            left += (end - start) * self.factor + self.gap

    def __call__(self, moment: float) -> float:
        """The x of a moment; one inside a break lies at the break's left edge."""
        index = max(0, bisect_right([start for start, _ in self.pieces], moment) - 1)
        start, end = self.pieces[index]
        return self.lefts[index] + (min(max(moment, start), end) - start) * self.factor

    def breaks(self) -> list[tuple[float, float]]:
        """The middle of every break, and the seconds it stands for."""
        return [
            (self.lefts[i + 1] - self.gap / 2, self.pieces[i + 1][0] - self.pieces[i][1])
            for i in range(len(self.pieces) - 1)
        ]


def _stamp(at: datetime) -> float:
    return at.timestamp()


def picture(sign: SignOff) -> Picture | None:
    """The picture of a run, or None while there is nothing to draw."""
    busy = [(_stamp(a.started), _stamp(a.ended)) for step in sign.steps for a in step.attempts]
    busy += [(_stamp(g.started), _stamp(g.finished)) for g in sign.gates]
    busy += [(_stamp(e.at), _stamp(e.at)) for e in sign.events]
    if not busy:
        return None
    scale = Scale(busy)
    drawn = Picture()
    levels = _moments(sign, scale, drawn)
    drawn.top = 8 + 15.0 * levels
    _rows(sign, scale, drawn)
    if sign.outage:
        ended = sign.outage.ended or sign.last or sign.outage.closed
        left, right = scale(_stamp(sign.outage.closed)), scale(_stamp(ended))
        length = f": {duration(sign.outage.seconds)}" if sign.outage.seconds is not None else " goes on"
        drawn.outage.append(Shape(left, drawn.top, max(right - left, 2.0), "outage", f"outage{length}"))
    _ticks(scale, drawn)
    drawn.breaks = [Shape(x, drawn.bottom, 0, "break", duration(seconds)) for x, seconds in scale.breaks()]
    drawn.height = drawn.bottom + 26
    return drawn


def _moments(sign: SignOff, scale: Scale, drawn: Picture) -> int:
    """Place the moments' labels above each other where they would collide; the number of levels used."""
    ends: list[float] = []
    for event in sorted(sign.events, key=lambda e: e.at):
        x = scale(_stamp(event.at))
        length = len(event.words) * LETTER + 10
        # A label near the right edge is written to the left of its line.
        flip = x + length > WIDTH
        left = x - length if flip else x
        level = next((i for i, end in enumerate(ends) if left > end), len(ends))
        ends[level : level + 1] = [left + length]
        text = f"{event.words} {day_and_time(event.at)}"
        drawn.moments.append(Shape(x, 12 + 15.0 * level, -1.0 if flip else 1.0, event.kind, f"{event.words}\n{text}"))
    return len(ends)


def _rows(sign: SignOff, scale: Scale, drawn: Picture) -> None:
    y = drawn.top + 4
    rows: dict[str, float] = {}
    names = [step.name for step in sign.steps]
    if any(gate.step not in names for gate in sign.gates):
        names.append("")
    for name in names:
        rows[name] = y
        drawn.labels.append(Shape(LABELS - 8, y + 11, 0, "label", name or "other gates"))
        y += ROW
    for step in sign.steps:
        for attempt in step.attempts:
            left, right = scale(_stamp(attempt.started)), scale(_stamp(attempt.ended))
            seconds = duration((attempt.ended - attempt.started).total_seconds())
            text = f"{step.name}: {attempt.outcome.value}, {seconds}, from {day_and_time(attempt.started)}"
            kind = attempt.outcome.value.replace(" ", "-")
            drawn.steps.append(Shape(left, rows[step.name] + 2, max(right - left, 2.0), kind, text))
    for gate in sign.gates:
        left, right = scale(_stamp(gate.started)), scale(_stamp(gate.finished))
        asked = "not yet true" if gate.before and gate.verdict.value == "no-go" else gate.verdict.value
        kind = "beforehand" if gate.before else gate.verdict.value
        text = f"gate {gate.number}, {', '.join(gate.states)}: {asked}, {duration((gate.finished - gate.started).total_seconds())}"
        drawn.gates.append(
            Shape(left, rows.get(gate.step, rows.get("", 0.0)) + 2 + BAR + 1, max(right - left, 3.0), kind, text)
        )
    drawn.bottom = y + 2


def _ticks(scale: Scale, drawn: Picture) -> None:
    step = next((s for s in TICKS if s * scale.factor >= TICK_PIXELS), TICKS[-1])
    taken = 0.0
    for start, end in scale.pieces:
        first = int(-(-start // step))
        for index in range(first, first + 40):
            moment = index * step
            x = scale(moment)
            if moment > end:
                break
            if x - taken < TICK_PIXELS * 0.7 or x > WIDTH - 20:
                continue
            at = datetime.fromtimestamp(moment, UTC)
            text = f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}" if step < 86400 else f"{at:%m-%d}"
            drawn.ticks.append(Shape(x, drawn.bottom, 0, "tick", text))
            taken = x
