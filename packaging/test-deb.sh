#!/usr/bin/env bash
# Installs a package in a namespace of its own over this system, starts, reloads and stops the service as systemd would,
# and removes it again. Needs root; nothing outside the namespace changes.
#   packaging/test-deb.sh PACKAGE.deb
set -euo pipefail
package=$(realpath "$1")
if [ "${2:-}" != inside ]; then
    exec unshare --mount --pid --fork --mount-proc "$0" "$package" inside
fi
layer=$(mktemp -d)
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/changes" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/changes,workdir=$layer/work" "$layer/root"
mount --bind /proc "$layer/root/proc"
mount --bind /dev "$layer/root/dev"
mount -t tmpfs tmpfs "$layer/root/tmp"
cp "$package" "$layer/root/tmp/hcqd.deb"
cat > "$layer/root/tmp/steps.sh" <<'STEPS'
set -euo pipefail
say() { echo "package: $*"; }
dpkg -i /tmp/hcqd.deb > /tmp/dpkg.log || { cat /tmp/dpkg.log; exit 1; }
say "installed: $(hcqd --version)"
hcqd check /etc/hcqd/hcqd.yaml
hcqd check /usr/share/doc/hcqd/examples/hcqd.yaml 2> /tmp/check.log
complaints=$(systemd-analyze verify /lib/systemd/system/hcqd.service 2>&1)
[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
score=$(systemd-analyze security --offline=true hcqd.service 2>/dev/null | sed -n 's/.*exposure level for hcqd.service: \([0-9.]*\).*/\1/p')
say "systemd-analyze security: $score"
awk -v score="$score" 'BEGIN { exit !(score != "" && score < 2.0) }'
for file in /usr/share/man/man1/hcqd.1.gz /usr/share/bash-completion/completions/hcqd; do [ -s "$file" ]; done

# As the unit starts it: /var/lib/hcqd exists, a socket listens for READY=1.
mkdir -p /var/lib/hcqd
python3 - <<'PYTHON'
import os, signal, socket, subprocess, sys, time
path = "/tmp/notify"
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(path)
listener.settimeout(60)
daemon = subprocess.Popen(["/usr/bin/hcqd", "run", "--config", "/etc/hcqd/hcqd.yaml"], env={**os.environ, "NOTIFY_SOCKET": path})
def hear(word):
    while True:
        message = listener.recv(4096).decode()
        if word in message:
            return
hear("READY=1")
daemon.send_signal(signal.SIGHUP)
hear("RELOADING=1")
hear("READY=1")
began = time.monotonic()
daemon.terminate()
status = daemon.wait(20)
print(f"package: started, reloaded, stopped with status {status} after {time.monotonic() - began:.1f} s")
sys.exit(status)
PYTHON
dpkg -r hcqd > /tmp/dpkg.log || { cat /tmp/dpkg.log; exit 1; }
[ ! -e /usr/bin/hcqd ] && [ -e /etc/hcqd/hcqd.yaml ]
dpkg -P hcqd > /tmp/dpkg.log
[ ! -e /etc/hcqd/hcqd.yaml ]
say "removed, configuration kept until purged"
STEPS
chroot "$layer/root" bash /tmp/steps.sh
