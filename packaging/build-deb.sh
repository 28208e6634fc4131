#!/usr/bin/env bash
# Makes hcqd_VERSION_ARCH.deb of a built binary.
#   packaging/build-deb.sh BINARY OUTPUT-DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "$1")
output=$(mkdir -p "$2" && realpath "$2")
version=$("$binary" --version | sed 's/^hcqd //')
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

install -D -m 755 "$binary" "$root/usr/bin/hcqd"
strip --strip-unneeded "$root/usr/bin/hcqd"
install -D -m 644 systemd/hcqd.service "$root/lib/systemd/system/hcqd.service"
install -D -m 644 Config/hcqd.yaml "$root/usr/share/doc/hcqd/examples/hcqd.yaml"
install -D -m 644 Config/event.schema.json "$root/usr/share/hcqd/event.schema.json"
install -D -m 644 README.md "$root/usr/share/doc/hcqd/README.md"
install -D -m 644 LICENSE "$root/usr/share/doc/hcqd/copyright"
install -D -m 644 packaging/hcqd.1 "$root/usr/share/man/man1/hcqd.1"
gzip -9n "$root/usr/share/man/man1/hcqd.1"
for file in Models/*.safetensors; do
    [ -e "$file" ] && install -D -m 644 "$file" "$root/usr/share/hcqd/$(basename "$file")"
done
for card in Models/*.md; do
    [ -e "$card" ] && install -D -m 644 "$card" "$root/usr/share/doc/hcqd/$(basename "$card")"
done
completion() { # shell path
    mkdir -p "$root/$(dirname "$2")"
    "$binary" --generate-completion-script "$1" > "$root/$2"
}
completion bash usr/share/bash-completion/completions/hcqd
completion zsh usr/share/zsh/vendor-completions/_hcqd
completion fish usr/share/fish/vendor_completions.d/hcqd.fish

install -d -m 755 "$root/etc/hcqd"
cat > "$root/etc/hcqd/hcqd.yaml" <<'YAML'
# The configuration of hcqd. Every key, with its unit and default: /usr/share/doc/hcqd/examples/hcqd.yaml
#   hcqd check /etc/hcqd/hcqd.yaml     is it right?
#   systemctl reload hcqd              read it again
cameras: {}
#  front_door:
#    url: rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@192.0.2.10/stream1
YAML
chmod 644 "$root/etc/hcqd/hcqd.yaml"

# The packages that the libraries belong to which the binary names.
depends=$(objdump -p "$binary" | awk '/NEEDED/ { print $2 }' | while read -r library; do
    path=$(ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }')
    [ -n "$path" ] && { dpkg -S "$(realpath "$path")" "$path" 2>/dev/null | head -1 | cut -d: -f1 || true; }
done | sort -u | sed 's/^libopenblas0.*/libopenblas0/' | paste -sd, | sed 's/,/, /g')

mkdir "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: hcqd
Version: $version
Architecture: $architecture
Maintainer: hcqd developers <hcqd@localhost>
Section: video
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Depends: $depends
Recommends: curl
Description: knows what the people in a scene do
 Runs the pictures of RTSP cameras or of a clip through HCQNet, a network that
 gives box, silhouette and pose of every person in one pass, on an ordinary CPU.
 Follows people over time and writes event logs in JSON Lines.
CONTROL
echo /etc/hcqd/hcqd.yaml > "$root/DEBIAN/conffiles"
cat > "$root/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet hcqd.service
    systemctl restart hcqd.service || true
fi
SCRIPT
cat > "$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now hcqd.service || true
fi
SCRIPT
cat > "$root/DEBIAN/postrm" <<'SCRIPT'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
SCRIPT
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
dpkg-deb --root-owner-group --build "$root" "$output/hcqd_${version}_${architecture}.deb"
