# A server, word for word as a person would do it: install, enable, sign in by pasting, ask, look at status and journal.

start_sandbox
install_package
configure
inside systemctl enable --now mcp-proxy.socket
expect_state enabled mcp-proxy.socket mcp-proxy-control.socket mcp-proxy.service
sign_in
# Programs on this host have a socket of their own, and it forwards too.
expect "660 root mcp-proxy" inside stat --format '%a %U %G' /run/mcp-proxy/mcp.sock
expect "<Error>" inside curl --silent --max-time 30 --unix-socket /run/mcp-proxy/mcp.sock http://localhost/

# The upstream's own error: it forwards.
expect "<Error>" inside curl --silent --max-time 30 http://127.0.0.1:8088/
# The status changes at most once a second.
is_ready() { inside systemctl status mcp-proxy | grep -E 'Status: "ready: signed in as .*, token valid .*, [0-9]+ active"'; }
await 5 is_ready
figure "systemctl status" "$(inside systemctl status mcp-proxy | sed -n 's/^ *Status: //p')"

# Whoever follows the journal sees the next request, as fields.
inside systemd-run --quiet --unit=follow --property=StandardOutput=file:/root/followed \
    journalctl --unit mcp-proxy --follow --lines 0 --output cat
await 10 inside systemctl is-active follow
follows() { inside curl --silent --max-time 30 http://127.0.0.1:8088/lab/status/418 && inside grep /lab/status/418 /root/followed; }
await 10 follows
expect "STATUS=418" inside journalctl --quiet --unit mcp-proxy --output export --lines 20
no_secret_in_the_journal
