# A virtual machine that has nothing but its role: from boot to an MCP call, and nobody signs in. Its metadata service is
# where it always is, and insists on its token.

install_package >/dev/null 2>&1
# The cloud around the machine is there before the daemon is. It makes its certificate anew at each start.
put /etc/systemd/system/cloud.service 644 <<'UNIT'
[Unit]
Before=mcp-proxy.service
[Service]
LimitNOFILE=20000
ExecStartPre=rm -f /root/sandbox.json
ExecStartPre=-ip address add 100.100.100.200/32 dev lo
ExecStart=/opt/sandbox --tls-port 9443 --http-port 9080 --metadata-listen 100.100.100.200:80 --ca-file /etc/sandbox-ca.pem --ready-file /root/sandbox.json
ExecStartPost=bash -c 'until [[ -e /root/sandbox.json ]]; do sleep 0.05; done'
ExecStartPost=curl --silent --fail --json '{"metadata_hardened": true}' http://127.0.0.1:9080/admin/settings
[Install]
WantedBy=multi-user.target
UNIT
put /etc/mcp-proxy/conf.d/role.toml 644 <<'TOML'
[network]
extra_ca_file = "/etc/sandbox-ca.pem"
[alibaba.endpoints]
ramoauth = "https://localhost:9443"
sts = "https://localhost:9443"
ims = "https://localhost:9443"
[[upstream]]
name = "alibaba"
mount = "/"
url = "https://localhost:9443"
auth = "access-key"
TOML
inside systemctl --quiet enable cloud.service mcp-proxy.socket mcp-proxy.service
machine_restart

# One message of an MCP client; the answer with its head.
message() { # SESSION JSON
    inside curl --silent --show-error --max-time 30 --include --header 'Accept: application/json, text/event-stream' \
        ${1:+--header "Mcp-Session-Id: $1"} --json "$2" \
        "http://127.0.0.1:8088/accounts/1234567890123456/custom/sandbox-tools/id/sAnDb0xT00Ls0001/mcp"
}

hello='{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {},
    "clientInfo": {"name": "nobody", "version": "1"}}}'
answer=$(message '' "$hello")
session=$(sed -n 's/^mcp-session-id: \(.*\)\r$/\1/Ip' <<<"$answer")
[[ $answer == *sandbox-tools* && -n $session ]] || fail "the first message after boot: $answer"
message "$session" '{"jsonrpc": "2.0", "method": "notifications/initialized"}' >/dev/null
expect '"name":"echo"' message "$session" '{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}'
expect 'with nobody' message "$session" '{"jsonrpc": "2.0", "id": 3, "method": "tools/call",
    "params": {"name": "echo", "arguments": {"text": "with nobody"}}}'
ready=$(property ActiveEnterTimestampMonotonic) began=$(inside systemctl show --value --property UserspaceTimestampMonotonic)
figure "READY after the boot began" "$(((ready - began) / 1000)) ms"

# The key was the machine's, and it was asked for as it must be; nobody was asked for anything.
expect '"api_keys":{"STS.SandboxTemporaryKey01"' admin counts
expect '"authorizations":0' admin counts
inside mcp-proxy status >/dev/null || fail "it is not well: $(inside mcp-proxy status)"
expect '"token_status": "valid"' inside mcp-proxy status --json
# Nor when the cloud takes the token away.
admin revoke '"access_tokens"' >/dev/null
expect 'once more' message "$session" '{"jsonrpc": "2.0", "id": 4, "method": "tools/call",
    "params": {"name": "echo", "arguments": {"text": "once more"}}}'
expect '"GenerateAccessToken":2' admin counts
[[ $(property NRestarts) == 0 ]] || fail "it did not start at the first time"
inside test ! -e /root/.aliyun || fail "there is a file of the aliyun CLI"
no_secret_in_the_journal
