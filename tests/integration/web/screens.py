"""Take a picture of every page, light, on a narrow screen, and dark: python -m tests.integration.web.screens FOLDER."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.web import showing
from tests.integration.web.browsing import chromium
from tests.integration.web.everything import paths
from tests.integration.web.scene import LOST, Scene, live_a_month, scene, served

from holdfast.journal.base import SCHEDULER_ALIVE
from holdfast.system import clock
from holdfast.web.security.doorkeeper import Gate

LOOKS = (("light", "", (1180, 820)), ("light", "-narrow", (360, 740)), ("dark", "", (1180, 820)))
_TALLEST = 1900
_PIXELS = """async data => {
  const image = new Image(); image.src = 'data:image/png;base64,' + data; await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return [image.width, image.height, btoa(text)];
}"""


def main(folder: Path) -> None:
    """Build the scene, walk through it, write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with _place() as place, scene(place, showing.TEXT, size=12) as made:
        live_a_month(made)
        showing.alerts(made)
        gate = Gate(made.service.configuration)
        opened = showing.people(gate)
        with contextlib.closing(gate), served(made, gate), chromium() as browser:
            showing.looks(made, opened.secret)
            painter = browser.new_page()
            for how in LOOKS:  # with a session each: after some minutes the password is asked for once more
                opened = gate.sessions.open("anna", "127.0.0.1", "a browser")
                _walk(browser, made, folder, how, (opened.secret, painter))


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """Where such an application would lie, if this machine lets us; the pages show the path."""
    wanted = Path("/srv/harbour")
    if wanted.exists() or not os.access(wanted.parent, os.W_OK):
        with tempfile.TemporaryDirectory(prefix="screens-") as temporary:
            yield Path(temporary) / "harbour"
        return
    try:
        yield wanted
    finally:
        shutil.rmtree(wanted, ignore_errors=True)


def _walk(
    browser: Any, made: Scene, folder: Path, how: tuple[str, str, tuple[int, int]], who: tuple[str, Any]
) -> None:
    (look, suffix, (width, height)), (cookie, painter) = how, who
    made.service.journal.remember(SCHEDULER_ALIVE, clock.stamp())
    showing.appointments(made)
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=look)
    context.add_cookies([{"name": "holdfast", "value": cookie, "url": made.url}])
    page = context.new_page()
    page.set_default_timeout(150_000)

    def take(name: str) -> None:
        _take(page, painter, folder / f"{name}{suffix}-{look}.png")

    for path, name in paths(made).items():
        page.goto(made.url + path)
        take(name)
    page.goto(made.url + "/restore?source=tickets")
    take("restore-when")
    page.goto(made.url + f"/explore?entity=event&key={LOST}")
    page.click("button:has-text('Bring back') >> nth=0")
    page.wait_for_selector("button:has-text('Do it')")
    take("preview")
    page.click("button:has-text('Do it')")
    page.wait_for_selector(".headline:has-text('Done')")
    take("result")
    context.close()
    made.lose_an_event()


def _take(page: Any, painter: Any, path: Path) -> None:
    page.wait_for_timeout(250)
    high = min(_TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    size = page.viewport_size
    taken = page.screenshot(
        full_page=True, clip={"x": 0, "y": 0, "width": size["width"], "height": max(high, size["height"])}
    )
    width, height, pixels = painter.evaluate(_PIXELS, base64.b64encode(taken).decode())
    path.write_bytes(_png(width, height, base64.b64decode(pixels)))


def _png(width: int, height: int, rgba: bytes) -> bytes:
    """A picture of at most 256 colours: of every 32nd of a channel the most frequent, the rest in the nearest one."""
    words = memoryview(rgba).cast("I")
    counted = Counter(words)
    chosen: dict[tuple[int, ...], int] = {}
    for word, _ in counted.most_common():
        chosen.setdefault(tuple(each >> 3 for each in _rgb(word)), word)
    weights = Counter[int]()
    for word, number in counted.items():
        weights[chosen[tuple(each >> 3 for each in _rgb(word))]] += number
    colours = [_rgb(word) for word, _ in weights.most_common(256)]
    index = {word: _nearest(colours, _rgb(word)) for word in counted}
    plain = bytes(map(index.__getitem__, words))
    lines = b"".join(b"\0" + plain[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", head), (b"PLTE", b"".join(map(bytes, colours))), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""),
    )  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _rgb(word: int) -> tuple[int, int, int]:
    return word & 255, word >> 8 & 255, word >> 16 & 255


def _nearest(colours: list[tuple[int, int, int]], wanted: tuple[int, int, int]) -> int:
    return min(range(len(colours)), key=lambda number: _far(colours[number], wanted))


def _far(one: tuple[int, int, int], two: tuple[int, int, int]) -> int:
    return sum((left - right) ** 2 for left, right in zip(one, two, strict=True))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
