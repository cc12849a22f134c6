"""The bounded MIME scanner."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reading.charsets import decode_base64, decode_bytes, decode_words, without_utf16
from ingest.reading.headers import first_values_of, parameters_of, read_fields, split_head
from ingest.reading.mime import parse, text_of_html
from nullsender.limits import HEADER_BYTES_MAX, HEADER_FIELDS_MAX, PART_DEPTH_MAX, PARTS_MAX


def multipart(*parts: bytes, boundary: bytes = b"b") -> bytes:
    """A message of these parts, head and body each."""
    inside = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\n\n' + inside + b"--" + boundary + b"--\n"


def test_parts_are_found_in_order() -> None:
    message = parse(multipart(b"\none", b"Content-Type: text/html\n\ntwo"))

    assert [part.text() for part in message.children] == ["one", "two"]


def test_a_boundary_that_begins_like_another_is_not_taken_for_it() -> None:
    inner = multipart(b"\none", b"\ntwo", boundary=b"b-inner")
    message = parse(multipart(inner, b"\nthree"))

    assert [len(part.children) for part in message.children] == [2, 0]


def test_a_multipart_that_never_ends_ends_with_the_message() -> None:
    assert [part.text() for part in parse(multipart(b"\none", b"\ntwo").removesuffix(b"--b--\n")).children] == ["one", "two\n"]


def test_a_boundary_that_is_not_named_is_guessed() -> None:
    message = parse(multipart(b"\none", b"\ntwo").replace(b'; boundary="b"', b""))

    assert [part.text() for part in message.children] == ["one", "two"]


def test_a_multipart_without_parts_is_text() -> None:
    message = parse(b"Content-Type: multipart/report; boundary=lost\n\nwords\n")

    assert (message.media_type, message.text()) == ("text/plain", "words\n")


def test_a_message_inside_is_the_child_of_its_part() -> None:
    message = parse(multipart(b"Content-Type: message/rfc822\n\nSubject: inner\n\nhello"))

    assert message.children[0].children[0].headers.get("subject") == "inner"
    assert [part.media_type for part in message.walk()] == ["multipart/mixed", "message/rfc822"]


def test_the_parts_of_a_message_inside_are_left_to_whoever_asks() -> None:
    inside = multipart(b"\none", b"\ntwo", boundary=b"inner")
    (inner,) = parse(multipart(b"Content-Type: message/rfc822\n\n" + inside)).children[0].children

    assert (inner.media_type, inner.children) == ("multipart/mixed", ())


def test_an_encoded_message_inside_is_decoded_first() -> None:
    message = parse(b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW5uZXINCg0KaGVsbG8=\n")

    assert message.children[0].headers.get("subject") == "inner"


def test_depth_and_number_of_parts_are_bounded() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (depth, depth) for depth in range(1_000))
    wide = multipart(*[b"\nx"] * 1_000)

    assert len(list(parse(nested).walk())) == PART_DEPTH_MAX + 1
    assert len(list(parse(wide).walk())) == PARTS_MAX


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b"\r\r\n"])
def test_all_line_ends_are_one(line_end: bytes) -> None:
    message = parse(b"Subject: a\n b\nTo: c\n\nbody\n".replace(b"\n", line_end))

    assert (message.headers.get("subject"), message.headers.get("to"), message.text()) == ("a b", "c", "body\n")


def test_a_bare_carriage_return_ends_a_field_as_a_line_does() -> None:
    """What Python's email reads as two fields is two fields here, for everybody who asks."""
    assert parse(b"Subject: a\rX-Other: b\r\n\r\n").headers.get("x-other") == "b"


def test_what_stands_before_the_first_field_is_taken_off() -> None:
    assert parse(b"\xef\xbb\xbf\n   \nFrom MAILER-DAEMON Tue Mar  3\nSubject: a\n\n").headers.get("subject") == "a"


def test_the_first_of_two_equal_fields_is_asked_and_all_are_kept() -> None:
    fields = read_fields(b"To: a\nTO : b\nTo:c")

    assert (fields.get("to"), fields.all("to")) == ("a", ("a", "b", "c"))


def test_a_line_that_is_no_field_continues_the_one_before_only_where_asked() -> None:
    block = b"Diagnostic-Code: smtp; 550 no\nsuch user\nAction: failed"

    assert read_fields(block).get("diagnostic-code") == "smtp; 550 no"
    assert read_fields(block, keep_stray_lines=True).get("diagnostic-code") == "smtp; 550 no such user"


@given(
    st.lists(st.sampled_from([b"a", b"To", b"\xc4\xb0", b"\xff", b":", b" :", b"\t:", b" ", b"\t", b"\n", b"\n "]), max_size=30)
)
def test_a_field_has_one_value_however_it_is_asked_for(pieces: list[bytes]) -> None:
    block = b"".join(pieces)
    fields = read_fields(block, keep_stray_lines=True)
    # `Headers` writes that letter as two; both show the same.
    values = first_values_of(decode_bytes(block).replace("\u0130", "I\u0307"))

    assert values.keys() == fields.names()
    assert (
        values == {name: fields.get(name) for name in fields.names()} == {name: fields.all(name)[0] for name in fields.names()}
    )
    assert all(name in fields for name in values)
    assert bool(fields) == bool(values)


def test_a_letter_that_lower_case_makes_longer_moves_no_field() -> None:
    fields = read_fields("Subject: İİİİ\nTO: a@example.org\nFrom: b".encode())

    assert (fields.get("to"), fields.get("from")) == ("a@example.org", "b")


def test_fields_beyond_our_bounds_are_said_to_be_missing() -> None:
    assert not read_fields(b"To: a\n" * HEADER_FIELDS_MAX).is_cut
    assert read_fields(b"To: a\n" * (HEADER_FIELDS_MAX + 1)).is_cut
    assert read_fields(b"To: " + b"a" * HEADER_BYTES_MAX).is_cut
    assert len(read_fields(b"To: a\n" * 2 * HEADER_FIELDS_MAX).all("to")) == HEADER_FIELDS_MAX


def test_a_head_needs_a_field_in_its_first_line() -> None:
    assert split_head(b"hello there\nSubject: a\n\nb") == (b"", b"hello there\nSubject: a\n\nb")


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        ('text/plain; charset="UTF-8"; format=flowed', {"charset": "UTF-8", "format": "flowed"}),
        ("text/plain;charset = utf-8 ;;", {"charset": "utf-8"}),
        ('multipart/mixed; boundary="a;b\\"c', {"boundary": 'a;b"c'}),
        ("text/plain; =; x", {}),
        ('text/plain; charset="utf-8"; CHARSET=latin-1', {"charset": "utf-8"}),
    ],
)
def test_parameters(value: str, parameters: dict[str, str]) -> None:
    assert parameters_of(value) == parameters


@pytest.mark.parametrize("charset", ["zlib", "hex", "rot13", "idna", "undefined", "unicode_escape", "no-such", "UFT-8", ""])
def test_a_codec_that_is_no_charset_is_not_used(charset: str) -> None:
    assert decode_bytes("grün".encode(), charset) == "grün"
    assert decode_bytes("grün".encode("latin-1"), charset) == "grün"


@pytest.mark.parametrize(
    ("text", "charset", "codec"),
    [
        ("送信できません", "ISO-2022-JP", "iso2022_jp"),
        ("送信できません", "", "iso2022_jp"),
        ("送信できません", "iso-2022-jp", "euc_jp"),
        ("送信できません", "Shift_JIS", "cp932"),
        ("почта", "KOI8-R", "koi8-r"),
        ("почта", "windows-1251", "cp1251"),
        ("退信", "gb2312", "gb18030"),
    ],
)
def test_charsets_of_real_mail(text: str, charset: str, codec: str) -> None:
    """The name that stands in the mail, and what the bytes really are."""
    assert decode_bytes(text.encode(codec), charset) == text


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_part_in_utf_16_is_read_line_by_line(codec: str) -> None:
    """Of a letter such as the last one the other byte is zero."""
    words = "Sie schrieben an grün@example.org\n\n退信 一\n"
    body = base64.b64encode(words.replace("\n", "\r\n").encode(codec))
    part = parse(b"Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n" + body)

    assert part.text() == words


def test_bytes_with_zeros_in_any_place_are_no_utf_16() -> None:
    assert without_utf16(b"\x89PNG\x00\x00\x00\r") == b"\x89PNG\x00\x00\x00\r"
    assert without_utf16(b"\xff\xfe\x00\xd8").decode() == "\ufffd"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("=?utf-8?Q?gr=C3=BCn?= =?utf-8?b?ZXI=?= Tee", "grüner Tee"),
        ("=?us-ascii*en?q?a_b?=", "a b"),
        ("=?no-such?b?!!!?=", ""),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
    ],
)
def test_encoded_words(value: str, words: str) -> None:
    assert decode_words(value) == words


@pytest.mark.parametrize("data", [b"YWJj", b"YWJ j\n", b"YWJ", b"YWJjZ", b"Y", b"", b"====", b"Y=W=J=j"])
def test_base64_that_is_broken_is_read_as_far_as_it_goes(data: bytes) -> None:
    assert decode_base64(data) is not None


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("&#97;&#x4E;&commat;example&period;org", "aN@example.org"),
        ("&#55296;&#x110000;&nosuchname;&#99999999;&", "&#55296;&#x110000;&nosuchname;&#99999999;&"),
        ("one&nbsp;two&#160;three", "one two three"),
        ('<a class=x href="mailto:anna@example.org?subject=y"><b>Anna</b> Ano</a>', "Anna Ano <anna@example.org>"),
        ('<a href="mailto:anna@example.org">Anna</a>', "Anna <anna@example.org>"),
        ('<a href="mailto:anna@example.org">anna@example.org</a>', "anna@example.org"),
    ],
)
def test_what_html_hides_of_an_address_is_shown(html: str, words: str) -> None:
    assert text_of_html(html) == words


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("次の宛先anna@example.orgへのメールは配信できませんでした。", "cp932"),
        ("次の宛先anna@example.orgへのメールは配信できませんでした。", "euc_jp"),
        ("您发送到anna@example.org的邮件无法投递。用户不存在。", "gb18030"),
        ("Die Zustellung an müller@example.org schlug fehl: Größe überschritten", "latin-1"),
    ],
)
def test_a_charset_that_nobody_told_is_guessed(text: str, charset: str) -> None:
    assert decode_bytes(text.encode(charset)) == text


def test_html_is_read_as_it_is_shown() -> None:
    html = "<style>p{}</style><p>Dear&nbsp;<b>&lt;a@example.org&gt;</b><br>bye<script>x</script>"

    assert [line.replace("\xa0", " ") for line in text_of_html(html).split("\n") if line] == ["Dear <a@example.org>", "bye"]
