# Boots Debian's own systemd in namespaces of its own, over a copy-on-write view of this machine: nothing outside
# changes. Called by machine.py as: unshare ... sh boot.sh SCRATCH PYTHON SITE_PACKAGES CHECKOUT
set -eu
scratch=$1 python=$2 site=$3 checkout=$4
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
root=$scratch/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"

# The kernel's settings and devices are the host's: read-only, or not there.
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# The program, where services that see no home folder can see it.
for pair in "python:$python" "site:$site" "checkout:$checkout"; do
    mkdir -p "$root/opt/stagelog/${pair%%:*}"
    mount --bind -o ro "${pair#*:}" "$root/opt/stagelog/${pair%%:*}"
done
mkdir "$root/opt/stagelog/bin"
cat > "$root/opt/stagelog/bin/python3" <<'PROGRAM'
#!/bin/sh
here=/opt/stagelog
export PYTHONHOME=$here/python LD_LIBRARY_PATH=$here/python/lib PYTHONPATH=$here/checkout:$here/site
export PYTHONDONTWRITEBYTECODE=1
exec $here/python/bin/python3 "$@"
PROGRAM
cat > "$root/opt/stagelog/bin/stagelog" <<'PROGRAM'
#!/bin/sh
exec /opt/stagelog/bin/python3 -m logger "$@"
PROGRAM
chmod 755 "$root/opt/stagelog/bin/python3" "$root/opt/stagelog/bin/stagelog"

# A small machine: none of the host's own services, no logs of somebody's trials, and nothing that would set the
# host's network or clock.
rm -rf "$root/etc/systemd/system" "$root/etc/stagelog" "$root/var/lib/stagelog"*
mkdir -p "$root/etc/systemd/system"
for unit in systemd-networkd systemd-resolved systemd-timesyncd systemd-udevd systemd-sysctl systemd-logind console-getty; do
    ln -s /dev/null "$root/etc/systemd/system/$unit.service"
done
for unit in getty.target apt-daily.timer apt-daily-upgrade.timer; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
done
: > "$root/etc/fstab"

mkdir -p "$root/mnt/old"
cd "$root"
pivot_root . mnt/old
umount -l /mnt/old
exec env -i container=stagelog-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set -sys_time,-sys_module,-sys_boot,-sys_rawio,-syslog \
    /lib/systemd/systemd --system --unit=multi-user.target --show-status=no
