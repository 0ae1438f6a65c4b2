# First process of the virtual machine, run by the /sbin/init of images.py; /opt is the program's disk.
# A minimal boot: repair and mount the file system of the logs, start the recorder.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
modprobe -a xhci_pci ftdi_sio
e2fsck -p /dev/vdc
mount -o noatime /dev/vdc /var/lib/stagelog
cd /opt
export PYTHONPATH=/opt/checkout:/opt/site PYTHONDONTWRITEBYTECODE=1
grep -qw pulse /proc/cmdline && python3 -I -S /opt/pulse.py &
python3 -m logger run -c /opt/stagelog.toml
echo "the recorder ended with $?"
umount /var/lib/stagelog
echo o > /proc/sysrq-trigger
sleep 10
