# Metrics have a socket of their own, for who enables it: shipped, and off until then.

set_up
expect_state disabled mcp-proxy-metrics.socket
inside bash -c '! curl --silent --max-time 2 http://127.0.0.1:9464/metrics' || fail "metrics are served unasked"
# As docs/METRICS.md says.
inside systemctl enable mcp-proxy-metrics.socket
inside systemctl stop mcp-proxy.service
inside systemctl start mcp-proxy-metrics.socket mcp-proxy.service
expect '"slow":true' ask
expect 'mcp_proxy_ready 1' inside curl --silent --max-time 30 http://127.0.0.1:9464/metrics
expect 'process_resident_memory_bytes ' inside curl --silent --max-time 30 http://127.0.0.1:9464/metrics
expect '"ready": true' inside curl --silent --max-time 30 http://127.0.0.1:9464/ready
expect '404' inside curl --silent --max-time 30 --write-out '%{http_code}' http://127.0.0.1:9464/status
expect '403' inside curl --silent --max-time 30 --write-out '%{http_code}' --header 'Host: evil.example' http://127.0.0.1:9464/metrics
# It stays over a restart, and who asks meanwhile waits.
inside systemctl restart mcp-proxy.service
expect 'mcp_proxy_build_info' inside curl --silent --max-time 30 http://127.0.0.1:9464/metrics
for file in alerts.yml grafana-dashboard.json; do
    inside test -s "/usr/share/mcp-proxy/monitoring/$file" || fail "$file is not installed"
done
