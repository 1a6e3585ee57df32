# Containers: the socket listens on a bridge's address before the bridge is there, beside the usual address.

set_up
put /etc/systemd/system/mcp-proxy.socket.d/bridge.conf 644 <<<$'[Socket]\nListenStream=172.17.0.1:8088\nFreeBind=yes'
inside systemctl daemon-reload
# As docs/SYSTEMD.md says.
inside systemctl stop mcp-proxy.service
inside systemctl restart mcp-proxy.socket
inside systemctl start mcp-proxy.service
expect '"slow":true' ask
# Later it comes up. (Not on a bridge here: not every kernel for tests has them.)
inside ip address add 172.17.0.1/32 dev lo
expect '"slow":true' inside curl --silent --max-time 30 "http://172.17.0.1:8088/lab/slow?ms=0"

# Clients are restricted where they arrive, at the socket: the service is asked only for what it opens itself.
put /etc/systemd/system/mcp-proxy.socket.d/clients.conf 644 <<<$'[Socket]\nIPAddressDeny=any\nIPAddressAllow=127.0.0.0/8'
inside systemctl daemon-reload
inside systemctl stop mcp-proxy.service
inside systemctl restart mcp-proxy.socket
expect '"slow":true' ask
inside bash -c '! curl --silent --max-time 2 "http://172.17.0.1:8088/lab/slow?ms=0"' || fail "a forbidden client was served"

# Upstreams are restricted at the service.
put /etc/systemd/system/mcp-proxy.service.d/upstreams.conf 644 <<<$'[Service]\nIPAddressAllow=\nIPAddressAllow=192.0.2.1'
inside systemctl daemon-reload
inside systemctl restart mcp-proxy.service
[[ $(ask) != *slow* ]] || fail "a forbidden upstream was reached"
