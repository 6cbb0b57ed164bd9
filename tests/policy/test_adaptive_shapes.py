"""Adaptive limits against some hundred simulated services: most of what is possible, hardly any refused."""

from __future__ import annotations

import pytest
from shapes import GROUPS

MANY_CALLS = {False: (), True: (pytest.mark.slow,)}  # the busiest third takes two thirds of the time
CASES = [
    pytest.param(shape, group.possible, group.refused, id=f"{name}: {which}", marks=MANY_CALLS[shape.busy])
    for name, group in GROUPS.items()
    for which, shape in group.shapes.items()
]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "least_possible", "most_refused"), CASES)
def test_a_service_is_used_to_its_limit(shape, least_possible, most_refused):
    possible, refused = shape.measure()
    assert possible >= least_possible
    assert refused <= most_refused
