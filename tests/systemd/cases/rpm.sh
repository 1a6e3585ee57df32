# The .rpm with its scriptlets: user and presets at the installation, nothing running after the removal.

put /root/mcp-proxy.rpm 644 <"$rpm_package"
rpm_inside() { inside rpm --dbpath /var/lib/rpm "$@"; }
rpm_inside --install --nodeps /root/mcp-proxy.rpm
expect_state disabled mcp-proxy.socket
expect "/var/lib/mcp-proxy" inside getent passwd mcp-proxy
rpm_inside --verify --nodeps mcp-proxy || fail "files differ from what the package says"
expect "/etc/mcp-proxy/mcp-proxy.toml" rpm_inside --query --configfiles mcp-proxy
inside systemctl enable --now mcp-proxy.socket
inside curl --silent --max-time 30 --output /dev/null http://127.0.0.1:8088/health || fail "it does not serve"
before=$(property MainPID)
rpm_inside --upgrade --force --nodeps /root/mcp-proxy.rpm
expect_state enabled mcp-proxy.socket
[[ $(property MainPID) != "$before" ]] || fail "the upgrade did not start the new daemon"
rpm_inside --erase mcp-proxy
inside bash -c '! ls -d /etc/systemd/system/*.wants/mcp-proxy*' || fail "something is still enabled"
expect_state inactive mcp-proxy.socket mcp-proxy.service
inside test -d /var/lib/mcp-proxy || fail "the removal took the state"
