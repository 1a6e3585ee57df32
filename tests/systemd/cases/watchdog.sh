# A daemon that lives but does nothing is ended and started anew.

set_up
put /etc/systemd/system/mcp-proxy.service.d/soon.conf 644 <<<$'[Service]\nWatchdogSec=2s'
inside systemctl daemon-reload
inside systemctl restart mcp-proxy
before=$(property MainPID)
# While it works, it is left alone.
sleep 5
[[ $(property MainPID) == "$before" ]] || fail "a daemon that works was ended"
began=$(milliseconds)
inside kill -STOP "$before"
await 20 replaced "$before"
figure "stopped process replaced" "$(($(milliseconds) - began)) ms with WatchdogSec=2s"
expect "Watchdog timeout" inside journalctl --unit mcp-proxy
expect '"slow":true' ask
