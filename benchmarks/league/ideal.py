"""How fast a scenario can be run at all: seconds from the first request to the last reply, with nothing refused.

Pure arithmetic on what the server does; no client can be faster without being refused.
"""

import math
from collections.abc import Sequence


def bucket_time(
    count: int, per_minute: float, bucket: int, latency: float, away: tuple[float, float] | None = None
) -> float:
    """Return the seconds that a bucket needs, full at first and refilled all the time.

    Args:
        count: Requests.
        per_minute: What the bucket gains in a minute.
        bucket: What it holds.
        latency: Seconds of the last reply.
        away: The server answers nobody from here to there; its bucket goes on filling. A request that is due just
            as this begins counts as sent.
    """
    rate = per_minute / 60
    last = max(0.0, (count - bucket) / rate)
    if away is None or last <= away[0]:
        return last + latency
    begin, end = away
    sent = math.floor(bucket + begin * rate + 1e-9)
    at_hand = min(bucket, bucket + end * rate - sent)
    return end + max(0.0, (count - sent - at_hand) / rate) + latency


def window_time(latencies: Sequence[float], limit: int, seconds: float) -> float:
    """Return the seconds that fixed windows need: `limit` requests in each, with these latencies in their order."""
    return max(number // limit * seconds + latency for number, latency in enumerate(latencies))


def slots_time(count: int, slots: int, latency: float) -> float:
    """Return the seconds that so many slots need for requests of one length."""
    return math.ceil(count / slots) * latency
