# The life of the package: installation, upgrade under load, an administrator's decisions, removal, purge.

newer() { # the same package, as the next version
    local dir=$machine_dir/newer
    rm -rf "$dir"
    dpkg-deb --raw-extract "$package" "$dir"
    sed -i 's/^Version: .*/&+next/' "$dir/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$dir" "$machine_dir/mcp-proxy_next.deb" >/dev/null
    echo "$machine_dir/mcp-proxy_next.deb"
}

# An installation opens no port and starts nothing.
start_sandbox
install_package
expect_state disabled mcp-proxy.socket
expect_state inactive mcp-proxy.socket mcp-proxy.service
expect "/var/lib/mcp-proxy" inside getent passwd mcp-proxy
expect "700 mcp-proxy mcp-proxy" inside stat --format '%a %U %G' /var/lib/mcp-proxy
inside test -e /usr/share/man/man1/mcp-proxy.1.gz
inside bash -euc '. /usr/share/bash-completion/completions/mcp-proxy; complete -p mcp-proxy'

# An upgrade keeps the edited configuration and the login, and refuses nobody.
configure
inside systemctl enable --now mcp-proxy.socket
sign_in
expect true ask
inside sed -i 's/^#port = 8088/port = 8088/' /etc/mcp-proxy/mcp-proxy.toml
before=$(property MainPID)
start_load
install_package "$(newer)"
end_load "upgrade under load"
[[ $(property MainPID) != "$before" ]] || fail "the upgrade did not start the new daemon"
expect "port = 8088" inside grep "^port" /etc/mcp-proxy/mcp-proxy.toml
expect '"slow":true' ask

# What the administrator disabled stays disabled.
inside systemctl disable --now mcp-proxy.socket mcp-proxy-control.socket mcp-proxy.service
inside apt-get -q install -y --reinstall /root/mcp-proxy_next.deb
expect_state disabled mcp-proxy.socket
expect_state inactive mcp-proxy.socket
inside systemctl enable --now mcp-proxy.socket
expect '"slow":true' ask

# A removal stops everything and keeps the login; it is there again after the next installation.
inside apt-get -q remove -y mcp-proxy
expect_state inactive mcp-proxy.socket mcp-proxy.service
inside bash -c '! curl --silent http://127.0.0.1:8088/' || fail "the port is still open"
inside bash -c 'ls /var/lib/mcp-proxy/logins/*.json' || fail "the removal took the login"
install_package
inside systemctl enable --now mcp-proxy.socket
expect '"slow":true' ask

# A purge leaves nothing of it.
inside apt-get -q purge -y mcp-proxy
inside bash -c '! ls -d /var/lib/mcp-proxy /var/log/mcp-proxy /etc/logrotate.d/mcp-proxy /etc/systemd/system/*.wants/mcp-proxy* /run/mcp-proxy /etc/credstore.encrypted/mcp-proxy*' ||
    fail "something is left"
expect "0 loaded units" inside systemctl list-units --all 'mcp-proxy*'
