# Grow the partition of the logs, the last one, to the end of the card; once, as the image is smaller than any card.
set -eu
free_sectors=8192
part=$(findmnt -no SOURCE /var/lib/stagelog)
in_sysfs=/sys/class/block/${part##*/}
number=$(cat "$in_sysfs/partition")
disk=/dev/$(basename "$(readlink -f "$in_sysfs/..")")
end=$(($(cat "$in_sysfs/start") + $(cat "$in_sysfs/size")))
[ $(($(cat "/sys/class/block/${disk##*/}/size") - end)) -gt $free_sectors ] || exit 0
# udev waits for the lock. While the table on the card and the kernel's differ it would not know the partition, and systemd
# would unmount it.
{
    flock 9
    echo ", +" | sfdisk --quiet --force --no-reread -N "$number" "$disk"
    partx --update --nr "$number" "$disk"
} 9<"$disk"
resize2fs "$part"
