"""`brimline media convert`: only what needs it is changed, and nothing is lost."""

import json

import pytest

pytest.importorskip("PIL")
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    """Images of many kinds, by what they are."""
    folder = tmp_path / "media"
    folder.mkdir()
    Image.new("RGB", (4, 3), (200, 10, 10)).save(folder / "plain.png")
    Image.new("L", (4, 3), 90).save(folder / "grey.jpg")
    Image.new("RGBA", (4, 3), (255, 0, 0, 0)).save(folder / "clear.png")
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(folder / "print.jpg")
    Image.new("P", (4, 3)).save(folder / "palette.png")
    Image.new("I;16", (4, 3), 0x8000).save(folder / "deep.png")
    Image.new("RGB", (4, 3), (1, 2, 3)).save(folder / "liar.jpeg", format="PNG")
    (folder / "notes.txt").write_text("no image")
    return folder


CHANGED = {"clear.png", "deep.png", "liar.jpeg", "palette.png", "print.jpg"}


def test_a_folder_is_made_plain_and_keeps_its_originals(cli, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, out, _ = cli("media", "convert", "media", "--json")
    told = {one["file"].removeprefix("media/"): one for one in map(json.loads, out.splitlines())}
    assert code == 0
    assert {name for name, one in told.items() if one["converted"]} == CHANGED
    assert {path.name: path.read_bytes() for path in (folder / "originals").iterdir()} == {
        name: before[name] for name in CHANGED
    }
    for name in ("plain.png", "grey.jpg", "notes.txt"):
        assert (folder / name).read_bytes() == before[name]
    for name in CHANGED:
        with Image.open(folder / name) as image:
            assert (image.mode, image.size) == ("RGB", (4, 3))
            assert image.format == ("PNG" if name.endswith(".png") else "JPEG")
    with Image.open(folder / "clear.png") as image:
        assert image.getpixel((0, 0)) == (255, 255, 255)  # transparent becomes white, not what lay under it
    with Image.open(folder / "deep.png") as image:
        assert image.getpixel((0, 0)) == (128, 128, 128)
    assert not [*folder.glob("*.part")]
    code, out, _ = cli("media", "convert", "media")
    assert (code, out.count("left as it is")) == (0, 7)


def test_originals_of_one_name_are_all_kept(cli, folder):
    (folder / "originals").mkdir()
    (folder / "originals" / "clear.png").write_bytes(b"older")
    _, out, _ = cli("media", "convert", "media/clear.png")
    assert "original: media/originals/clear.1.png" in out
    assert (folder / "originals" / "clear.png").read_bytes() == b"older"


def test_what_is_no_image_is_said_and_the_others_are_converted(cli, folder):
    (folder / "aaa.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    code, out, error = cli("media", "convert", "media")
    assert (code, "aaa.png is no image" in error) == (2, True)
    assert out.count("converted, since") == len(CHANGED)
    assert (folder / "aaa.png").exists()


@pytest.mark.parametrize(("name", "words"), [("none", "no file or folder"), ("media/notes.txt", "no .jpg")])
def test_what_cannot_be_converted_is_named(cli, folder, name, words):
    code, _, error = cli("media", "convert", name)
    assert (code, words in error) == (2, True)


def test_without_pillow_it_says_how_to_get_it(cli, folder, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("brimline.data.images.import_module", missing)
    code, _, error = cli("media", "convert", "media")
    assert (code, "pip install 'brimline[images]'" in error) == (2, True)
