"""Local images: found beside the input or in media/, true to their type, and the same wherever they lie."""

import os
from base64 import b64decode, b64encode
from hashlib import blake2b

import pytest

from brimline.data import media as media_module
from brimline.data.media import REMEMBERED, Media, MediaError, embed, encoded, excess, media_type
from brimline.data.messages import PromptError, read_prompt

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff\xe0" + b"pixels"
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "


def digest(content):
    return blake2b(content, digest_size=16).hexdigest()


def data_url(path, known):
    kind, data = encoded(path, known)
    return f"data:{kind};base64,{data}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input" / "media").mkdir(parents=True)
    (tmp_path / "media" / "deep").mkdir(parents=True)
    return tmp_path / "input"


@pytest.mark.parametrize("place", ["a.png", "media/a.png", "../media/a.png", "../media/deep/a.png"])
def test_an_image_lies_beside_the_input_or_in_a_media_folder(folder, place):
    (folder / place).write_bytes(PNG)
    name = "deep/a.png" if "deep" in place else "a.png"
    assert Media(folder).find(name) == (digest(PNG), (folder / place).resolve(), "image/png")


def test_what_lies_nearest_is_taken_and_a_path_may_say_more(folder):
    for place, content in [("a.png", PNG), ("media/a.png", JPEG), ("../media/a.png", WEBP)]:
        (folder / place).write_bytes(content)
    assert Media(folder).find("a.png")[0] == digest(PNG)
    assert Media(folder).find("media/a.png")[0] == digest(JPEG)
    assert Media(folder).find(str(folder.parent / "media" / "a.png"))[0] == digest(WEBP)
    assert Media(folder).find("../media/a.png")[0] == digest(WEBP)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"GIF87a...", "image/gif"),
        (b"GIF89a...", "image/gif"),
        (WEBP, "image/webp"),
    ],
)
def test_the_type_is_that_of_the_content_whatever_the_name(folder, content, kind):
    path = folder / "a.jpg"
    path.write_bytes(content)
    assert media_type(path) == kind
    head, _, data = data_url(path, digest(content)).partition(",")
    assert (head, b64decode(data)) == (f"data:{kind};base64", content)


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"%PDF-1.7", b"\0" * 99]
)
def test_what_is_no_image_is_not_sent(folder, content):
    (folder / "a.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"'a\.png' is no PNG, JPEG, GIF or WebP image"):
        Media(folder).find("a.png")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.png", "image 'none.png' is neither beside the input nor in its media folder"),
        ("media", "neither beside"),
        ("", "neither beside"),
        ("a\0b", "neither beside"),
        ("iVBORw0KGgo" * 5000, "image 'iVBORw0KGgo"),
    ],
)
def test_what_cannot_be_found_is_named_and_a_name_that_is_the_image_itself_is_cut_short(folder, name, reason):
    with pytest.raises(MediaError) as missing:
        Media(folder).find(name)
    assert reason in str(missing.value)
    assert len(str(missing.value)) < 200


def test_an_image_too_large_for_any_provider_is_refused(folder, monkeypatch):
    monkeypatch.setattr(media_module, "LARGEST", 1 << 20)
    for name, size in (("a.png", 1 << 20), ("b.png", (1 << 20) + 1)):
        (folder / name).write_bytes(PNG.ljust(size, b"x"))
    assert Media(folder).find("a.png")
    with pytest.raises(MediaError, match=r"image 'b\.png' is larger than 1 MB"):
        Media(folder).find("b.png")


def test_an_image_is_read_once_however_many_rows_name_it(folder):
    (folder / "a.png").write_bytes(PNG)
    media = Media(folder)
    found = media.find("a.png")
    (folder / "a.png").unlink()
    assert media.find("a.png") == found


def test_a_million_images_do_not_fill_the_memory(folder, monkeypatch):
    monkeypatch.setattr(media_module, "REMEMBERED", 3)
    media = Media(folder)
    for number in range(10):
        (folder / f"{number}.png").write_bytes(PNG + bytes([number]))
        media.find(f"{number}.png")
    assert len(media._found) == 3 < REMEMBERED
    assert media.find("0.png")[0] == digest(PNG + b"\0")


# In messages.


def prompt(folder, image, **more):
    part = {"type": "image_url", "image_url": image, **more}
    return read_prompt([{"role": "user", "content": ["What is this?", part]}], Media(folder))


def test_a_digest_stands_for_a_local_image_until_it_is_sent(folder):
    (folder / "a.png").write_bytes(PNG)
    read = prompt(folder, {"url": "a.png", "detail": "low"}, prompt_cache_breakpoint={})
    url = f"media:{digest(PNG)}"
    text, part = read.messages[0]["content"]
    assert part == {
        "type": "image_url",
        "image_url": {"url": url, "detail": "low"},
        "prompt_cache_breakpoint": {},
    }
    assert read.media == {url: str((folder / "a.png").resolve())}
    sent = embed(read.messages, read.media)
    assert sent[0]["content"][0] == text == {"type": "text", "text": "What is this?"}
    assert sent[0]["content"][1]["image_url"] == {
        "url": data_url(folder / "a.png", digest(PNG)),
        "detail": "low",
    }
    assert part["image_url"]["url"] == url, "the request itself is not changed"


@pytest.mark.parametrize(
    "url", ["https://host/a.png", "HTTPS://HOST/A.PNG", "http://host/a.png", "data:image/png;base64,iVBO"]
)
def test_a_remote_image_stays_as_it_is(folder, url):
    read = prompt(folder, url)
    assert read.messages[0]["content"][1]["image_url"] == {"url": url}
    assert read.media == {}
    assert embed(read.messages, {}) == read.messages


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("none.png", "image 'none.png' is neither"),
        ({"url": "none.png"}, "image 'none.png' is neither"),
        ("media:abc", "image 'media:abc' is neither"),
        (None, "an image part has no image_url"),
        (7, "an image part has no image_url"),
        ({}, "an image part has no image_url"),
        ({"url": None}, "an image part has no image_url"),
        ([], "an image part has no image_url"),
    ],
)
def test_an_image_that_cannot_be_sent_is_the_rows_problem(folder, image, reason):
    with pytest.raises(PromptError, match=reason):
        prompt(folder, image)


def test_an_image_changed_or_removed_since_it_was_checked_is_not_sent_in_its_place(folder):
    (folder / "a.png").write_bytes(PNG)
    read = prompt(folder, "a.png")
    (folder / "a.png").write_bytes(PNG + b"changed")
    with pytest.raises(MediaError, match="was changed since it was checked"):
        embed(read.messages, read.media)
    (folder / "a.png").unlink()
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        embed(read.messages, read.media)
    (folder / "a.png").write_bytes(PNG)
    assert embed(read.messages, read.media)[0]["content"][1]["image_url"]["url"].startswith("data:image/png")


def test_an_image_whose_folder_cannot_be_entered_is_a_problem_and_no_crash(folder, monkeypatch):
    """Who runs the tests as root may enter every folder."""
    (folder / "a.png").write_bytes(PNG)

    def refuse(*_, **__):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(type(folder), "read_bytes", refuse)
    with pytest.raises(MediaError, match="cannot be read: Permission denied"):
        Media(folder).find("a.png")


# Other files.

WAV = b"RIFF\x24\0\0\0WAVEfmt "
MP3 = b"ID3\x03\0\0\0\0\0\0sound"
PDF = b"%PDF-1.7\n..."
MP4 = b"\0\0\0\x18ftypmp42...."
FILES = {"a.png": PNG, "a.wav": WAV, "a.mp3": MP3, "a.pdf": PDF, "a.mp4": MP4}


def as_sent(folder, part, key="content"):
    """Return the part as it stands in the request, and as it is sent."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    read = read_prompt([{"role": "user", key: [part]}], Media(folder))
    return read.messages[0]["content"][0], embed(read.messages, read.media)[0]["content"][0]


def based(content):
    return b64encode(content).decode()


SOUND = {"type": "input_audio", "input_audio": {"data": based(WAV), "format": "wav"}}
BOOK = {
    "type": "file",
    "file": {"file_data": f"data:application/pdf;base64,{based(PDF)}", "filename": "a.pdf"},
}
FILM = {"type": "file", "file": {"file_data": f"data:video/mp4;base64,{based(MP4)}", "filename": "a.mp4"}}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{based(PNG)}"}}


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "input_audio", "input_audio": "a.wav"}, SOUND),
        ({"type": "input_audio", "input_audio": {"data": "a.wav"}}, SOUND),
        ({"type": "file", "file": "a.pdf"}, BOOK),
        ({"type": "file", "file": {"file_data": "a.pdf"}}, BOOK),
        (
            {"type": "file", "file": {"file_data": "a.pdf", "filename": "b"}, "x": 1},
            {"type": "file", "file": {**BOOK["file"], "filename": "b"}, "x": 1},
        ),
        ({"type": "file", "file": "a.png"}, IMAGE),
        ({"type": "image", "source": {"media": "a.png", "media_type": "image/jpeg"}}, IMAGE),
        ({"type": "document", "source": {"media": "a.pdf"}, "citations": {}}, {**BOOK, "citations": {}}),
        ({"type": "image", "media": "a.png"}, IMAGE),
        ({"type": "audio", "media": "a.wav"}, SOUND),
        ({"type": "video", "media": "a.mp4"}, FILM),
        ({"type": "file", "media": "a.mp4"}, FILM),
    ],
)
def test_local_files_are_sent_in_the_chat_dialects_own_form_and_true_to_their_type(folder, part, sent):
    stands, goes = as_sent(folder, part)
    assert goes == sent
    assert "media:" in str(stands)
    assert based(WAV) not in str(stands)


def test_a_sound_in_mp3_is_called_so(folder):
    assert as_sent(folder, {"type": "audio", "media": "a.mp3"}, "parts")[1]["input_audio"]["format"] == "mp3"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"type": "audio", "media": "a.png"}, r"'a\.png' is no WAV or MP3 sound"),
        ({"type": "video", "media": "a.wav"}, r"'a\.wav' is no MP4, QuickTime or WebM video"),
        ({"type": "image", "source": {"media": "a.pdf"}}, r"'a\.pdf' is no PNG"),
        ({"type": "file", "file": "none.pdf"}, "file 'none.pdf' is neither beside"),
        ({"type": "audio", "media": ""}, "a part of type 'audio' names no media"),
        ({"type": "video"}, "a part of type 'video' names no media"),
        ({"type": "image", "media": None}, "a part of type 'image' names no media"),
    ],
)
def test_a_file_of_another_type_is_the_rows_problem(folder, part, reason):
    with pytest.raises(PromptError, match=reason):
        as_sent(folder, part)


def test_bare_base64_is_no_name(folder):
    part = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    assert as_sent(folder, part) == (part, part)


def test_files_that_are_too_large_together_say_what_to_do(folder):
    (folder / "a.mp4").write_bytes(MP4.ljust(3 << 19, b"x"))
    read = read_prompt([{"role": "user", "content": [{"type": "video", "media": "a.mp4"}]}], Media(folder))
    assert excess(read.media, 2 << 20) is None
    assert excess(read.media, 1 << 20).startswith(
        "its files are 1.5 MB, and 1 MB go in one request; `brimline media upload`"
    )
    (folder / "a.mp4").unlink()
    assert excess(read.media, 0) is None
