"""The two worked examples: every way of running them makes the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "pocketflow"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_document_is_translated_alike_in_every_way():
    translate = example("translate")
    translate.SECONDS.update(dict.fromkeys(translate.SECONDS, 0.001))
    made = [translate.translations(way) for way in translate.WAYS]
    assert made[0]["Russian"].startswith("[Russian] Section 0. Some text")
    assert set(made[0]) == set(translate.SECONDS)
    assert made.count(made[0]) == len(made) == 4


@pytest.mark.parametrize("kind", ["waiting", "computing"])
def test_images_are_filtered_alike_in_every_way(kind):
    images = example("image_filters")
    images.STORAGE_SECONDS, images.SIZE = 0.001, 8
    images.entries = lambda entries=images.entries: list(entries())
    made = [images.checksums(way) for way in images.WAYS if way.startswith(kind) and "processes" not in way]
    assert len(made[0]) == 9
    assert len(set(made[0].values())) == 9
    assert made.count(made[0]) == len(made) == 2


@pytest.mark.slow
def test_processes_filter_images_as_one_process_does():
    images = example("image_filters")
    images.IMAGES = images.IMAGES[:1]
    assert images.checksums("computing, on processes") == images.checksums("computing, one after another")
