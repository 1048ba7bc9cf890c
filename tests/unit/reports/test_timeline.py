"""The picture of a run's timeline."""

from reports import timeline
from tests.unit.reports.runs import Made, plain


def test_the_timeline_squeezes_a_long_wait(made: Made) -> None:
    made.walk()
    drawn = timeline.picture(made.sign())
    assert drawn
    assert [plain(b.text) for b in drawn.breaks] == ["5 h 00 min"]
    for shape in (*drawn.steps, *drawn.gates, *drawn.outage):
        assert timeline.LABELS <= shape.x <= timeline.WIDTH
        assert shape.x + shape.width <= timeline.WIDTH
    widths = {s.text.partition(":")[0]: s.width for s in drawn.steps}
    assert widths["install_runtimes"] > 5 * widths["pin_host_key"] > 0
