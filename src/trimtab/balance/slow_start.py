"""How much of a full share a new endpoint gets."""


def ramp(age_s: float, window_s: float, aggression: float, least: float) -> float:
    """Envoy's slow start: `max(min_weight_percent, (age / window) ^ (1 / aggression))`, 1 once the window is over.

    Source: "Slow start mode" in Envoy's docs; they say that an age counts as 1 s at least, its code says 1 ms, as here.
    """
    if age_s >= window_s:
        return 1.0
    reached: float = (max(0.001, age_s) / window_s) ** (1.0 / aggression)
    return max(least, reached)
