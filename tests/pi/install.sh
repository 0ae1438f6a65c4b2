# Task of the first boot: installs the package with answers, as a mechanic does, and makes the root read-only.
set -eu
trap 'systemctl poweroff' EXIT
mount -o remount,rw /
mkdir -p /var/lib/stagelog
mount /var/lib/stagelog
by_id=/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL
debconf-set-selections <<END
stagelog stagelog/number string 501
stagelog stagelog/gps-port string ${by_id}_gps-if00-port0
stagelog stagelog/can-port string ${by_id}_engine-if00-port0
stagelog stagelog/protocol select slcan
stagelog stagelog/bitrate string 500000
stagelog stagelog/pin password 4711-secret-pin
END
DEBIAN_FRONTEND=noninteractive dpkg --install /mnt/stagelog_*.deb
stagelog install --with read-only-root
cp /mnt/stage.toml /etc/stagelog/stage.toml
printf '[stage]\nitinerary = "stage.toml"\n' >>/etc/stagelog/stagelog.toml
stagelog check /etc/stagelog/stagelog.toml
# The log of this boot has no stage; the cuts begin with an empty disk.
systemctl stop stagelog-recorder
rm /var/lib/stagelog/*.db
echo "task done: installed"
