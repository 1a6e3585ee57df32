# A token command works under the rules of the unit, and cannot do what they forbid.

start_sandbox
install_package >/dev/null
put /usr/local/bin/get-token 755 <<'SH'
#!/bin/sh
exec 2>&1
{
    touch /etc/mcp-proxy/x && echo "wrote to /etc"
    touch /usr/x && echo "wrote to /usr"
    ls /root/ && echo "saw /root"
    for place in "$STATE_DIRECTORY" /tmp /var/tmp /dev/shm; do
        cp /bin/true "$place/true" && "$place/true" && echo "ran what it wrote to $place"
    done
    unshare --user true && echo "made a name space"
    ps -e | grep -v -e PID -e mcp-proxy -e get-token -e ps -e grep && echo "saw other processes"
} >"$STATE_DIRECTORY/attempts" 2>/dev/null
echo a-token-from-a-command
SH
put /etc/mcp-proxy/mcp-proxy.toml 644 <<TOML
[network]
extra_ca_file = "/etc/sandbox-ca.pem"
[[upstream]]
name = "commanded"
mount = "/"
url = "$(field cloud_url)"
auth = "token-command"
token_command = ["/usr/local/bin/get-token"]
TOML
inside systemctl --quiet enable --now mcp-proxy.socket
inside curl --silent --max-time 30 --output /dev/null http://127.0.0.1:8088/
has_a_token() { [[ $(property StatusText) == ready:* ]]; }
await 10 has_a_token
attempts=$(inside cat /var/lib/mcp-proxy/attempts)
[[ -z $attempts ]] || fail "the command could do more than it should: $attempts"
