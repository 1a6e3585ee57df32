# Who may use it: real users on the hardened unit, at the port and at a Unix socket.

as() { # USER COMMAND...
    local user=$1
    shift
    inside runuser -u "$user" -- "$@"
}
code() { # USER [CURL-OPTION...]
    as "$1" curl --silent --max-time 30 --output /root/body-"$1" --write-out '%{http_code}' "${@:2}" "http://127.0.0.1:8088/lab/slow?ms=0" || true
}
expect_code() { # CODE USER [CURL-OPTION...]
    local found
    found=$(code "${@:2}")
    [[ $found == "$1" ]] || fail "${*:2} is answered $found, not $1"
}

inside useradd --create-home alice
inside useradd --create-home bob
inside bash -c 'chmod 711 /root; for user in root alice bob nobody; do touch "/root/body-$user"; chmod 666 "/root/body-$user"; done'
set_up
expect_state active mcp-proxy-diag.socket

# Root, who signed in, may use it; everybody else is refused, with a reason.
expect_code 200 root
expect_code 403 alice
expect "access.others" inside cat /root/body-alice
expect_code 403 nobody
[[ $(inside journalctl --quiet --unit mcp-proxy --grep callers-unknown --output cat) == "" ]] || fail "callers are unknown"

# A person who signs in through sudo may use it from then on.
inside bash -c 'echo "alice ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/alice'
inside bash -euc '
    # Without what the terminal showed before: the address in it is another login.
    rm -f /root/keyboard /root/terminal && mkfifo /root/keyboard
    script -qefc "runuser -u alice -- sudo mcp-proxy login --no-browser" /root/terminal \
        </root/keyboard >/dev/null 2>&1 &
    exec 3>/root/keyboard
    for _ in {1..200}; do
        address=$(sed -n "s/^  \(http.*\)\r$/\1/p" /root/terminal 2>/dev/null || true)
        [[ -z $address ]] || break
        kill -0 $! || break
        sleep 0.05
    done
    curl -s -o /dev/null -w "%{redirect_url}\n" "$address" >&3
    wait $!
' || fail "the login of alice: $(inside cat /root/terminal)"
expect_code 200 alice
expect_code 403 bob
expect_code 200 root
inside systemctl restart mcp-proxy
expect_code 200 alice
expect_code 403 bob

# Containers of this host, at the address of their bridge. (Not every kernel for tests has bridges.)
if inside ip link add br0 type bridge; then
    inside bash -euc '
        ip netns add container
        ip link add v0 type veth peer name eth0 netns container
        ip link set v0 master br0 up
        ip address add 172.18.0.1/16 dev br0
        ip link set br0 up
        ip -n container address add 172.18.0.2/16 dev eth0
        ip -n container link set eth0 up'
    put /etc/systemd/system/mcp-proxy.socket.d/bridge.conf 644 <<<$'[Socket]\nListenStream=172.18.0.1:8088\nFreeBind=yes'
    inside systemctl daemon-reload
    inside systemctl stop mcp-proxy.service
    inside systemctl restart mcp-proxy.socket
    inside systemctl start mcp-proxy.service
    bridge="http://172.18.0.1:8088/lab/slow?ms=0"
    expect '"slow":true' inside ip netns exec container curl --silent --max-time 30 "$bridge"
    expect 'access.others' as bob curl --silent --max-time 30 "$bridge"
    expect '"slow":true' as alice curl --silent --max-time 30 "$bridge"
    put /etc/mcp-proxy/conf.d/clients.toml 644 <<<$'[access]\ncontainers = false'
    inside systemctl reload mcp-proxy
    closed() { [[ $(inside ip netns exec container curl --silent --max-time 30 "$bridge") == *access.containers* ]]; }
    await 10 closed
fi

# Clients of the configuration: users, groups and units, put in force by a reload; a key without a restart.
put /etc/systemd/system/mcp-proxy.socket.d/unix.conf 644 <<<$'[Socket]\nListenStream=/run/mcp-proxy-clients.sock\nSocketMode=0666'
inside systemctl daemon-reload
inside systemctl stop mcp-proxy.service
inside systemctl restart mcp-proxy.socket
inside systemctl start mcp-proxy.service
by_socket() { code "$1" --unix-socket /run/mcp-proxy-clients.sock; }
[[ $(by_socket bob) == 200 ]] || fail "bob is refused at a Unix socket that lets him in: $(inside cat /root/body-bob)"
put /etc/mcp-proxy/conf.d/clients.toml 644 <<'TOML'
[access]
others = "nobody"
[[client]]
name = "bob"
users = ["bob"]
[[client]]
name = "job"
units = ["job-*.service"]
[[client]]
name = "dify"
key = true
TOML
inside systemctl reload mcp-proxy
in_force() { [[ $(code bob) == 200 ]]; }
await 10 in_force
expect_code 401 alice
expect_code 401 root
[[ $(by_socket bob) == 200 ]] || fail "bob is not known at the Unix socket: $(inside cat /root/body-bob)"
[[ $(by_socket alice) == 401 ]] || fail "alice is not refused at the Unix socket"
job() { # UNIT
    inside systemd-run --quiet --wait --pipe --unit="$1" --uid=alice curl --silent --max-time 30 --output /dev/null \
        --write-out '%{http_code}' "http://127.0.0.1:8088/lab/slow?ms=0"
}
[[ $(job job-1) == 200 ]] || fail "a unit is not known"
[[ $(job another) == 401 ]] || fail "another unit is not refused"

key=$(inside mcp-proxy client add dify 2>/dev/null)
[[ $key == mcpk_* ]] || fail "no key: $key"
expect_code 200 alice --header "Authorization: Bearer $key"
expect_code 200 nobody --header "X-MCP-Proxy-Key: $key"
expect_code 401 alice --header "Authorization: Bearer mcpk_$(printf 'x%.0s' {1..43})"
expect "dify: needs a key" inside mcp-proxy client list
inside gpasswd --add alice mcp-proxy >/dev/null
if as alice mcp-proxy client add dify >/dev/null 2>&1; then fail "the group of the control socket may make keys"; fi
inside mcp-proxy client remove dify
expect_code 401 alice --header "Authorization: Bearer $key"
if inside journalctl --quiet --output=export --unit 'mcp-proxy*' | grep --text --fixed-strings "$key"; then fail "a key is in the journal"; fi
if inside grep --recursive --fixed-strings "$key" /var/lib/mcp-proxy; then fail "a key is on disk"; fi

# Without the kernel's answers nobody over TCP is known, and a condition says so.
put /etc/systemd/system/mcp-proxy.service.d/blind.conf 644 <<<$'[Service]\nSockets=\nSockets=mcp-proxy.socket mcp-proxy-control.socket'
inside systemctl mask --quiet --runtime mcp-proxy-diag.socket
inside systemctl daemon-reload
inside systemctl stop mcp-proxy-diag.socket
inside systemctl restart mcp-proxy.service
expect_code 401 bob
expect "callers-unknown" inside mcp-proxy status
