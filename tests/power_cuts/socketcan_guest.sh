# First process of the SocketCAN run, instead of init.sh: virtual and emulated CAN interfaces appear, disappear and are
# set up wrongly while the recorder reads them. The host reads every line that begins with "=".
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
echo 8388608 > /proc/sys/net/core/rmem_max
modprobe -a vcan kvaser_pci
e2fsck -p /dev/vdc
mount -o noatime /dev/vdc /var/lib/stagelog
cd /opt
export PYTHONPATH=/opt/checkout:/opt/site PYTHONDONTWRITEBYTECODE=1
stagelog() { python3 -m logger "$@"; }
send() { python3 -I -S /opt/socketcan_sender.py "$@"; }
recorded() { for _ in $(seq 600); do grep -q "$1" /tmp/recorder && return; sleep 0.1; done; echo "= never: $1"; }
times_recorded() { for _ in $(seq 600); do [ "$(grep -c "$1" /tmp/recorder)" -ge "$2" ] && return; sleep 0.1; done; echo "= never $2 times: $1"; }

python3 -m logger run -c /opt/stagelog.toml > /tmp/recorder 2>&1 &
recorder=$!
recorded "vcan0: no such interface"
recorded "can0: is down"

echo "= interface appears late"
ip link add vcan0 type vcan && ip link set vcan0 mtu 72 up
recorded "body: vcan"
send vcan0 0 400 200 fd
echo "= down and up"
ip link set vcan0 down
recorded "vcan0: is down"
ip link set vcan0 up
times_recorded "body: vcan" 2
send vcan0 400 200 200
echo "= removed and added again"
ip link del vcan0
times_recorded "vcan0: no such interface" 2
ip link add vcan0 type vcan && ip link set vcan0 mtu 72 up
times_recorded "body: vcan" 3
send vcan0 600 200 200
echo "= the clock is set twice while frames arrive"
send vcan0 800 600 100 &
sender=$!
sleep 2
date -s 2026-01-15T12:00:00 > /dev/null
sleep 2
date -s 2026-01-15T11:59:59 > /dev/null
wait $sender
echo "= a saturated bus"
send vcan0 1400 12000 4000
echo "= a flood"
send vcan0 13400 6000 0

echo "= canup"
stagelog canup can0 -c /opt/stagelog.toml
ip link set can1 up type can bitrate 500000
recorded "engine: 500000 bit/s, listen-only"
send can1 0 400 100
stagelog canup can0 -c /opt/stagelog.toml
echo "= doctor, listen-only"
stagelog doctor -c /opt/stagelog.toml --seconds 3 | grep -E "can0|engine|body|vcan0"
echo "= another program sets the interface to acknowledge"
ip link set can0 down && ip link set can0 up type can bitrate 500000 listen-only off
recorded "acknowledges"
send can1 400 100 100
stagelog doctor -c /opt/stagelog.toml --seconds 3 | grep -E "can0|engine"
echo "= set to another bit rate"
ip link set can0 down && ip link set can0 up type can bitrate 250000 listen-only on
recorded "not 500000 bit/s"
stagelog doctor -c /opt/stagelog.toml --seconds 3 | grep -E "can0|engine"
echo "= set up correctly again"
stagelog canup can0 -c /opt/stagelog.toml
times_recorded "engine: 500000 bit/s, listen-only" 2
send can1 500 100 100

sleep 2
echo "= recorder cpu: $(cut -d' ' -f14,15 /proc/$recorder/stat) ticks"
kill -TERM $recorder
wait $recorder
echo "= the recorder ended with $?"
cat /tmp/recorder
echo "= the link itself"
ip link add vcan1 type vcan && ip link set vcan1 mtu 72 up
python3 /opt/socketcan_probe.py || echo "= never: the probe ended with exit code 0"
umount /var/lib/stagelog
echo "= done"
echo o > /proc/sysrq-trigger
sleep 10
