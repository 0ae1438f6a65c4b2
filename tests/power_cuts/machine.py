"""QEMU virtual machine without KVM, with a disk and simulated CAN adapters on USB.

The far end of each adapter is a socket of QEMU. Connecting to it plugs the adapter in and closing it pulls it out: the
guest sees an FTDI chip appear and disappear.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tests.power_cuts.images import Guest
from tests.power_cuts.pulse import connected

FRAME_ID = 0x123
_MEMORY_MB = 512
_NICENESS = -10


def take_priority() -> None:
    """Give guests priority over other work of the host, because nothing else runs on a car's computer. Needs root."""
    os.nice(_NICENESS)


class Plug(Protocol):
    """A device on the guest's USB."""

    def plug(self) -> None:
        """Appear; the machine may start before or after."""

    def unplug(self) -> None:
        """Disappear."""


class Adapter:
    """An SLCAN adapter on the guest's USB: after its bus is opened it sends a numbered frame every 1 / rate s.

    The numbers continue across plugs and boots.
    """

    def __init__(self, path: Path, rate: int, can_id: int = FRAME_ID) -> None:
        self._path, self._rate, self._can_id = path, rate, can_id
        self.sent_at: list[float] = []
        """Time at which each frame was sent, by the host's monotonic clock."""
        self.ends: list[int] = []
        """For each frame, the number of bytes sent to its end since the adapter was plugged in."""
        self._sent_bytes = 0
        self.opened_at: float | None = None
        """Time at which the recorder opened the bus after the last plug."""
        self.first = 0
        """The first number after the last plug."""
        self._unplugged = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Appear on the USB; the machine may start before or after."""
        connection = connected(self._path)
        self.opened_at, self.first, self._sent_bytes = None, len(self.sent_at), 0
        self._unplugged.clear()
        self._thread = threading.Thread(target=self._run, args=(connection,))
        self._thread.start()

    def unplug(self) -> None:
        """Disappear from the USB."""
        self._unplugged.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.005)
            while not self._unplugged.is_set():
                with contextlib.suppress(TimeoutError):
                    received = connection.recv(4096)
                    if not received:
                        return
                    connection.sendall(b"\r" * received.count(b"\r"))
                    self._sent_bytes += received.count(b"\r")
                    if self.opened_at is None and (b"O\r" in received or b"L\r" in received):
                        self.opened_at = time.monotonic()
                if self.opened_at is None:
                    continue
                due = self.first + int((time.monotonic() - self.opened_at) * self._rate)
                for number in range(len(self.sent_at), due):
                    frame = b"t%03X8%016X\r" % (self._can_id, number)
                    self._sent_bytes += len(frame)
                    self.sent_at.append(time.monotonic())
                    self.ends.append(self._sent_bytes)
                    connection.sendall(frame)


class Machine:
    """A running guest."""

    def __init__(self, process: subprocess.Popen[bytes], console: Path) -> None:
        self._process, self.console = process, console

    def wait_for_text(self, text: str, within_s: float) -> None:
        """Wait for a text on the console. RuntimeError with the console's end if it does not appear."""
        deadline = time.monotonic() + within_s
        while text not in self.console_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the guest did not print '{text}':\n{self.console_text()[-2000:]}")
            time.sleep(0.1)

    def console_text(self) -> str:
        """The console so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def is_running(self) -> bool:
        """Whether the guest runs; it switches off when its recorder ends."""
        return self._process.poll() is None

    def wait_for_end(self, within_s: float) -> None:
        """Wait until it has switched itself off. RuntimeError with the console's end if it does not."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the guest did not switch off:\n{self.console_text()[-2000:]}") from None

    def cut_power(self) -> float:
        """End QEMU with SIGKILL, so that the guest's memory is lost. Returns the monotonic time.

        RuntimeError if QEMU has ended by itself: that was no power cut, and came at an unknown time.
        """
        if (code := self._process.poll()) is not None:
            raise RuntimeError(f"QEMU ended by itself with {code}:\n{self.console_text()[-2000:]}")
        at = time.monotonic()
        self._process.kill()
        self._process.wait()
        return at


@contextlib.contextmanager
def running(
    guest: Guest,
    program: Path,
    logs: Path,
    journal: Path,
    adapters: dict[str, Path],
    pulse: Path | None = None,
    more: Sequence[str] = (),
    *,
    is_root_writable: bool = False,
) -> Iterator[Machine]:
    """Boot a guest, and kill it at the end of the body. Every write to `logs` is also recorded in `journal`.

    With the socket `pulse` it reports what it receives from its one adapter (pulse.py). `more` are further arguments
    of QEMU.
    """
    board = guest.board
    journal.unlink(missing_ok=True)
    journal.touch()
    console = journal.with_name("console")
    console.unlink(missing_ok=True)
    command = [board.qemu, "-accel", "tcg", *board.machine]
    command += ["-m", str(_MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{console}", "-kernel", str(guest.kernel), "-initrd", str(guest.initrd)]
    kernel_arguments = (
        f"root=/dev/vda ro rootfstype=ext4 console={board.console} quiet panic=-1 init=/sbin/init"
        f" {board.kernel_arguments}"
    )
    if pulse is not None:
        pulse.unlink(missing_ok=True)
        command += ["-chardev", f"socket,id=pulse,path={pulse},server=on,wait=off", *board.pulse]
        kernel_arguments += " pulse"
    command += ["-append", kernel_arguments]
    for name, image, is_writable in (("root", guest.root, is_root_writable), ("program", program, False)):
        read_only = "off" if is_writable else "on"
        command += ["-blockdev", f"driver=file,node-name={name},read-only={read_only},filename={image}"]
        command += ["-device", f"virtio-blk-pci,drive={name}"]
    journalled = f"file.driver=file,file.filename={logs},log.driver=file,log.filename={journal}"
    command += ["-blockdev", f"driver=blklogwrites,node-name=logs,{journalled}"]
    command += ["-device", "virtio-blk-pci,drive=logs", "-device", "qemu-xhci,id=usb"]
    for name, path in adapters.items():
        path.unlink(missing_ok=True)
        command += ["-chardev", f"socket,id={name},path={path},server=on,wait=off"]
        command += ["-device", f"usb-serial,bus=usb.0,id=usb-{name},chardev={name},serial={name}"]
    process = subprocess.Popen([*command, *more], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    machine = Machine(process, console)
    try:
        yield machine
    finally:
        process.kill()
        _, output = process.communicate()
        if output.strip():
            print(output.decode().strip())
