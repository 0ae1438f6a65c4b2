# Grow the partition of the logs, the last one, to the end of the card; once, as the image is smaller than any card.
set -eu
free_sectors=8192
part=$(findmnt -no SOURCE /var/lib/stagelog)
in_sysfs=/sys/class/block/${part##*/}
number=$(cat "$in_sysfs/partition")
disk=$(basename "$(readlink -f "$in_sysfs/..")")
end=$(($(cat "$in_sysfs/start") + $(cat "$in_sysfs/size")))
[ $(($(cat "/sys/class/block/$disk/size") - end)) -gt $free_sectors ] || exit 0
echo ", +" | sfdisk --quiet --force --no-reread -N "$number" "/dev/$disk"
partx --update --nr "$number" "/dev/$disk"
resize2fs "$part"
