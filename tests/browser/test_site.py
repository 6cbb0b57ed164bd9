"""Every page of the documentation as it was built, in a browser."""

from __future__ import annotations

import pytest

# The theme's navigation and its buttons at code are landmarks without names of their own: a rule of good
# practice, not of WCAG, about what no page of ours can change.
OF_THE_THEME = ("landmark-unique",)


@pytest.mark.parametrize("part", range(4))
def test_pages_of_the_documentation(part: int, browser, axe, site) -> None:
    address, pages = site
    faults = []
    for name in pages[part::4]:
        with browser.page(f"{address}/{name.removesuffix('index.html')}") as page:
            faults += [f"{name}: {one}" for one in page.violations(axe, OF_THE_THEME)]
            page.look()
            elsewhere = [one for one in page.requests if not one.startswith(address)]
            faults += [f"{name}: loads {one}" for one in elsewhere]
            faults += [f"{name}: {one}" for one in page.faults]
    assert not faults, "\n".join(faults)
