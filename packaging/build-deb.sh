#!/usr/bin/env bash
# Makes hcqd_VERSION_ARCH.deb of a binary that SwiftPM built at SCRATCH/release/hcqd. Needs binutils, chrpath and dpkg-dev.
#   packaging/build-deb.sh SCRATCH OUTPUT-DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "$1/release/hcqd")
checkouts=$(realpath "$1/checkouts")
output=$(mkdir -p "$2" && realpath "$2")
version=$("$binary" --version | sed 's/^hcqd //')
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
root=$work/debian/hcqd
umask 022

install -D -m 755 "$binary" "$root/usr/bin/hcqd"
chrpath --delete "$root/usr/bin/hcqd" > /dev/null
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/hcqd"
install -D -m 644 systemd/hcqd.service "$root/lib/systemd/system/hcqd.service"
install -D -m 644 packaging/hcqd.yaml "$root/etc/hcqd/hcqd.yaml"
install -D -m 644 Config/hcqd.yaml "$root/usr/share/doc/hcqd/examples/hcqd.yaml"
install -D -m 644 Config/event.schema.json "$root/usr/share/hcqd/event.schema.json"
install -D -m 644 README.md "$root/usr/share/doc/hcqd/README.md"
install -D -m 644 -t "$root/usr/share/doc/hcqd" Docs/*.md
install -D -m 644 packaging/debian/copyright "$root/usr/share/doc/hcqd/copyright"
# Licences of what is linked in.
for licence in "$checkouts"/*/LICENSE*; do
    install -D -m 644 "$licence" "$root/usr/share/doc/hcqd/licences/$(basename "$(dirname "$licence")")"
done
install -D -m 644 packaging/debian/lintian-overrides "$root/usr/share/lintian/overrides/hcqd"
install -D -m 644 -t "$root/usr/share/hcqd" Models/*.safetensors
install -D -m 644 -t "$root/usr/share/doc/hcqd" Models/*.md

# Beside the binary nothing depends on the day of the build.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
compressed() { gzip -9n > "$root/$1"; }
mkdir -p "$root/usr/share/man/man1"
compressed usr/share/man/man1/hcqd.1.gz < packaging/hcqd.1
printf 'hcqd (%s) stable; urgency=medium\n\n  * hcqd %s.\n\n -- %s  %s\n' "$version" "$version" \
    "$(sed -n 's/^Maintainer: //p;T;q' packaging/debian/control)" "$(date -uRd "@$SOURCE_DATE_EPOCH")" \
    | compressed usr/share/doc/hcqd/changelog.gz

completion() { # shell path
    mkdir -p "$root/$(dirname "$2")"
    "$binary" --generate-completion-script "$1" | sed '1{/^#!/d}' > "$root/$2"
}
completion bash usr/share/bash-completion/completions/hcqd
completion zsh usr/share/zsh/vendor-completions/_hcqd
completion fish usr/share/fish/vendor_completions.d/hcqd.fish

# The packages that the binary's libraries belong to. libavdevice is loaded at run time.
cp packaging/debian/control "$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps --warnings=0 -O "$root/usr/bin/hcqd" | sed -n 's/^shlibs:Depends=//p')
mkdir "$root/DEBIAN"
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@LIBRARIES@/$libraries/" \
    -e "s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" -e '/^Source:/,/^$/d' "$work/debian/control" > "$root/DEBIAN/control"
echo /etc/hcqd/hcqd.yaml > "$root/DEBIAN/conffiles"
install -m 755 -t "$root/DEBIAN" packaging/debian/{postinst,prerm,postrm}
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
find "$root" -depth -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$output/hcqd_${version}_${architecture}.deb"
