# The key for saved logins as an encrypted credential, without a drop-in, and logins that are encrypted with it.

start_sandbox
install_package
configure
inside bash -euc 'mcp-proxy key generate /root/key
    systemd-creds encrypt --with-key=host --name=token-key /root/key /etc/credstore.encrypted/mcp-proxy.token-key
    shred --remove /root/key'
inside systemctl enable --now mcp-proxy.socket
sign_in
expect '"slow":true' ask
secrets=$(admin secrets | tr ',' '\n' | sed -n 's/.*"\([^"]\{8,\}\)"[]}]*$/\1/p')
if inside grep --recursive --files-with-matches --fixed-strings --file=/dev/stdin /var/lib/mcp-proxy/logins <<<"$secrets"; then
    fail "a saved login is plain text"
fi
inside systemctl restart mcp-proxy
expect '"slow":true' ask

# Without the key the login cannot be opened, which is said; it is not overwritten.
inside mv /etc/credstore.encrypted/mcp-proxy.token-key /root/
inside systemctl restart mcp-proxy
expect key inside journalctl --quiet "_PID=$(property MainPID)"
inside mv /root/mcp-proxy.token-key /etc/credstore.encrypted/
inside systemctl restart mcp-proxy
expect '"slow":true' ask
