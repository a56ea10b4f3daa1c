"""Opening a slide in a workspace, as a test waits for it."""

from __future__ import annotations

OPENING_LIMIT_MS = 20_000


def open_and_wait(workspace, qtbot, place, **options):
    """Open a slide; its session, or None where it could not be opened."""
    before = workspace.shelf.session
    workspace.open_slide(place, **options)
    qtbot.wait_until(lambda: not workspace.loader.busy, timeout=OPENING_LIMIT_MS)
    session = workspace.shelf.session
    return None if session is before else session
