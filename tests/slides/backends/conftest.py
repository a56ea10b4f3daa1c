"""A web server for the slides of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slides.backends.file_server import FileServer, serve


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    """Serves the test's own folder."""
    with serve(tmp_path) as server:
        yield server
