"""Build the sample application in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from holdfast.model.errors import UsageError
from holdfast.usecases.demo import shop, wording

DATABASE = "shop.sqlite"
_DAY = 86_400
_EPOCH = 1_772_442_000  # 2026-03-02 09:00 UTC
_LARGEST = 2048  # times 1 KiB
_NGINX = """server {
  listen 443 ssl;
  server_name events.example.org;
  ssl_certificate /etc/ssl/events.pem;
  location /media/ { root /srv/events; expires 30d; }
  location / { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $host; }
}
"""
_TOML = """[site]
name = "Events for everybody"
languages = ["en", "de", "fr"]
[registration]
open_days = 60
waiting_list = true
[mail]
from = "hello@example.org"
"""


def generate(folder: Path, seed: int) -> None:
    """Make ``shop.sqlite``, ``media/`` and ``config/`` in ``folder``, the same ones for the same seed.

    UsageError when the folder holds anything already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("The folder for the sample application is not empty", where=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(seed)
    shop.create(folder / DATABASE, random)
    make_media(folder / "media", random)
    make_configuration(folder / "config", random)


def make_media(media: Path, random: Random) -> None:
    """Posters that do not compress, drawings and texts that do, in nested folders, a symbolic and a hard link."""
    for number in range(shop.FILES):
        size = int(1024 * _LARGEST ** (random.random() ** 1.7))
        month = f"{number % 11:02d}"
        if number % 3:
            write(media / "events" / month / f"poster-{number:04d}.jpg", picture(random, size), number)
        elif number % 2:
            write(media / "plans" / f"floor {number}.svg", drawing(random, size), number)
        else:
            write(media / "texts" / "programme" / month / f"leaflet-{number}.txt", leaflet(random, size), number)
    posters = sorted((media / "events").rglob("*.jpg"))
    (media / "today.jpg").symlink_to(posters[0].relative_to(media))
    os.utime(media / "today.jpg", ns=_times(shop.FILES), follow_symlinks=False)
    os.link(posters[1], media / "front-page.jpg")
    set_folder_times(media)


def make_configuration(config: Path, random: Random) -> None:
    """Settings, a secret that is none, a web server's file."""
    secret = f"SECRET_KEY=demo-{random.getrandbits(128):032x}\nSMTP_PASSWORD=not-a-real-password\n"
    write(config / "app.toml", _TOML.encode(), 1)
    write(config / ".env", secret.encode(), 2, mode=0o600)
    write(config / "nginx" / "events.conf", _NGINX.encode(), 3)
    set_folder_times(config)


def write(path: Path, data: bytes, day: int, mode: int = 0o644) -> None:
    """A file of the application, changed on a day of its own calendar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, ns=_times(day))


def picture(random: Random, size: int) -> bytes:
    """Bytes that look like a photograph to a compressor."""
    return b"\xff\xd8\xff\xe0" + random.randbytes(size)


def drawing(random: Random, size: int) -> bytes:
    """A floor plan of many lines."""
    parts, length = ['<svg xmlns="http://www.w3.org/2000/svg">\n'], 0
    while length < size:
        x, y = random.randrange(1000), random.randrange(1000)
        parts.append(f'<path d="M {x} {y} h {y % 90} v {x % 70} z" fill="#{x * y % 4096:03x}"/>\n')
        length += len(parts[-1])
    return "".join([*parts, "</svg>\n"]).encode()


def leaflet(random: Random, size: int) -> bytes:
    """Text about events."""
    parts, length = [], 0
    while length < size:
        parts.append(f"{wording.title(random)}\n{wording.description(random)}\n\n")
        length += len(parts[-1])
    return "".join(parts).encode()


def set_folder_times(folder: Path) -> None:
    """Give every folder below a time that does not depend on when it was made."""
    for each in sorted((path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        os.utime(each, ns=_times(0))
    os.utime(folder, ns=_times(0))


def _times(day: int) -> tuple[int, int]:
    moment = (_EPOCH + day * _DAY) * 1_000_000_000 + 123_456_789
    return moment, moment
