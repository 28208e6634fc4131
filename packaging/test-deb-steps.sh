# What test-deb.sh does inside the clean Debian.
set -euo pipefail
say() { echo "package: $*"; }
quietly() { "$@" > /tmp/log 2>&1 || { cat /tmp/log; exit 1; }; }
install() { quietly apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$1"; }
fail() { echo "package: FAILED: $*"; exit 1; }
unit=/lib/systemd/system/hcqd.service
export DEBIAN_FRONTEND=noninteractive

# The next version, as an upgrade would bring it.
dpkg-deb -R /tmp/hcqd.deb /tmp/next
sed -i 's/^Version: .*/&+1/' /tmp/next/DEBIAN/control
echo "# A remark of the next version." >> /tmp/next/etc/hcqd/hcqd.yaml
quietly dpkg-deb --root-owner-group -b /tmp/next /tmp/next.deb

quietly apt-get update
install /tmp/hcqd.deb
say "installed: $(hcqd --version), $(dpkg-query -W -f '${Installed-Size}' hcqd) KiB; it needs $(dpkg-query -W -f '${Depends}' hcqd)"
[ "$(stat -c %U:%G:%a /var/lib/hcqd)" = hcqd:hcqd:750 ] || fail "/var/lib/hcqd: $(stat -c %U:%G:%a /var/lib/hcqd)"
if ldd /usr/bin/hcqd | grep -E 'swift|not found'; then fail "libraries"; fi
[ -L /etc/systemd/system/multi-user.target.wants/hcqd.service ] || fail "the service is not enabled"
hcqd check /etc/hcqd/hcqd.yaml
hcqd check /usr/share/doc/hcqd/examples/hcqd.yaml 2> /tmp/check.log
for file in /usr/share/man/man1/hcqd.1.gz /usr/share/bash-completion/completions/hcqd \
    /usr/share/zsh/vendor-completions/_hcqd /usr/share/fish/vendor_completions.d/hcqd.fish /usr/share/hcqd/*.safetensors; do
    [ -s "$file" ] || fail "$file"
done
bash -n /usr/share/bash-completion/completions/hcqd

complaints=$(systemd-analyze verify "$unit" 2>&1 || true)
[ -z "$complaints" ] || fail "systemd-analyze verify: $complaints"
score=$(systemd-analyze security --offline=true hcqd.service 2>/dev/null | sed -n 's/.*exposure level for hcqd.service: \([0-9.]*\).*/\1/p')
say "systemd-analyze verify is silent, security says $score"
awk -v score="$score" 'BEGIN { exit !(score != "" && score < 2.0) }' || fail "security score"

service() { python3 /tmp/test-deb-service.py "$unit" "$@"; }
service 0
printf 'cameras: {door: {url: /tmp/clip.mp4}}\n# mine\n' > /etc/hcqd/hcqd.yaml
service 1
[ "$(stat -c %U:%G:%a /var/lib/hcqd/events/door.jsonl)" = hcqd:hcqd:640 ] || fail "the log's owner or mode"
lines=$(wc -l < /var/lib/hcqd/events/door.jsonl)
[ "$lines" -ge 1 ] || fail "no events"
echo 'cameras: {door: {ulr: x}}' > /tmp/wrong.yaml
status=0; hcqd run --config /tmp/wrong.yaml 2> /tmp/log || status=$?
[ $status = 78 ] || fail "a wrong configuration ends with $status"

quietly systemctl disable hcqd.service
install /tmp/next.deb
[[ "$(dpkg-query -W -f '${Version}' hcqd)" = *+1 ]] || fail "not upgraded"
grep -q '# mine' /etc/hcqd/hcqd.yaml || fail "the upgrade took the configuration away"
[ ! -e /etc/systemd/system/multi-user.target.wants/hcqd.service ] || fail "the upgrade enabled a disabled service"
service 1
[ "$(wc -l < /var/lib/hcqd/events/door.jsonl)" -gt "$lines" ] || fail "the log did not go on"
numbers=$(sed 's/.*"seq":\([0-9]*\).*/\1/' /var/lib/hcqd/events/door.jsonl)
[ "$numbers" = "$(seq "$(wc -l < /var/lib/hcqd/events/door.jsonl)")" ] || fail "numbers of the event log: $numbers"
say "upgraded: configuration, event log and its numbers go on"

quietly apt-get remove -y hcqd
[ ! -e /usr/bin/hcqd ] && [ -e /etc/hcqd/hcqd.yaml ] && [ -e /var/lib/hcqd/events/door.jsonl ] || fail "after removal"
install /tmp/hcqd.deb
grep -q '# mine' /etc/hcqd/hcqd.yaml || fail "installing again took the configuration away"
quietly apt-get purge -y hcqd
[ ! -e /etc/hcqd ] || fail "/etc/hcqd is left"
[ -e /var/lib/hcqd/events/door.jsonl ] || fail "purging took the event logs"
[ -z "$(find / -xdev -path /proc -prune -o -path /tmp -prune -o -name '*hcqd*' ! -path '/var/lib/hcqd*' ! -path '/var/log/*' ! -path '/var/cache/*' -print)" ] \
    || fail "left: $(find / -xdev -path /tmp -prune -o -name '*hcqd*' -print)"
say "removed, installed again, purged; the event logs are left"
