"""Counting costs an addition; what is taken is what was counted since, and no label can be made up by a caller."""

from __future__ import annotations

from hub.telemetry.metrics_kinds import Counter, Gauge, Histogram


def test_a_counter_hands_over_what_was_counted_since() -> None:
    """Once each, by label values; nothing is counted twice."""
    fruit = Counter("hub_fruit_total", "Fruit.", kind=("apple", "pear"))
    fruit.add("apple")
    fruit.add("apple", number=3)
    fruit.add("pear")
    assert fruit.take() == {("apple",): 4, ("pear",): 1}
    assert fruit.take() == {}
    fruit.add("pear")
    assert fruit.take() == {("pear",): 1}


def test_a_histogram_puts_each_amount_under_its_bound() -> None:
    """On a bound counts as below it; above the last there is one more bucket; less than nothing is nothing."""
    times = Histogram("hub_times_seconds", "Times.", (0.1, 1.0))
    for amount in (-5.0, 0.1, 0.10001, 1.0, 7.0):
        times.observe(amount)
    times.observe(0.5, times=10)
    tally = times.take()[()]
    assert tally.counts == [2, 12, 1]
    assert round(tally.total, 5) == round(0.1 + 0.10001 + 1.0 + 7.0 + 5.0, 5)
    assert times.take() == {}


def test_what_is_on_no_list_is_other() -> None:
    """Nothing that somebody sent becomes a time series, and the right value beside it stays."""
    proxied = Counter("hub_proxied_total", "Requests.", app=(), status=("2xx", "5xx"))
    assert proxied.known(("a", "2xx")) == ("other", "2xx")
    proxied.expect(app=["a", "b"])
    assert proxied.known(("a", "2xx")) == ("a", "2xx")
    assert proxied.known(("../etc/passwd", "999")) == ("other", "other")
    assert list(proxied.every()) == [("a", "2xx"), ("a", "5xx"), ("b", "2xx"), ("b", "5xx")]


def test_a_gauge_asks_whoever_knows_when_it_is_read() -> None:
    """A number, or one for each value of its label; nothing while nobody was named."""
    weather = Gauge("hub_weather", "Weather.", "sum", sky=("blue", "grey"))
    assert weather.read() == {}
    state = "blue"
    weather.read_by(lambda: {sky: sky == state for sky in ("blue", "grey")})
    assert weather.read() == {("blue",): 1, ("grey",): 0}
    state = "grey"
    assert weather.read() == {("blue",): 0, ("grey",): 1}
    weather.read_by(lambda: 0.5)
    assert weather.read() == {(): 0.5}
