# Task of the boots whose power is cut: reports what the kernel has received.
exec python3 -I -S /mnt/pulse.py /dev/stagelog-can /dev/virtio-ports/pulse
