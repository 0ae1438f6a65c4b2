"""The files of the SD-card image: valid units, and a settings file whose every line is a key."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from logger.config.configuration import Serve
from logger.install import card
from logger.install.card import RESULT, SETTINGS
from logger.install.card_settings import Settings, setting_names
from logger.install.plan import LOGS as LOGS_DIRECTORY
from logger.install.plan import OPTIONS, RECORDER_USER
from logger.install.root import Root
from logger.tomlconfig.schema import TomlFile
from tests.pi.partitions import BOOT, LOGS, ROOT, content, fat, place
from tests.systemd.units import FOLDER, read, require, values

IMAGE = FOLDER / "image"
UNITS = ("stagelog-card.service", "stagelog-grow.service")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """The recipe as a module."""
    spec = importlib.util.spec_from_file_location("image_build", IMAGE / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    for program in ("bin/sh", "bin/mount", "bin/grep", "opt/stagelog/bin/python3"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    for unit in UNITS:
        (folder / unit).write_bytes((IMAGE / unit).read_bytes())
    command = [require("systemd-analyze"), "verify", f"--root={tmp_path}", "--man=no", *UNITS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if any(unit in line for unit in UNITS)]
    assert not [line for line in complaints if "not found" not in line], done.stderr


def test_the_recorder_does_not_depend_on_the_settings() -> None:
    keys = {line.key for line in read(IMAGE / "stagelog-card.service")}
    assert "Before" in keys
    assert not keys & {"RequiredBy", "BindsTo", "OnFailure"}


@pytest.mark.parametrize(
    ("text", "is_applied"),
    [
        ("", False),
        ("# number = 501\r\n\r\n  \t# pin\r\n", False),
        ((IMAGE / SETTINGS).read_text(), False),
        ("# the car\n  number = 501", True),
        ("\r\nnumber = 501\r\n", True),
        ("number: five", True),
        ("\ufeff# number = 501\r\n", False),
        ("# the car\rnumber = 501\r", True),
    ],
)
def test_a_file_of_comments_does_not_make_the_root_writable(
    tmp_path: Path, text: str, is_applied: bool
) -> None:
    file = tmp_path / SETTINGS
    file.write_text(text, newline="")
    assert is_looked_at(tmp_path) is is_applied


@pytest.mark.parametrize(
    "name",
    [
        "STAGELOG-SETTINGS.TXT",
        "stagelog-settings.txt.txt",
        "stagelog-settings (1).txt",
        "stagelog-settings",
        "stagelog-settings.rtf",
        "STAGEL~1.TXT",
    ],
)
def test_a_file_that_a_computer_renamed_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / SETTINGS).write_text("# as shipped\n")
    assert not is_looked_at(tmp_path)
    (tmp_path / name).write_text("number = 501\n")
    assert is_looked_at(tmp_path)


def test_what_cannot_be_read_as_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / SETTINGS).mkdir()
    assert is_looked_at(tmp_path)
    (tmp_path / SETTINGS).rmdir()
    (tmp_path / SETTINGS).write_bytes(bytes(4096))
    assert is_looked_at(tmp_path)


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in (
        f"._{SETTINGS}",
        RESULT,
        f".{SETTINGS}.swp",
        f"{SETTINGS}~",
        "stagelog-settings.BAK",
    ):
        (tmp_path / name).write_text("number = 501\n")
    assert not is_looked_at(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.txt", b"dtparam=audio=on\nnumber = 501\n"),
        ("car501.txt", b"number = 501\r\n"),
        ("our car (2).TXT", b"\xef\xbb\xbf  Pin: 2468\r"),
        ("settings.ini", "\ufeffcan_port = can0\r\n".encode("utf-16-le")),
        ("stagelog.toml", b"# our car\n[car]\nnumber = 501\n"),
        ("wifi.Conf", b"\xff\n\twifi_name=car 501\n"),
        ("settings.cfg", b"protocol = slcan"),
        ("stagelog settings.text", b"WIFI_PASSWORD = desert"),
    ],
)
def test_settings_under_another_name_are_reported_once(
    tmp_path: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "Root", lambda: Root(tmp_path / "machine"))
    (tmp_path / SETTINGS).write_text("# as shipped\n")
    (tmp_path / name).write_bytes(content)
    assert is_looked_at(tmp_path)
    assert card.main([str(tmp_path)]) == 0
    line = f"{name}: it has settings, but is not read; move them into {SETTINGS}\n"
    assert (tmp_path / RESULT).read_text() == line
    assert (tmp_path / name).read_bytes() == content
    assert not is_looked_at(tmp_path), "each start would make the root writable"
    (tmp_path / SETTINGS).write_text("number: 502\n")
    assert is_looked_at(tmp_path)
    assert card.main([str(tmp_path)]) == 1
    assert (tmp_path / RESULT).read_text().endswith(f"502\n{line}")


def test_texts_of_others_are_not_reported(tmp_path: Path) -> None:
    """Those of a Pi's boot partition, and notes without a setting."""
    for name, text in (
        ("config.txt", "[pi4]\narm_boost=1\ndtoverlay=gpio-shutdown,gpio_pin=17\n# pin = 7\nenable_uart=1\n"),
        ("cmdline.txt", "console=tty1 root=PARTUUID=0-02 pin=7"),
        ("notes.txt", "the pin is 2468\nnumbers = 7\nmy_pin = 7\n"),
        ("photo.jpg", "number = 501\n"),
        ("._car501.txt", "number = 501\n"),
        (RESULT, "number = 501\n"),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "folder.txt").mkdir()
    assert not is_looked_at(tmp_path)
    assert card.not_read(tmp_path) == []


def test_the_unit_knows_each_setting(tmp_path: Path) -> None:
    for name in setting_names():
        (tmp_path / "car.txt").write_text(f"{name} = 7\n")
        assert is_looked_at(tmp_path) and len(card.not_read(tmp_path)) == 1, name


def is_looked_at(folder: Path) -> bool:
    """Whether the unit's condition lets it apply what is in a folder."""
    (condition,) = values(IMAGE / "stagelog-card.service", "Service", "ExecCondition")
    shell, script, _ = shlex.split(condition)
    command = [shell, str(IMAGE / Path(script).name), str(folder)]
    code = subprocess.run(command, check=False).returncode
    assert code in (0, 1)
    return code == 0


def test_each_line_of_the_settings_file_is_a_key_with_a_valid_value() -> None:
    text = (IMAGE / SETTINGS).read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    settings = TomlFile("\n".join(lines), SETTINGS).build(Settings)
    assert {line.split(" = ")[0] for line in lines} == set(setting_names())
    assert settings.network == replace(settings, wifi_channel=None).network, "the usual channel"
    assert TomlFile(text, SETTINGS).build(Settings) == Settings(), "as shipped it sets nothing"


def test_the_page_in_the_texts_is_that_of_the_access_point() -> None:
    address = next(line.value for line in read(IMAGE / "wlan0.network") if line.key == "Address").split("/")[
        0
    ]
    assert f"http://{address}:{Serve().port}/" in (IMAGE / SETTINGS).read_text()


def test_the_recipe_names_files_and_options_that_exist(build: ModuleType) -> None:
    assert all((IMAGE / name).is_file() for name in (*build.FILES, *build.EARLY_FILES))
    assert set(build.OPTIONS) <= set(OPTIONS)
    partitions = {number: f"PARTUUID={build.DISK_ID}-0{number}" for number in (BOOT, ROOT, LOGS)}
    mounted = dict(line.split()[:2] for line in (IMAGE / "fstab").read_text().splitlines() if line[0] != "#")
    assert mounted[partitions[BOOT]] == f"/{build.FIRMWARE}"
    assert mounted[partitions[ROOT]] == "/"
    assert mounted[partitions[LOGS]] == LOGS_DIRECTORY
    assert f"ROOTPART={partitions[ROOT]}\n" in (IMAGE / "raspi-firmware").read_text()
    assert set(UNITS) <= set(build.ENABLED)


def test_the_logs_belong_to_the_recorder(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\n{RECORDER_USER}:x:998:997::/:/bin/false\n")
    assert build.owner_of(tmp_path) == "998:997"


def test_the_image_has_firmware_root_and_logs(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("mkfs.vfat", "mcopy", "mkfs.ext4", "sfdisk", "debugfs"):
        require(tool)
    for name in ("BOOT_MIB", "LOGS_MIB", "SPARE_MIB"):
        monkeypatch.setattr(build, name, 40)  # the smallest FAT32 has 33
    root, image = tmp_path / "root", tmp_path / "card.img"
    (root / "boot/firmware/overlays").mkdir(parents=True)
    (root / "boot/firmware/config.txt").write_text("kernel=vmlinuz\n")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(f"{RECORDER_USER}:x:998:997::/:/bin/false\n")
    build.pack(root, tmp_path, image)
    table = subprocess.run(["sfdisk", "--dump", str(image)], capture_output=True, text=True, check=True)
    assert f"label-id: 0x{build.DISK_ID}" in table.stdout
    assert place(image, LOGS)[0] + place(image, LOGS)[1] == image.stat().st_size
    assert image.stat().st_blocks * 512 < image.stat().st_size / 4, "not sparse"
    listing = subprocess.run(
        ["mdir", "-b", "-i", fat(image), "::"], capture_output=True, text=True, check=True
    )
    assert {"::/config.txt", "::/overlays/", f"::/{SETTINGS}"} <= set(listing.stdout.split())
    assert "config.txt" not in on_ext4(image, ROOT, "ls /boot/firmware", tmp_path)
    assert "passwd" in on_ext4(image, ROOT, "ls /etc", tmp_path)
    assert "User:   998   Group:   997" in on_ext4(image, LOGS, "stat /", tmp_path)


def on_ext4(image: Path, partition: int, command: str, folder: Path) -> str:
    """What debugfs answers about a partition of an image."""
    file = folder / f"{partition}.ext4"
    with file.open("wb") as stream:
        stream.writelines(content(image, partition))
    done = subprocess.run(["debugfs", "-R", command, str(file)], capture_output=True, text=True, check=True)
    return done.stdout
