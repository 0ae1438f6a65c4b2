"""The virtual car: QEMU without KVM, a disk of its own, and CAN adapters on its USB that speak numbered frames.

The far end of each adapter is a socket of QEMU's; connecting to it is plugging the adapter in, closing it is pulling
it out: the guest sees an FTDI chip come and go.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.power_cuts.images import Guest
from tests.power_cuts.pulse import connected

FRAME_ID = 0x123
_MEMORY_MB = 512


class Adapter:
    """An SLCAN adapter on the guest's USB: silent until its bus is opened, then a numbered frame every 1 / rate s.

    The numbers go on over all plugs and boots.
    """

    def __init__(self, path: Path, rate: int, can_id: int = FRAME_ID) -> None:
        self._path, self._rate, self._can_id = path, rate, can_id
        self.sent_at: list[float] = []
        """When each frame was put on the wire, by this machine's monotonic clock."""
        self.ends: list[int] = []
        """Up to each frame's end, how many bytes it was that the guest was sent since it was plugged in last."""
        self._said = 0
        self.opened_at: float | None = None
        """When the recorder opened the bus, since it was plugged in last."""
        self.first = 0
        """The first number since it was plugged in last."""
        self._unplugged = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Appear on the USB; the machine may be on already, or be switched on later."""
        connection = connected(self._path)
        self.opened_at, self.first, self._said = None, len(self.sent_at), 0
        self._unplugged.clear()
        self._thread = threading.Thread(target=self._speak, args=(connection,))
        self._thread.start()

    def unplug(self) -> None:
        """Disappear from the USB."""
        self._unplugged.set()
        if self._thread is not None:
            self._thread.join()

    def _speak(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.005)
            while not self._unplugged.is_set():
                with contextlib.suppress(TimeoutError):
                    asked = connection.recv(4096)
                    if not asked:
                        return
                    connection.sendall(b"\r" * asked.count(b"\r"))
                    self._said += asked.count(b"\r")
                    if self.opened_at is None and (b"O\r" in asked or b"L\r" in asked):
                        self.opened_at = time.monotonic()
                if self.opened_at is None:
                    continue
                due = self.first + int((time.monotonic() - self.opened_at) * self._rate)
                for number in range(len(self.sent_at), due):
                    frame = b"t%03X8%016X\r" % (self._can_id, number)
                    self._said += len(frame)
                    self.sent_at.append(time.monotonic())
                    self.ends.append(self._said)
                    connection.sendall(frame)


class Machine:
    """A running guest."""

    def __init__(self, process: subprocess.Popen[bytes], console: Path) -> None:
        self._process, self.console = process, console

    def await_said(self, text: str, within_s: float) -> None:
        """Wait for a line on the console. RuntimeError with the console's end when it does not come."""
        patience = time.monotonic() + within_s
        while text not in self.said():
            if self._process.poll() is not None or time.monotonic() > patience:
                raise RuntimeError(f"the guest did not say '{text}':\n{self.said()[-2000:]}")
            time.sleep(0.1)

    def said(self) -> str:
        """The console so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def is_running(self) -> bool:
        """Whether it still has power, and the recorder in it goes on."""
        return self._process.poll() is None

    def cut_power(self) -> float:
        """SIGKILL: what the guest had in its memory is gone. Returns when, by the monotonic clock."""
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
) -> Iterator[Machine]:
    """A guest, booting. Every write to `logs` is also written down in `journal`. It has no power at the end.

    With `pulse` it says there what it receives (pulse.py), of the one adapter that stays plugged in. `more` are
    further words for QEMU.
    """
    journal.unlink(missing_ok=True)
    journal.touch()
    console = journal.with_name("console")
    console.unlink(missing_ok=True)
    command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-smp", "1"]
    command += ["-m", str(_MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{console}", "-kernel", str(guest.kernel), "-initrd", str(guest.initrd)]
    words = "root=/dev/vda ro rootfstype=ext4 console=ttyS0 quiet panic=-1 init=/sbin/init"
    if pulse is not None:
        pulse.unlink(missing_ok=True)
        command += ["-serial", f"unix:{pulse},server=on,wait=off"]
        words += " pulse"
    command += ["-append", words]
    for name, image in (("root", guest.root), ("program", program)):
        command += ["-blockdev", f"driver=file,node-name={name},read-only=on,filename={image}"]
        command += ["-device", f"virtio-blk-pci,drive={name}"]
    journalled = f"file.driver=file,file.filename={logs},log.driver=file,log.filename={journal}"
    command += ["-blockdev", f"driver=blklogwrites,node-name=logs,{journalled}"]
    command += ["-device", "virtio-blk-pci,drive=logs", "-device", "qemu-xhci,id=usb"]
    for name, path in adapters.items():
        path.unlink(missing_ok=True)
        command += ["-chardev", f"socket,id={name},path={path},server=on,wait=off"]
        command += ["-device", f"usb-serial,bus=usb.0,id=usb-{name},chardev={name}"]
    process = subprocess.Popen([*command, *more], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    machine = Machine(process, console)
    try:
        yield machine
    finally:
        process.kill()
        _, said = process.communicate()
        if said.strip():
            print(said.decode().strip())
