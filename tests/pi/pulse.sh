# Task of the boots whose power is cut: reports what the kernel has received.
exec python3 -I -S /mnt/pulse.py /dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_engine-if00-port0 /dev/virtio-ports/pulse
