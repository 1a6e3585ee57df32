# A boot with a saved login and no network: ready at once, and signed in.

set_up
machine_restart
expect_state active mcp-proxy.service
expect 'ready: signed in' property StatusText
figure "READY after the start, at boot" "$((($(property ActiveEnterTimestampMonotonic) - $(property ExecMainStartTimestampMonotonic)) / 1000)) ms"
[[ $(property NRestarts) == 0 ]] || fail "it did not start at the first time"
# The stand-in for the cloud is gone: an honest answer, and no end of the daemon.
answer=$(inside curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}' http://127.0.0.1:8088/) ||
    fail "no answer while the cloud is gone"
[[ $answer == 502 ]] || fail "$answer while the cloud is gone"
expect_state active mcp-proxy.service
