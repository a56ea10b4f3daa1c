"""Which addresses tiles may go to: one answer for settings, screens and the client itself."""

from __future__ import annotations

import pytest

from napari_mmlnb.describe.address import (
    KEY_VARIABLE,
    ServerAddress,
    check_address,
    is_this_machine,
    recorded_address,
)
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.describe.server import ServerDescriber
from napari_mmlnb.errors import DescriberError, RequestError, SendingRefusedError

HERE = (
    "http://127.0.0.1:8000/v1",
    "http://localhost:1/v1",
    "http://LOCALHOST/v1",
    "http://127.0.0.2/v1",
    "http://127.0.0.1:/v1",
    "http://[::1]:8000/v1",
    "https://127.0.0.1",
)
ELSEWHERE = (
    "http://localhost.:1/v1",
    "http://localhost.evil.com/v1",
    "http://127.0.0.1.evil.com/v1",
    "http://0.0.0.0:8000/v1",
    "http://0/v1",
    "http://2130706433/v1",
    "http://0x7f000001/v1",
    "http://127.1/v1",
    "http://0177.0.0.1/v1",
    "http://[::]/v1",
    "http://[::ffff:8.8.8.8]/v1",
    "http://[fe80::1%25eth0]/v1",
    "http://[::1%25evil]/v1",
    "http://[::1%evil.com]/v1",
    "http://①②⑦.0.0.1/v1",
    "http://ⓛocalhost/v1",
    "https://klinik-köln.example/v1",
)
NONE = (
    "",
    "http:///v1",
    "ftp://127.0.0.1/",
    "127.0.0.1:8000/v1",
    "localhost:8000",
    "http://127.0.0.1:99999/v1",
    "http://127.0.0.1:0/v1",
    "http://127.0.0.1 .evil.com/",
    "http://127.0.0.1\t:8000/v1",
    " http://127.0.0.1:8000/v1",
    "http://127.0.0.1:8000/v1\n",
    "http://127.0.0.1/v1\u202e",
    "http://127.0.0.1%09.evil.com/v1",
    "http://localhost%00.evil.com/v1",
    "http://localhost%2eevil.com/v1",
    "http://127.0.0.1\\.evil.com/v1",
    "http://127.0.0.1/ä/v1",
    "https://a..b/v1",
)
WITH_A_NAME = (
    "http://127.0.0.1@evil.com/v1",
    "http://evil.com@127.0.0.1/v1",
    "http://evil.com\\@127.0.0.1/v1",
    "http://127.0.0.1\\@evil.com/v1",
    "http://127.0.0.1:80@evil.com/",
    "http://me:geheim@127.0.0.1/v1",
)
WITH_A_QUERY = (
    "http://127.0.0.1:8000/v1?api_key=geheim",
    "http://127.0.0.1:8000/v1?",
    "http://127.0.0.1:8000/v1#geheim",
    "http://evil.com/v1?key=geheim",
    "http://evil.com#@127.0.0.1/",
    "http://evil.com?@127.0.0.1/",
)


@pytest.mark.parametrize("address", HERE)
def test_this_machine_needs_no_word_anywhere(address: str) -> None:
    check_address(address, may_send=False)
    assert is_this_machine(address)
    assert ServerDescriber(DescriberRequest(server=address)).facts.sends_to == str(ServerAddress.parse(address))


@pytest.mark.parametrize("address", ELSEWHERE)
def test_whatever_else_needs_a_word_everywhere(address: str) -> None:
    with pytest.raises(RequestError, match="would be sent there"):
        check_address(address, may_send=False)
    assert not is_this_machine(address)
    with pytest.raises(SendingRefusedError):
        ServerDescriber(DescriberRequest(server=address))
    check_address(address, may_send=True)
    assert ServerDescriber(DescriberRequest(server=address, may_send=True)).facts.sends_to


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        *((address, "none that can be used") for address in NONE),
        *((address, "user name or password") for address in WITH_A_NAME),
        *((address, "query or fragment") for address in WITH_A_QUERY),
    ],
)
def test_what_the_client_would_not_take_is_refused_before_a_run(address: str, problem: str) -> None:
    for refuse in (lambda: check_address(address, may_send=True), lambda: is_this_machine(address)):
        with pytest.raises(RequestError, match=problem) as refused:
            refuse()
        assert "geheim" not in str(refused.value)
    if not address:
        return  # a describer asks the default server then
    with pytest.raises(RequestError, match=problem):
        recorded_address(address)
    with pytest.raises(DescriberError, match=problem) as late:
        ServerDescriber(DescriberRequest(server=address, may_send=True))
    assert "geheim" not in str(late.value)


def test_a_key_in_the_address_is_told_where_to_go() -> None:
    with pytest.raises(RequestError) as refused:
        check_address(WITH_A_QUERY[0], may_send=False)
    assert KEY_VARIABLE in refused.value.remedy


def test_an_address_is_recorded_as_it_was_given() -> None:
    assert recorded_address("http://LOCALHOST/v1") == "http://localhost/v1"
    assert recorded_address("https://[::1]:8000/v1") == "https://[::1]:8000/v1"
    assert recorded_address("") == ""
