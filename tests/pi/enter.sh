# Run a program of another processor in its root: `unshare --mount sh enter.sh ROOT PATH... -- COMMAND...`
# The devices and each PATH are at the same place inside and outside. The mounts end with the command, because they are
# in a name space of their own. The kernel starts QEMU for each program: on a booted Debian it knows how, elsewhere it
# learns from the same file, and forgets with the mount.
set -eu
root=$1
shift
show() {
    if [ -d "$1" ]; then
        mkdir -p "$root$1"
        mount --rbind "$1" "$root$1"
    else
        mkdir -p "$root$(dirname "$1")"
        [ -e "$root$1" ] || : >"$root$1"
        mount --bind "$1" "$root$1"
    fi
    case $1 in
    /etc/*) mount -o remount,bind,ro "$root$1" ;; # a package's script in the root would change this machine
    esac
}
formats=/proc/sys/fs/binfmt_misc
[ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
for format in qemu-aarch64 qemu-arm; do
    [ -e $formats/$format ] || cat /usr/lib/binfmt.d/$format.conf >$formats/register
done
for path in /dev /proc /sys; do
    show $path
done
while [ "$1" != -- ]; do
    show "$1"
    shift
done
shift
exec chroot "$root" "$@"
