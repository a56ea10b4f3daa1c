from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.errors import RequestError, SlideError, SlideNotFoundError
from napari_mmlnb.slides.location import RemoteUrl, locate, recorded

SECRET = "s3cr3t"  # noqa: S105 (of nobody)


@pytest.mark.parametrize(
    ("url", "shown", "name"),
    [
        ("https://host.org/a/b.svs", "https://host.org/a/b.svs", "b.svs"),
        (f"https://jane:{SECRET}@host.org:8080/b.svs", "https://host.org:8080/b.svs", "b.svs"),
        (f"https://bucket.org/b.svs?X-Amz-Signature={SECRET}&x=1#{SECRET}", "https://bucket.org/b.svs", "b.svs"),
        ("s3://bucket/a//b.svs", "s3://bucket/a//b.svs", "b.svs"),
        ("GS://bucket/slide.ome.zarr/", "gs://bucket/slide.ome.zarr/", "slide.ome.zarr"),
        ("https://host.org/a%20b.svs", "https://host.org/a%20b.svs", "a b.svs"),
        ("http://host.org", "http://host.org", "host.org"),
    ],
)
def test_a_url_is_kept_whole_and_shown_without_credentials(url, shown, name):
    location = locate(url)
    assert isinstance(location, RemoteUrl)
    assert location.url == url
    assert str(location) == recorded(location) == shown
    assert location.name == name
    assert SECRET not in f"{location!r} {location} {location.name} {location.stem}"
    assert pickle.loads(pickle.dumps(location)) == location  # noqa: S301 (our own)


@given(user=st.text("abcXYZ019%._~-", max_size=9), query=st.text("abcXYZ019%._~-=&", max_size=20))
def test_no_user_and_no_query_is_ever_shown(user, query):
    location = locate(f"https://{user}SECRET:SECRET@host.org/slide.svs?{query}SECRET")
    assert "SECRET" not in f"{location!r} {location} {SlideNotFoundError(location)}"


@pytest.mark.parametrize("text", ["slide.svs", "/data/slide.svs", "C:\\slides\\a.svs", "a:b.svs", "~/x.svs"])
def test_paths_stay_paths(text):
    assert locate(text) == Path(text)
    assert locate(Path(text)) == Path(text)


def test_a_file_url_is_a_path(tmp_path):
    assert locate((tmp_path / "a b.svs").as_uri()) == tmp_path / "a b.svs"


def test_what_pathlib_made_of_a_url_is_that_url_unless_it_is_there(tmp_path, monkeypatch):
    assert locate(Path("s3://bucket/a.svs")) == RemoteUrl("s3://bucket/a.svs")
    assert locate(Path("https://host.org/a.svs")) == RemoteUrl("https://host.org/a.svs")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    (tmp_path / "s3:" / "bucket" / "a.svs").touch()
    assert locate(Path("s3:/bucket/a.svs")) == Path("s3:/bucket/a.svs")


@pytest.mark.parametrize("url", [f"ftp://jane:{SECRET}@host/a.svs", f"simplecache::https://h/a?{SECRET}", "https://"])
def test_other_urls_are_refused(url):
    if "::" in url:
        assert locate(url) == Path(url)  # no scheme of a URL; nothing lies there
        return
    with pytest.raises(RequestError) as caught:
        locate(url)
    assert SECRET not in str(caught.value)


def test_a_malformed_url_is_refused():
    with pytest.raises(RequestError, match="malformed"):
        locate(f"https://[{SECRET}/a.svs")


def test_errors_take_both():
    assert SlideError("a.svs", "Bad.").path == Path("a.svs")
    assert SlideError(locate("s3://b/a.svs"), "Bad.").path == RemoteUrl("s3://b/a.svs")


def test_a_path_is_recorded_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recorded(Path("a.svs")) == str(tmp_path / "a.svs")
