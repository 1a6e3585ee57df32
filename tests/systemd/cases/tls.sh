# Clients that begin with TLS, on a socket of their own, as docs/SYSTEMD.md says; a renewed certificate by a reload.

set_up
certificate() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$1" \
        -addext "subjectAltName=DNS:mcp.example.com" -keyout "$machine_dir/privkey.pem" -out "$machine_dir/fullchain.pem" \
        2>/dev/null
    put /root/fullchain.pem 644 <"$machine_dir/fullchain.pem"
    put /root/privkey.pem 600 <"$machine_dir/privkey.pem"
    inside bash -c "cd /root && install -o root -g root -m 644 fullchain.pem /etc/mcp-proxy/tls.pem"
    inside bash -c "cd /root && install -o root -g mcp-proxy -m 640 privkey.pem /etc/mcp-proxy/tls.key"
}
certificate first
put /etc/mcp-proxy/conf.d/tls.toml 644 <<'TOML'
[tls]
certificate_file = "/etc/mcp-proxy/tls.pem"
key_file = "/etc/mcp-proxy/tls.key"
[listen]
allowed_hosts = ["mcp.example.com"]
TOML
# The unit as it stands in the document, with the address of this machine.
awk '/mcp-proxy-tls.socket`:$/ { here = 1 } here && /^```ini/ { code = 1; next } /^```/ { if (code) exit } code' docs/SYSTEMD.md |
    sed 's/10\.1\.0\.5/127.0.0.1/' | put /etc/systemd/system/mcp-proxy-tls.socket 644
put /etc/systemd/system/mcp-proxy.service.d/tls.conf 644 <<<$'[Service]\nSockets=mcp-proxy-tls.socket'
inside systemctl daemon-reload
inside systemctl stop mcp-proxy.service
inside systemctl enable --now mcp-proxy-tls.socket
inside systemctl start mcp-proxy.service

by_tls() {
    inside curl --silent --show-error --max-time 30 --cacert /root/fullchain.pem \
        --connect-to mcp.example.com:8443:127.0.0.1:8443 "https://mcp.example.com:8443/lab/slow?ms=0"
}
expect '"slow":true' by_tls
expect '"slow":true' ask
! inside curl --silent --insecure --max-time 5 "http://127.0.0.1:8443/lab/slow?ms=0" | grep slow || fail "served without TLS"

certificate second
inside systemctl reload mcp-proxy
await 10 by_tls
no_secret_in_the_journal
