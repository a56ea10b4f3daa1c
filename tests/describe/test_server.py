"""The server describer against a real server on loopback, which answers well or fails in the ways that servers do."""

from __future__ import annotations

import base64
import io
import json
import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_mmlnb.describe.address import KEY_VARIABLE, ServerAddress
from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.chat_client import ServerLimits
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.describe.server import NOTHING_YET, TOO_LONG, ServerDescriber
from napari_mmlnb.errors import DescriberError, SendingRefusedError, ServerError
from napari_mmlnb.geometry import Region
from tests.describe.chat_server import OTHER_TEXT, TEXT, ChatServer, serve_chat

QUICK = ServerLimits(connect=1.0, first_word=0.5)


def tiles(count: int = 1) -> list[EvidenceTile]:
    rng = np.random.default_rng(3)
    return [
        EvidenceTile(rank, rng.integers(0, 255, (32, 32, 3), dtype=np.uint8), 0.5, Region(1234.5, 99.0, 16.0, 16.0))
        for rank in range(1, count + 1)
    ]


def asked(chat: ChatServer, **options: object) -> DescriberRequest:
    base = DescriberRequest(server=chat.url, server_model="m", generation=Generation(seed=7, max_new_tokens=50))
    return replace(base, **options)  # type: ignore[arg-type]


def sentences(text: str) -> tuple[str, ...]:
    return tuple(part.rstrip(".") + "." for part in text.split(". "))


def test_sentences_come_as_they_are_said() -> None:
    with serve_chat("by_picture") as chat:
        said = list(create_describer("server", asked(chat)).describe(tiles(2)))
    first = [d for d in said if d.rank == 1]
    assert [len(d.sentences) for d in first] == [1, 2, 3]
    assert [d.complete for d in first] == [False, False, True]
    assert [d.rank for d in said if d.complete] == [1, 2]
    assert first[-1].sentences == sentences(TEXT)
    assert said[-1].sentences == sentences(OTHER_TEXT)
    assert not any(d.faults for d in said)


def test_it_knows_which_model_answers() -> None:
    with serve_chat("good") as chat:
        assert ServerDescriber(asked(chat)).facts.model == "m"
        describer = ServerDescriber(asked(chat, server_model=""))
        assert describer.facts.model == ""
        list(describer.describe(tiles()))
        assert describer.facts.model == describer._model != ""


def test_the_first_sentence_is_there_before_the_answer_ends() -> None:
    with serve_chat("never_ends") as chat:
        answer = ServerDescriber(asked(chat)).describe(tiles())
        assert next(answer).sentences == ("Nuclei are small.",)
        answer.close()  # type: ignore[attr-defined]
        assert chat.hung_up.wait(5)  # and whoever stops listening hangs up


@pytest.mark.parametrize("behaviour", ["in_one_piece", "byte_by_byte"])
def test_servers_that_do_not_stream_or_stream_oddly(behaviour: str) -> None:
    with serve_chat(behaviour) as chat:
        assert list(ServerDescriber(asked(chat)).describe(tiles()))[-1].sentences == sentences(TEXT)


def test_what_is_sent_is_the_picture_and_the_question_and_nothing_of_the_case() -> None:
    with serve_chat("good") as chat:
        (tile,) = tiles()
        list(ServerDescriber(asked(chat)).describe([tile]))
    (body,), (headers,) = chat.bodies, chat.headers
    picture, question = body.pop("messages")[0]["content"]
    assert question == {"type": "text", "text": DEFAULT_PROMPT}
    assert body == {"model": "m", "max_tokens": 50, "temperature": 0.3, "top_p": 0.9, "seed": 7, "stream": True}
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert np.array_equal(np.asarray(sent), tile.rgb)
    assert not sent.info
    assert set(headers) == {"host", "accept-encoding", "content-length", "accept", "connection", "content-type"}
    assert chat.paths == ["/v1/chat/completions"]


def test_the_key_comes_from_the_environment_and_is_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "sk-very-secret")
    with serve_chat("good") as chat:
        list(ServerDescriber(asked(chat)).describe(tiles()))
    assert chat.headers[0]["authorization"] == "Bearer sk-very-secret"
    refusing = serve_chat("status", status=401, message="bad key sk-very-secret\r\nsecond")
    with refusing as chat, pytest.raises(ServerError, match="HTTP 401") as raised:
        list(ServerDescriber(asked(chat)).describe(tiles()))
    assert "secret" not in str(raised.value)
    assert KEY_VARIABLE in raised.value.remedy
    monkeypatch.setenv(KEY_VARIABLE, "two\nlines")
    with serve_chat("good") as chat, pytest.raises(DescriberError, match="no key") as refused:
        list(ServerDescriber(asked(chat)).describe(tiles()))
    assert "two" not in str(refused.value)


@pytest.mark.parametrize(
    ("behaviour", "options", "problem", "remedy"),
    [
        ("hangs", {}, "did not answer within 0.5 seconds", "more time"),
        ("hangs_after_the_head", {}, "did not answer within 0.5 seconds", "more time"),
        ("trickles", {}, "did not answer within 0.5 seconds", "more time"),
        ("closes_in_the_middle", {}, "broke off", "log"),
        ("closes_at_once", {}, "broke off", "log"),
        ("garbled_http", {}, "broke off", "log"),
        ("answers_nothing", {}, "answered nothing", "OpenAI"),
        ("status", {"status": 500}, "HTTP 500 .out of luck.", "log"),
        ("status", {"status": 404}, "HTTP 404", "/v1"),
        ("page", {}, "something else than JSON", "/v1"),
        ("broken_event", {}, "something else than JSON", "/v1"),
        ("other_json", {}, "something else than a chat", "/v1"),
        ("error_event", {}, "failed .CUDA out of memory.", "log"),
    ],
)
def test_a_server_that_fails_is_one_clear_error(
    behaviour: str, options: dict[str, object], problem: str, remedy: str
) -> None:
    with serve_chat(behaviour, **options) as chat:
        started = time.monotonic()
        with pytest.raises(ServerError, match=problem) as raised:
            list(ServerDescriber(asked(chat), QUICK).describe(tiles(3)))
        assert time.monotonic() - started < 5
        assert remedy in raised.value.remedy
        assert raised.value.address == chat.url
        # Nothing more is sent to a server that has failed twice, or at what every tile would meet.
        assert len(chat.bodies) == (1 if raised.value.lasting else 2)
        assert raised.value.lasting == (options == {"status": 404})


BUSY = {"status": 503, "message": "busy", "headers": {"Retry_After": "0"}}
GOOD = ("good", {})


@pytest.mark.parametrize(
    ("turns", "faulty"),
    [
        ([GOOD, ("status", {"status": 500}), GOOD], {2: "HTTP 500 (out of luck)"}),
        ([GOOD, ("status", BUSY), ("status", BUSY), GOOD], {2: "HTTP 503 (busy)"}),
        ([("closes_at_once", {}), GOOD], {1: "broke off"}),
        ([("broken_event", {}), GOOD, ("answers_nothing", {}), GOOD], {1: "than JSON", 3: "answered nothing"}),
    ],
)
def test_a_tile_that_fails_is_named_and_the_others_are_described(
    turns: list[tuple[str, dict[str, object]]], faulty: dict[int, str]
) -> None:
    with serve_chat("in_turns", turns=turns) as chat:
        said = [d for d in ServerDescriber(asked(chat)).describe(tiles(4)) if d.complete]
    assert [d.rank for d in said] == [1, 2, 3, 4]
    for one in said:
        if one.rank in faulty:
            assert not one.sentences
            assert faulty[one.rank] in one.faults[0]
        else:
            assert (one.sentences, one.faults) == (sentences(TEXT), ())


def test_of_a_tile_that_fails_in_the_middle_the_finished_sentences_stay() -> None:
    with serve_chat("in_turns", turns=[("closes_in_the_middle", {}), GOOD]) as chat:
        first, second = [d for d in ServerDescriber(asked(chat)).describe(tiles(2)) if d.complete]
    assert first.sentences == ("Neuropil: abundant.",)
    assert "broke off" in first.faults[0]
    assert second.sentences == sentences(TEXT)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", ["0", "Wed, 21 Oct 2015 07:28:00 GMT", None])
def test_a_busy_server_is_asked_once_more(status: int, wait: str | None) -> None:
    headers = {} if wait is None else {"Retry_After": wait}
    with serve_chat("in_turns", turns=[("status", {"status": status, "headers": headers}), GOOD]) as chat:
        said = list(ServerDescriber(asked(chat), replace(QUICK, busy=0.05)).describe(tiles()))
        assert len(chat.bodies) == 2
    assert said[-1].sentences == sentences(TEXT)
    assert not said[-1].faults


def test_a_busy_server_is_given_the_time_that_it_asks_for_but_not_the_tile_s_whole() -> None:
    for wait, least, most in (("1", 0.9, 5.0), ("3600", 0.9, 2.0)):
        busy = ("status", {"status": 429, "headers": {"Retry_After": wait}})
        with serve_chat("in_turns", turns=[busy, GOOD]) as chat:
            started = time.monotonic()
            said = list(ServerDescriber(asked(chat, seconds_a_tile=10 if wait == "1" else 2)).describe(tiles()))
            assert least < time.monotonic() - started < most
        assert said[-1].sentences == sentences(TEXT)


def test_whoever_stops_listening_to_a_busy_server_is_not_waited_for() -> None:
    with serve_chat("status", status=429, headers={"Retry_After": "60"}) as chat:
        answer = ServerDescriber(asked(chat)).describe(tiles())
        assert next(answer).complete is False
        started = time.monotonic()
        answer.close()  # type: ignore[attr-defined]
        assert time.monotonic() - started < 1
        assert len(chat.bodies) == 1


def test_the_time_that_was_given_is_for_the_first_word_too() -> None:
    with serve_chat("late", wait=0.8) as chat:
        said = list(ServerDescriber(asked(chat, seconds_a_tile=600), ServerLimits()).describe(tiles()))
        assert said[-1].sentences == sentences(TEXT)
        with pytest.raises(ServerError, match=r"did not answer within 0\.3 seconds"):
            list(ServerDescriber(asked(chat, seconds_a_tile=0.3), ServerLimits()).describe(tiles()))


def test_an_answer_cut_short_by_the_time_is_not_called_something_else() -> None:
    """A body in one piece, half there when the time is over."""
    with (
        serve_chat("begins_in_one_piece") as chat,
        pytest.raises(ServerError, match=r"did not answer within 0\.3 seconds"),
    ):
        list(ServerDescriber(asked(chat, seconds_a_tile=0.3)).describe(tiles()))


def test_an_answer_that_came_too_fast_to_be_read_in_time_ends_with_the_time() -> None:
    with serve_chat("good", text="Neuropil is seen. Nuclei are dark. No necrosis is seen.") as chat:
        answer = ServerDescriber(asked(chat, seconds_a_tile=1.0)).describe(tiles())
        assert next(answer).sentences == ("Neuropil is seen.",)
        time.sleep(1.1)
        assert list(answer)[-1].faults == ("time limit",)


@pytest.mark.parametrize("kept", [500, 0])
def test_a_server_that_does_not_stop_is_stopped_at_some_length(kept: int) -> None:
    with serve_chat("floods", text="The cells are small. " if kept else "x" * 100_000) as chat:
        started = time.monotonic()
        last = list(ServerDescriber(asked(chat)).describe(tiles()))[-1]
        assert time.monotonic() - started < 5
        assert chat.hung_up.wait(5)
    assert last.faults[-1] == TOO_LONG
    assert last.sentences == (("The cells are small.",) if kept else ())


def _event(content: str | None, reason: str | None = None, key: str = "content", **more: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {key: content}, "finish_reason": reason}]} | more).encode()


@pytest.mark.parametrize(
    ("body", "kept", "faults"),
    [
        (_event("Cells are small.", "stop", error=None) + b"\n\n", ("Cells are small.",), ()),
        (_event("Cells are small.", "stop"), ("Cells are small.",), ()),  # the last line has no end
        (_event("Cells are small. There is no", "content_filter") + b"\n", ("Cells are small.",), ("cut off",)),
        (_event("Cells are small. There is no", "abort") + b"\n", ("Cells are small.",), ("cut off",)),
        (_event("Cells are small.", "eos") + b"\n", ("Cells are small.",), ()),
        (_event("Hm. ", key="reasoning_content") + b"\n" + _event(None, "length") + b"\n", (), (NOTHING_YET,)),
        (_event("Hm. ", key="reasoning_content") + b"\n" + _event(None, "stop") + b"\n", (), ("empty",)),
    ],
)
def test_odd_replies_are_read_for_what_they_are(body: bytes, kept: tuple[str, ...], faults: tuple[str, ...]) -> None:
    with serve_chat("raw", body=body) as chat:
        last = list(ServerDescriber(asked(chat)).describe(tiles()))[-1]
    assert (last.sentences, last.faults) == (kept, faults)


def test_an_answer_in_parts_is_put_together() -> None:
    parts = [{"type": "text", "text": "Cells are small. "}, {"type": "text", "text": "No necrosis."}]
    body = json.dumps({"error": None, "choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}).encode()
    with serve_chat("raw", body=body, kind="application/json") as chat:
        last = list(ServerDescriber(asked(chat)).describe(tiles()))[-1]
    assert last.sentences == ("Cells are small.", "No necrosis.")


@pytest.mark.parametrize(("kind", "before"), [("application/json", b""), ("text/event-stream", b"data: ")])
def test_json_without_a_bottom_is_one_clear_error(kind: str, before: bytes) -> None:
    with (
        serve_chat("raw", body=before + b"[" * 200_000 + b"\n", kind=kind) as chat,
        pytest.raises(ServerError, match="something else than JSON"),
    ):
        list(ServerDescriber(asked(chat)).describe(tiles()))


def test_a_piece_of_the_key_in_a_server_s_message_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "sk-GEHEIM-0123456789")
    message = "Incorrect key: sk-GEHEIM-01*****; ends in 0123456789; GEHEIM-0123456789, sk-GEHEIM-0123456789; 4567 ok"
    with serve_chat("status", status=500, message=message) as chat, pytest.raises(ServerError) as raised:
        list(ServerDescriber(asked(chat)).describe(tiles()))
    assert "(Incorrect key: [key]*****; ends in [key]; [key], [key]; 4567 ok)" in str(raised.value)
    with (
        serve_chat("good", models=["a", "of-sk-GEHEIM-01"]) as chat,
        pytest.raises(ServerError, match=r"2 models \(a, of-\[key\]\)"),
    ):
        list(ServerDescriber(asked(chat, server_model="")).describe(tiles()))


def test_a_redirect_is_not_followed() -> None:
    with serve_chat("good") as elsewhere, serve_chat("redirects", to=elsewhere.url + "/chat/completions") as chat:
        with pytest.raises(ServerError, match="points to another address"):
            list(ServerDescriber(asked(chat)).describe(tiles()))
        assert not elsewhere.bodies


def test_a_proxy_of_the_environment_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_chat("good") as proxy, serve_chat("good") as chat:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        list(ServerDescriber(asked(chat)).describe(tiles()))
        assert (len(proxy.bodies), len(chat.bodies)) == (0, 1)


def test_an_answer_that_takes_too_long_gives_what_was_finished() -> None:
    with serve_chat("hangs_in_the_middle") as chat:
        said = list(ServerDescriber(asked(chat, seconds_a_tile=0.7), QUICK).describe(tiles()))
    assert said[-1].sentences == ("Neuropil: abundant.",)
    assert said[-1].faults == ("time limit",)
    assert said[-1].complete


@pytest.mark.parametrize(
    ("behaviour", "options", "kept", "faults"),
    [
        ("empty_text", {}, (), ("empty",)),
        ("good", {"text": "Neuropil is seen. Nuclei are sm", "reason": "length"}, ("Neuropil is seen.",), ("cut off",)),
        ("good", {"text": "Neuropil is seen. It is PD."}, ("Neuropil is seen.",), ("class name",)),
        ("good", {"text": "Das ist sehr klein. <|x|> here. Nests, nests. Nests nests."}, ("Nests, nests.",), None),
    ],
)
def test_what_it_says_is_judged(
    behaviour: str, options: dict[str, object], kept: tuple[str, ...], faults: tuple[str, ...] | None
) -> None:
    with serve_chat(behaviour, **options) as chat:
        last = list(ServerDescriber(asked(chat, forbidden=("pd",))).describe(tiles()))[-1]
    assert last.sentences == kept
    assert last.faults == (("other language", "garbage", "repetition") if faults is None else faults)


def test_no_model_named_takes_the_only_one() -> None:
    with serve_chat("good", models=["tiny-vlm"]) as chat:
        list(ServerDescriber(asked(chat, server_model="")).describe(tiles(2)))
        assert [body["model"] for body in chat.bodies] == ["tiny-vlm", "tiny-vlm"]
        assert chat.paths.count("/v1/models") == 1
    with serve_chat("good", models=["a", "b"]) as chat, pytest.raises(ServerError, match=r"2 models \(a, b\)"):
        list(ServerDescriber(asked(chat, server_model="")).describe(tiles()))


def test_no_server_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        request = DescriberRequest(server=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", server_model="m")
        with pytest.raises(ServerError, match="There is no server at") as raised:
            list(ServerDescriber(request).describe(tiles()))
    assert "11434" in raised.value.remedy


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.5:8000/v1", "https://api.example.org/v1", "http://127.0.0.1.example.org/v1", "http://[fe80::1]/v1"],
)
def test_another_machine_gets_nothing_before_it_is_allowed(address: str) -> None:
    with pytest.raises(SendingRefusedError, match="not this machine") as raised:
        create_describer("server", DescriberRequest(server=address))
    assert raised.value.address in (address, str(ServerAddress.parse(address)))
    allowed = create_describer("server", DescriberRequest(server=address, may_send=True))
    assert allowed.facts.sends_to == str(ServerAddress.parse(address))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.8.9.1", "localhost:1234", "[::1]:80"])
def test_this_machine_needs_no_word(host: str) -> None:
    describer = create_describer("server", DescriberRequest(server=f"http://{host}/v1/"))
    assert describer.facts.sends_to.startswith("http://")
    assert describer.facts.sends_to.endswith("/v1")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x/v1", "http://a b/"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(DescriberError, match="none that can be used"):
        create_describer("server", DescriberRequest(server=address, may_send=True))


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(DescriberError, match="name or password") as raised:
        create_describer("server", DescriberRequest(server="http://me:hunter2@127.0.0.1/v1"))
    assert "hunter2" not in str(raised.value)


def test_the_summary_holds_the_tiles_sentences_and_nothing_else() -> None:
    with serve_chat("by_picture") as chat:
        describer = ServerDescriber(asked(chat))
        summary = describer.summarise(list(describer.describe(tiles(3))))
    by_text = {s.text: s.evidence for s in summary.sentences}
    assert by_text == {
        "Nuclei are small and dark.": (1, 2, 3),
        "Neuropil: abundant (41 % of tissue).": (1, 3),
        "No necrosis is seen.": (1, 3),
        "Neuropil: scant (2 % of tissue).": (2,),
    }
    assert summary.sentences[0].text == "Nuclei are small and dark."
    assert summary.describer == "server"
