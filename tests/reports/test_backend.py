"""Engine and GPU at every point, as a table."""

import samples

from reports.backend import backend_table


def at(users, **server):
    """A point with what its engine told."""
    return samples.point("service", "medium/medium", users, 1.0) | {"server": {"running": 3.0, **server}}


def test_queue_and_prefill_have_columns_where_an_engine_tells_them():
    """Seconds of the engine's own phases as durations; a point without them has the reason, a run without no column."""
    table = backend_table([at(8, queue_s=0.0123, prefill_s=1.5), at(16)])
    titles = [column.title for column in table.columns]
    queue, prefill = titles.index("queue"), titles.index("prefill")

    assert [table.rows[0][column].text for column in (queue, prefill)] == ["12.3 ms", "1.50 s"]
    assert [table.rows[1][column].text for column in (queue, prefill)] == ["–", "–"]
    assert all(table.rows[1][column].note for column in (queue, prefill))
    assert not {"queue", "prefill"} & {column.title for column in backend_table([at(8)]).columns}
    assert backend_table([samples.point("service", "medium/medium", 8, 1.0)]) is None
