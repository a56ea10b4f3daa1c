"""Verifying a result of a slide at a URL: asked for only when a person names it."""

from __future__ import annotations

from napari_mmlnb.report.outputs import write_outputs
from napari_mmlnb.report.verify import CheckStatus, verify
from napari_mmlnb.slides.fingerprint import fingerprint
from napari_mmlnb.slides.location import locate
from tests.report.factories import make_result
from tests.slides.backends.file_server import SECRET, serve


def test_a_url_in_a_record_is_not_fetched_unless_named(tmp_path):
    (tmp_path / "slide.tiff").write_bytes(b"pixels" * 1000)
    with serve(tmp_path) as web:
        url = f"{web.url}/slide.tiff"
        result = make_result()
        update = {"path": url, "fingerprint": fingerprint(tmp_path / "slide.tiff"), "backend": "remote"}
        record = result.slide.model_copy(update=update)
        write_outputs(result.model_copy(update={"slide": record}).with_maps(result.maps), tmp_path / "out")

        (check,) = (c for c in verify(tmp_path / "out").checks if c.name == "slide")
        assert check.status is CheckStatus.NOT_CHECKED
        assert "--slide" in check.detail
        assert not web.behaviour.requests

        signed = locate(f"{url}?sig={SECRET}")
        assert verify(tmp_path / "out", signed).unchanged
        web.behaviour.status = 403
        (check,) = (c for c in verify(tmp_path / "out", signed).checks if c.name == "slide")
        assert check.status is CheckStatus.NOT_CHECKED
        assert SECRET not in check.detail
