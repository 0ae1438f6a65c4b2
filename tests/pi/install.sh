# Task of the first boot: installs the package with answers, as a mechanic does, and makes the root read-only.
set -eu
mount -o remount,rw /
by_id=/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL
until [ -e ${by_id}_gps-if00-port0 ] && [ -e ${by_id}_engine-if00-port0 ]; do sleep 1; done
debconf-set-selections <<END
stagelog stagelog/number string 501
stagelog stagelog/gps-port string ${by_id}_gps-if00-port0
stagelog stagelog/can-port string ${by_id}_engine-if00-port0
stagelog stagelog/protocol select slcan
stagelog stagelog/bitrate string 500000
stagelog stagelog/pin password 4711-secret-pin
END
DEBIAN_FRONTEND=noninteractive apt-get install -y /mnt/stagelog_*.deb
systemctl is-active stagelog-recorder stagelog-crew
stagelog install --with read-only-root
cp /mnt/stage.toml /etc/stagelog/stage.toml
printf '[stage]\nitinerary = "stage.toml"\n' >>/etc/stagelog/stagelog.toml
stagelog check /etc/stagelog/stagelog.toml
systemctl stop stagelog-recorder
stagelog verify /var/lib/stagelog/*.db
rm /var/lib/stagelog/*.db
mount -o remount,ro / || true
echo "task done: $(stagelog --version) with $(python3 --version), $(uname -rm)"
systemctl poweroff
