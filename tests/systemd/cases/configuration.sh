# A bad configuration: the start fails for good, says where, and is not tried again; mended, everything is as before.

set_up
put /etc/mcp-proxy/conf.d/slip.toml 644 <<<$'[listen]\nprot = 1'
inside systemctl restart mcp-proxy && fail "it started with an unknown key"
expect_state failed mcp-proxy
[[ $(property ExecMainStatus) == 78 ]] || fail "exit code $(property ExecMainStatus)"
[[ $(property NRestarts) == 0 ]] || fail "it was started again in vain"
expect "slip.toml" inside journalctl --quiet --unit mcp-proxy --lines 20
# Who calls meanwhile makes systemd try, until it gives up on the socket too.
for _ in {1..5}; do inside curl --silent --max-time 1 http://127.0.0.1:8088/ || true; done
figure "socket, called while the start fails" "$(property ActiveState mcp-proxy.socket) ($(property Result mcp-proxy.socket))"
inside rm /etc/mcp-proxy/conf.d/slip.toml
inside systemctl restart mcp-proxy
expect '"slow":true' ask
expect_state active mcp-proxy.socket
expect_state active mcp-proxy-control.socket

# The same at a reload: the old configuration stays in force, and nothing ends.
before=$(property MainPID)
put /etc/mcp-proxy/conf.d/slip.toml 644 <<<$'[listen]\nprot = 1'
since=$(inside date '+%F %T')
inside systemctl reload mcp-proxy || true
says_so() { inside journalctl --quiet --unit mcp-proxy --since "$since" | grep slip.toml; }
await 10 says_so
expect '"slow":true' ask
[[ $(property MainPID) == "$before" ]] || fail "a bad reload ended the daemon"
inside rm /etc/mcp-proxy/conf.d/slip.toml

# With systemd 253 and newer, as docs/SYSTEMD.md says: a reload that is waited for.
if (($(inside systemctl --version | awk 'NR == 1 { print $2 }') >= 253)); then
    put /etc/systemd/system/mcp-proxy.service.d/reload.conf 644 <<<$'[Service]\nType=notify-reload\nExecReload='
    inside systemctl daemon-reload
    inside systemctl restart mcp-proxy
    put /etc/mcp-proxy/conf.d/hosts.toml 644 <<<$'[listen]\nallowed_hosts = ["known.example"]'
    for _ in {1..20}; do
        inside systemctl reload mcp-proxy
    done
    asked_by_name() { inside curl --silent --max-time 30 --header "Host: known.example" "http://127.0.0.1:8088/lab/slow?ms=0"; }
    expect '"slow":true' asked_by_name
    inside rm /etc/mcp-proxy/conf.d/hosts.toml
    inside systemctl reload mcp-proxy
    [[ $(asked_by_name) != *slow* ]] || fail "systemctl reload returned before the reload had ended"
fi
