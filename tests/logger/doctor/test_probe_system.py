"""The doctor's view of the machine: a Raspberry Pi's files in a folder, and real logs."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from logger.doctor import judge_storage, probe_logs, probe_system
from logger.doctor.judge_machine import Power
from logger.doctor.judge_storage import Card, LogInventory
from logger.logfile.open_or_quarantine import quarantine
from logger.transfer import ledger
from logger.transfer.state import state_of
from tests.field_failures.small_disk import small_disk
from tests.logger.logfile.rows_made import frames, write_log


def lay_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def block(
    root: Path, folder: Path, device: dict[str, str], whole: str = "mmcblk0", partition: str = "mmcblk0p2"
) -> Path:
    """A sysfs with a card or another disk, one partition of which holds `folder`."""
    number = folder.stat().st_dev
    place = f"devices/platform/host/block/{whole}"
    lay_out(
        root,
        {f"{place}/{partition}/partition": "2\n"} | {f"{place}/device/{k}": v for k, v in device.items()},
    )
    links = root / "dev/block"
    links.mkdir(parents=True)
    (links / f"{os.major(number)}:{os.minor(number)}").symlink_to(root / place / partition)
    return root


@pytest.mark.parametrize(
    ("device", "card"),
    [
        (
            {"type": "MMC\n", "name": "AJTD4R\n", "date": "08/2023", "life_time": "0x02 0x01", "pre_eol_info": "0x01"},
            Card("mmcblk0", "MMC", "AJTD4R", "08/2023", (2, 1), 1),
        ),
        ({"type": "SD\n", "name": "SC64G\n", "date": "01/2024\n"}, Card("mmcblk0", "SD", "SC64G", "01/2024")),
        ({"model": "Samsung SSD \n", "life_time": ""}, Card("mmcblk0", "Samsung SSD")),
        ({"type": "MMC", "life_time": "0x00 0x00"}, Card("mmcblk0", "MMC")),  # unknown
    ],
)  # fmt: skip
def test_the_card_that_holds_the_logs_is_found(
    tmp_path: Path, device: dict[str, str], card: judge_storage.Card
) -> None:
    sysfs = block(tmp_path / "sys", tmp_path, device)
    found = probe_system.card(tmp_path, sysfs, tmp_path / "no-kmsg")
    assert found == card
    assert found.kernel_errors is None


def test_logs_without_a_card(tmp_path: Path) -> None:
    assert probe_system.card(tmp_path / "nowhere", tmp_path, tmp_path / "no-kmsg") == Card()


COMPLAINTS = (
    "mmc0: error -110 whilst initialising SD card",
    "mmc0: Timeout waiting for hardware interrupt.",
    "mmcblk0: error -110 sending stop command, original cmd response 0x900",
    "I/O error, dev mmcblk0, sector 123456 op 0x1:(WRITE) flags 0x800",
    "Buffer I/O error on dev mmcblk0p2, logical block 9, lost async page write",
    "EXT4-fs error (device mmcblk0p2): ext4_find_entry:1455: inode #2: reading directory lblock 0",
    "EXT4-fs (mmcblk0p2): Remounting filesystem read-only",
    "JBD2: I/O error when updating journal superblock for mmcblk0p2-8.",
)
HARMLESS = (
    "usb 1-1: new device",
    "brcmfmac mmc1:0001:1: Direct firmware load for brcm/brcmfmac43455-sdio.clm_blob failed with error -2",
    "brcmfmac mmc0:0001:1: Direct firmware load for brcm/brcmfmac43455-sdio.clm_blob failed with error -2",
    "mmc1: error -110 whilst initialising SDIO card",
    "EXT4-fs (mmcblk0p2): re-mounted. Opts: errors=remount-ro",
    "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode. Opts: errors=remount-ro. Quota mode: none.",
    "Kernel command line: root=/dev/mmcblk0p2 rootflags=errors=remount-ro rootwait",
    "Buffer I/O error on dev sda1, logical block 0, lost sync page write",
    "I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x800",
    "FAT-fs (sda1): error, fat_get_cluster: invalid cluster chain",
    "FAT-fs (sda1): FAT read failed (blocknr 32)",
    "I/O error, dev mmcblk10, sector 8",
)


def kernel_messages(path: Path, lines: Iterable[str]) -> Path:
    """A file that behaves like /dev/kmsg."""
    path.write_text("".join(f"3,{number},0,-;{line}\n" for number, line in enumerate(lines)))
    return path


def card_errors(folder: Path, lines: Iterable[str], sysfs: Path) -> list[str]:
    """The errors counted against the card, given line by line, as the kernel delivers them."""
    cards = (probe_system.card(folder, sysfs, kernel_messages(folder / "kmsg", [line])) for line in lines)
    return [found for card in cards for found in card.kernel_errors or ()]


def test_only_kernel_errors_about_the_card_count(tmp_path: Path) -> None:
    sysfs = block(tmp_path / "sys", tmp_path, {"type": "SD\n"})
    assert card_errors(tmp_path, COMPLAINTS + HARMLESS, sysfs) == list(COMPLAINTS)


def test_errors_about_a_stick_count_if_it_holds_the_logs(tmp_path: Path) -> None:
    sysfs = block(tmp_path / "sys", tmp_path, {"model": "DataTraveler\n"}, whole="sda", partition="sda1")
    assert card_errors(tmp_path, COMPLAINTS + HARMLESS, sysfs) == [
        line for line in HARMLESS if "dev sda" in line or "error, fat_get" in line
    ]


def test_errors_about_fixed_disks_count_if_the_device_is_unknown(tmp_path: Path) -> None:
    sysfs = tmp_path / "sys"
    known = [line for line in COMPLAINTS if "mmcblk0" in line]
    nvme = "I/O error, dev nvme0n1, sector 8 op 0x0:(READ)"
    assert card_errors(tmp_path, [*COMPLAINTS, *HARMLESS[:-1], nvme], sysfs) == [*known, nvme]


def test_the_messages_of_the_real_kernel_are_read_or_denied(tmp_path: Path) -> None:
    found = probe_system.card(tmp_path).kernel_errors
    assert found is None or isinstance(found, tuple)


@pytest.mark.parametrize(
    ("files", "power"),
    [
        ({}, Power()),
        ({"devices/platform/soc/soc:firmware/get_throttled": "50005\n"}, Power(throttled=0x50005)),
        ({"devices/platform/soc/soc:firmware/get_throttled": "?"}, Power()),
        (
            {"class/hwmon/hwmon1/name": "rpi_volt\n", "class/hwmon/hwmon1/in0_lcrit_alarm": "1\n"},
            Power(is_low=True),
        ),
        (
            {"class/hwmon/hwmon0/name": "rpi_volt\n", "class/hwmon/hwmon0/in0_lcrit_alarm": "0\n"},
            Power(is_low=False),
        ),
        ({"class/hwmon/hwmon0/name": "cpu_thermal\n", "class/hwmon/hwmon0/in0_lcrit_alarm": "1\n"}, Power()),
    ],
)
def test_the_power_supply_is_read(tmp_path: Path, files: dict[str, str], power: Power) -> None:
    assert probe_system.power(lay_out(tmp_path, files)) == power


def test_the_real_time_clock_is_read(tmp_path: Path) -> None:
    assert not probe_system.has_rtc(tmp_path)
    (tmp_path / "class/rtc/rtc0").mkdir(parents=True)
    assert probe_system.has_rtc(tmp_path)


def test_a_small_ram_disk_is_recognised(tmp_path: Path) -> None:
    with small_disk(tmp_path / "logs", 8) as folder:
        found = probe_system.disk(folder)
    assert (found.kind, found.size_mb, found.is_root, found.is_read_only) == ("tmpfs", 8, False, False)
    assert found.free_mb <= 8
    assert not probe_system.disk(tmp_path / "nowhere").exists


@pytest.mark.parametrize(
    ("mode", "uid", "can_write"),
    [(0o755, 65534, True), (0o555, 65534, False), (0o755, 0, False), (0o757, 0, True)],
)
def test_write_permission_of_the_recorders_user_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, uid: int, can_write: bool
) -> None:
    if os.getuid():
        pytest.skip("only root may give a folder away")
    monkeypatch.setattr(probe_system, "RECORDER_USER", pwd.getpwuid(65534).pw_name)
    folder = tmp_path / "logs"
    folder.mkdir()
    os.chown(folder, uid, 0)
    folder.chmod(mode)
    assert probe_system.disk(folder).can_write is can_write


def make_log(folder: Path, name: str, rows: int = 500) -> Path:
    return write_log(folder / f"{name}.db", frames(rows))


def test_existing_logs_are_counted(tmp_path: Path) -> None:
    assert probe_logs.probe(tmp_path / "nowhere", [], []) == LogInventory()
    assert probe_logs.probe(tmp_path, [], []).logs == 0
    fetched, newest = make_log(tmp_path, "a-001"), make_log(tmp_path, "a-002")
    state = state_of(fetched)
    ledger.add(tmp_path, ledger.Delivered(fetched.name, state.session, state.t_us, 1, "0" * 64, "1970"))
    quarantine(make_log(tmp_path, "a-003"))
    found = probe_logs.probe(tmp_path, [tmp_path], [])
    assert found == LogInventory(
        2, "a-002.db", (), cut_short=1, quarantined=("a-003.db.damaged-1",), not_fetched_mb=0
    ), "its one session has no end event"
    assert probe_logs.probe(tmp_path, [], [newest]).cut_short == 0, "it is being recorded"


def test_a_damaged_log_is_found(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001", rows=5000)
    with path.open("r+b") as file:
        file.seek(20 * 1024)
        file.write(os.urandom(8192))
    found = probe_logs.probe(tmp_path, [], [])
    assert found.problems, "quick_check finds damage"


def test_a_log_too_large_to_check_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_log(tmp_path, "a-001", rows=20_000)
    monkeypatch.setattr(probe_logs, "CHECK_S", -1.0)
    monkeypatch.setattr(probe_logs, "_STEP", 1)
    assert probe_logs.probe(tmp_path, [], []).problems is None


def test_a_large_wal_is_found(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("INSERT INTO rejected VALUES (1, 1, 'x', 'y', zeroblob(300000))")
    connection.commit()
    name, size = probe_logs.probe(tmp_path, [], []).longest_wal
    connection.close()
    assert name == "a-001.db"
    assert size > 300_000
