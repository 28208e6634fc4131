#!/usr/bin/env bash
# Installs a package on a clean Debian 12, runs the service as its unit says, upgrades, removes and purges it. Needs root,
# mmdebstrap and, the first time, the network. Nothing outside ROOT changes.
#   packaging/test-deb.sh PACKAGE.deb ROOT
# ROOT is made when it is not there, and kept for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
package=$(realpath "$1")
clean=$(realpath -m "$2")
if [ "${3:-}" != inside ]; then exec unshare --mount --pid --fork --kill-child "$0" "$package" "$clean" inside; fi
mount --make-rprivate /

if [ ! -e "$clean/.done" ]; then
    rm -rf "$clean"
    mkdir -p "$(dirname "$clean")"
    echo "package: making a clean Debian 12 in $clean"
    sources=/etc/apt/sources.list.d/debian.sources
    grep -qs bookworm "$sources" || sources=
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,systemd,python3-minimal bookworm "$clean" ${sources:+"$sources"}
    touch "$clean/.done"
fi

layer=$(mktemp -d)
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/changes" "$layer/work" "$layer/root"
root=$layer/root
mount -t overlay overlay -o "lowerdir=$clean,upperdir=$layer/changes,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp "$package" "$root/tmp/hcqd.deb"
cp packaging/test-deb-steps.sh packaging/test-deb-service.py "$root/tmp/"
ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=10:duration=2 -c:v libx264 -pix_fmt yuv420p "$root/tmp/clip.mp4"
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 bash /tmp/test-deb-steps.sh
