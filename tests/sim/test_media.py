"""What comes with a prompt: its type by its first bytes, its size without decoding it."""

import base64

import pytest

from brimline.sim.media import embedded, media, sniff

PNG = b"\x89PNG\r\n\x1a\n" + bytes(13)


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"%PDF-1.7", "application/pdf"),
        (b"hello", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell(head, mime):
    assert sniff(head) == mime


@pytest.mark.parametrize("size", range(12))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_sizes_are_exact_and_types_true_in_both_alphabets(size, encode):
    data = b"\xff\xd8\xff\xfb\xff\xef" + bytes(size)
    shown = str(embedded(encode(data).decode(), "image/png"))
    assert shown == f"[image/jpeg {len(data)} bytes, sent as image/png]"


@pytest.mark.parametrize(
    ("kind", "part", "shown"),
    [
        ("image_url", {"url": "https://x.org/a.png"}, "[image https://x.org/a.png]"),
        (
            "image_url",
            {"url": f"data:image/jpeg;base64,{base64.b64encode(PNG).decode()}"},
            "[image/png 21 bytes, sent as image/jpeg]",
        ),
        ("image_url", {"url": f"data:;base64,{base64.b64encode(PNG).decode()}"}, "[image/png 21 bytes]"),
        ("input_audio", {"data": "SUQzBA==", "format": "mpeg"}, "[audio/mpeg 4 bytes]"),
        ("file", {"file_data": "aGVsbG8="}, "[application/octet-stream 5 bytes]"),
        ("file", {"file_id": "file-1"}, "[file file-1]"),
        ("file", {"file_id": "files/1", "mime_type": "video/mp4"}, "[video/mp4 files/1]"),
        ("image_url", {"url": "data:image/png;base64,!"}, "[image/png 0 bytes]"),
    ],
)
def test_every_sort_of_part_is_named(kind, part, shown):
    assert str(media(part, kind)) == shown
