# The units as systemd itself judges them: nothing unknown in them, and little that an intruder could use.

install_package
inside bash -euc 'mkdir -p /run/user/0; export XDG_RUNTIME_DIR=/run/user/0
for scope in system user; do
    systemd-analyze --$scope verify --recursive-errors=no --man=no /usr/lib/systemd/$scope/mcp-proxy*
done' || fail "systemd-analyze verify: see above"
inside systemd-analyze security --no-pager --threshold=10 mcp-proxy.service || fail "too much exposure"
figure "exposure (systemd-analyze security)" "$(inside systemd-analyze security --no-pager mcp-proxy.service | sed -n 's/.*exposure level for mcp-proxy.service: \([0-9.]*\).*/\1/p')"

# Names are resolved without netlink, which the unit does not allow.
inside systemd-run --quiet --wait --pipe --property='RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX' getent ahosts localhost

# Presets enable nothing.
inside systemctl preset mcp-proxy.socket mcp-proxy-control.socket mcp-proxy-metrics.socket mcp-proxy.service
expect_state disabled mcp-proxy.socket mcp-proxy-metrics.socket
