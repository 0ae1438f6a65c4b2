# Installs the package in a root, with answers, as a mechanic does, and makes the root read-only: `sh install.sh FOLDER`
set -eu
by_id=/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL
debconf-set-selections <<END
stagelog stagelog/number string 501
stagelog stagelog/gps-port string ${by_id}_gps-if00-port0
stagelog stagelog/can-port string ${by_id}_engine-if00-port0
stagelog stagelog/protocol select slcan
stagelog stagelog/bitrate string 500000
stagelog stagelog/pin password 4711-secret-pin
END
DEBIAN_FRONTEND=noninteractive dpkg --install "$1"/stagelog_*.deb
stagelog install --with read-only-root
cp "$1/stage.toml" /etc/stagelog/stage.toml
printf '[stage]\nitinerary = "stage.toml"\n' >>/etc/stagelog/stagelog.toml
stagelog check /etc/stagelog/stagelog.toml
