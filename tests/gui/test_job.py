"""Work in a thread, looked at from outside; no Qt."""

from __future__ import annotations

import threading

import pytest

from napari_mmlnb.errors import RunCancelledError
from napari_mmlnb.viewer.error_text import explain
from napari_mmlnb.viewer.job import Job


def test_only_the_newest_report_is_kept():
    done = threading.Event()

    def work(report, cancelled):
        for i in range(1000):
            report(i)
        done.set()
        return "over"

    job = Job(work)
    job.start()
    assert done.wait(5)
    assert job.join(5)
    seen = job.poll()
    assert (seen.progress, seen.finished, seen.outcome, seen.error) == (999, True, "over", None)
    assert job.poll().progress is None


def test_a_job_that_only_reports_is_stopped_too():
    def work(report, cancelled):
        while True:
            report(1)

    job = Job(work)
    job.start()
    job.cancel()
    assert job.join(5)
    assert isinstance(job.poll().error, RunCancelledError)


def test_an_error_is_kept_for_whoever_looks():
    def work(report, cancelled):
        raise ValueError("no")

    job = Job(work)
    job.start()
    assert job.join(5)
    assert isinstance(job.poll().error, ValueError)


def test_joining_a_job_that_was_never_begun_does_not_fail():
    job = Job(lambda report, cancelled: None)
    assert not job.started
    assert job.join(1)


def test_an_unexpected_error_is_logged_and_the_text_names_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_mmlnb.viewer.error_text.user_log_path", lambda *a, **k: tmp_path / "log")
    try:
        raise KeyError("gone")
    except KeyError as error:
        text = explain(error)
    (log,) = (tmp_path / "log").iterdir()
    assert str(log) in text
    assert "Traceback" not in text
    assert "KeyError" in log.read_text()


def test_a_log_that_cannot_be_written_goes_elsewhere(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr("napari_mmlnb.viewer.error_text.user_log_path", lambda *a, **k: blocked / "log")
    text = explain(RuntimeError("odd"))
    assert "odd" in text
    assert ".log" in text
    assert str(blocked) not in text


@pytest.mark.parametrize("message", ["", "   "])
def test_an_error_without_words_is_named_by_its_kind(message, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_mmlnb.viewer.error_text.user_log_path", lambda *a, **k: tmp_path)
    assert "MemoryError" in explain(MemoryError(message))
