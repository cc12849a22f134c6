"""From bytes to text, whatever a stranger calls his charset.

Python's codec names are not charsets: `zlib`, `rot13` and `idna` are codecs too. So the names that we honour stand in a
list; for every other one the bytes are read as UTF-8 if they are that. If not, what looks like Japanese or Chinese is read as
such, and everything else as Latin-1, which always works.
"""

import binascii
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Iterable

from nullsender.limits import CHARSET_GUESS_BYTES_MAX, HEADER_VALUE_CHARACTERS_MAX

# IANA names and the aliases that mail carries, to the codec that reads them. A superset stands for its subset where
# software mislabels (windows-1252 for iso-8859-1, GB 18030 for GB 2312), as browsers do.
_CODECS: dict[str, str] = {
    **{f"iso-8859-{n}": f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16)},
    **{f"windows-{n}": f"cp{n}" for n in range(1250, 1259)},
    **{f"cp{n}": f"cp{n}" for n in range(1250, 1259)},
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("koi8-r", "koi8r"), "koi8-r"),
    **dict.fromkeys(("koi8-u", "koi8u"), "koi8-u"),
    **dict.fromkeys(("ibm850", "cp850"), "cp850"),
    **dict.fromkeys(("ibm866", "cp866"), "cp866"),
    **dict.fromkeys(("iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-ms", "cp50220", "cp50221"), "iso2022_jp_ext"),
    **dict.fromkeys(("iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-2004"), "iso2022_jp_2"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "cp932"), "cp932"),
    **dict.fromkeys(("euc-jp", "eucjp", "x-euc-jp"), "euc_jp"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "cp936", "hz-gb-2312"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "cp950"), "big5hkscs"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ks_c_5601", "cp949"), "cp949"),
    **dict.fromkeys(("iso-2022-kr",), "iso2022_kr"),
    **dict.fromkeys(("tis-620", "windows-874", "cp874"), "cp874"),
}

_ISO_2022_JP = b"\x1b$"


def decode_bytes(data: bytes, charset: str = "") -> str:
    """`data` as text. Known charsets by their codec, all others as UTF-8 or, where it is not that, as what it looks like."""
    codec = _CODECS.get(charset.lower()) if charset else None
    if codec is None and data.find(_ISO_2022_JP) >= 0:  # no other charset uses this sequence, and many forget to say so
        codec = "iso2022_jp_ext"
    if codec is None:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return _guessed(data)
    if codec.startswith("iso2022") and not data.isascii():  # a 7-bit charset: the name is wrong
        return _decode_first(data, ("utf-8", "euc_jp", "cp932", "latin-1"))
    return data.decode(codec, "replace")


def without_utf16(data: bytes) -> bytes:
    """`data` as UTF-8 where it is UTF-16 (RFC 2781), as some software for Windows writes: letters and line ends have two bytes.

    It is known by its byte order mark, or by zeros that nearly all stand in every other place, as those of ASCII's letters do.
    """
    if data[:2] in _BYTE_ORDER_MARKS:
        return data.decode("utf-16", "replace").encode()
    beginning = data[:CHARSET_GUESS_BYTES_MAX]
    if 0 not in beginning:
        return data
    high_first, low_first = beginning[::2].count(0), beginning[1::2].count(0)
    if 4 * min(high_first, low_first) >= max(high_first, low_first):
        return data
    return data.decode("utf-16-be" if high_first > low_first else "utf-16-le", "replace").encode()


_BYTE_ORDER_MARKS = (BOM_UTF16_LE, BOM_UTF16_BE)


def _guessed(data: bytes) -> str:
    """`data`, whose charset nobody told and which is no UTF-8: Japanese by its kana, Chinese by its pairs, else Latin-1.

    As Latin-1 the letters of a sentence would join the address in it, for those scripts put no space between.
    """
    beginning = data[:CHARSET_GUESS_BYTES_MAX]
    for codec, first_bytes in _KANA_BYTES.items():
        if (first_bytes[0] in beginning or first_bytes[1] in beginning) and _KANA.search(_beginning_as(codec, beginning)):
            return data.decode(codec, "replace")
    if _ALONE.search(beginning) is None and _MANY_PAIRS.search(beginning) and _beginning_as("gb18030", beginning):
        return data.decode("gb18030", "replace")
    return data.decode("latin-1")


def _beginning_as(codec: str, beginning: bytes) -> str:
    """`beginning` in that codec, up to its last whole letter; "" where it is not valid in it."""
    try:
        return getincrementaldecoder(codec)().decode(beginning)
    except UnicodeDecodeError:
        return ""


# What a letter of hiragana or katakana begins with; texts in Latin letters rarely have such a byte.
_KANA_BYTES = {"euc_jp": b"\xa4\xa5", "cp932": b"\x82\x83"}
# Each begins with a class of letters and nothing else, because the regex engine passes over others fast only then.
_KANA = re.compile("[\u3041-\u30fe][^\u3041-\u30fe]{0,40}(?:[\u3041-\u30fe][^\u3041-\u30fe]{0,40}){2}")
_ALONE = re.compile(rb"[\x80-\xff](?<![\x80-\xff].)(?![\x80-\xff])")
_MANY_PAIRS = re.compile(rb"[\x80-\xff][\x80-\xff][\x00-\x7f]{0,40}(?:[\x80-\xff]{2}[\x00-\x7f]{0,40}){3}")


def _decode_first(data: bytes, codecs: Iterable[str]) -> str:
    """`data` by the first of `codecs` that it is valid in; the last one must take everything."""
    for codec in codecs:
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    raise AssertionError("the last codec takes every byte")


# RFC 2047 section 2. The bounds keep the match linear: an encoded word is at most 75 characters, real ones are longer.
_ENCODED_WORD = re.compile(r"=\?([\w.:*-]{1,60})\?([bBqQ])\?([^?\s]{0,2000})\?=")
# Section 6.2: white space between two encoded words is not shown.
_BETWEEN_WORDS = re.compile(r"(\?=)\s{1,80}(?==\?)")


def decode_words(value: str) -> str:
    """A header value with its encoded words (RFC 2047) decoded; what can not be decoded stays as it is."""
    if "=?" not in value:
        return value
    value = _BETWEEN_WORDS.sub(r"\1", value[:HEADER_VALUE_CHARACTERS_MAX])
    return _ENCODED_WORD.sub(_decode_word, value)


def _decode_word(match: re.Match[str]) -> str:
    charset, encoding, encoded = match.groups()
    data = encoded.encode("utf-8")
    decoded = decode_base64(data) if encoding in "bB" else binascii.a2b_qp(data, header=True)
    # RFC 2231 section 5: a language may follow the charset, after a star.
    return decode_bytes(decoded, charset.partition("*")[0])


def decode_base64(data: bytes) -> bytes:
    """`data` without its base64; letters that do not belong are skipped, an end that is missing is made up."""
    for padding in (b"", b"=", b"=="):
        try:
            return binascii.a2b_base64(data + padding)
        except binascii.Error:
            continue
    try:
        return binascii.a2b_base64(data.rstrip(b"=\n")[:-1] + b"==")
    except binascii.Error:
        return data
