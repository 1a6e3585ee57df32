# A new user, with nothing but README.md: every command of "Install" and "Five minutes" as it stands there, up to a tool
# call in the MCP Inspector with what `client-config` printed. Then the commands of the pages for a server, Dify and a team.

start_sandbox

# The commands of a section, without what an image of a machine cannot have: the other package manager, and a compiler.
commands() { # DOCUMENT HEADING
    awk -v heading="## $2" '
        /^## / { here = $0 == heading }
        /^```/ { code = here && $0 == "```sh"; next }
        here && code { sub(/ +#.*/, ""); print }
    ' "$1" | grep -v '^cargo install'
}

# One line, as a person would type it.
type_line() { # LINE
    case $1 in
        "sudo mcp-proxy login --no-browser") sign_in ;;
        # Whoever follows goes on until they have seen enough.
        "journalctl "*" -f") inside bash -c "timeout 1 $1 || [[ \$? == 124 ]]" ;;
        *) inside bash -c "cd /root && $1" ;;
    esac
}

put "/root/${package##*/}" 644 <"$package"
began=$(milliseconds)
walk() { # DOCUMENT HEADING
    local line lines=()
    mapfile -t lines < <(commands "$1" "$2")
    ((${#lines[@]})) || fail "$1 has no commands under $2"
    for line in "${lines[@]}"; do
        echo "\$ $line"
        type_line "$line" || fail "$1, $2: $line"
        # The configuration that leads to the stand-in instead of the cloud, as soon as there is a place for it.
        [[ $line != "apt install"* ]] || configure
    done
}
walk README.md Install
walk README.md "Five minutes"
expect "<Error>" inside curl --silent --max-time 30 http://127.0.0.1:8088/

# What was printed is what the Inspector takes. It runs on the host, in the network of the machine.
build=$PWD/tests/clients/inspector/node_modules/@modelcontextprotocol/inspector-cli/build
if [[ -e $build/cli.js ]]; then
    inside mcp-proxy client-config inspector --server sandbox-tools 2>/dev/null >"$machine_dir/inspector.json"
    said=$(nsenter --target "$(machine_init)" --net --wd="$build" -- node cli.js --cli --config "$machine_dir/inspector.json" \
        --server sandbox-tools --method tools/call --tool-name echo --tool-arg text=walked) || fail "the Inspector: $said"
    [[ $said == *walked* ]] || fail "the Inspector: $said"
    figure "from the package to a tool call" "$(($(milliseconds) - began)) ms"
fi

# docs/SERVER.md: the day.
expect "sandbox-tools" inside mcp-proxy servers
inside mcp-proxy check-config >/dev/null
inside systemctl reload mcp-proxy
inside bash -c "timeout 1 journalctl -u mcp-proxy -f || [[ \$? == 124 ]]" >/dev/null
has_calls() { inside journalctl -u mcp-proxy MCP_METHOD=tools/call | grep echo >/dev/null; }
[[ ! -e $build/cli.js ]] || await 10 has_calls

# docs/CONTROL.md, docs/METRICS.md.
expect '"ready"' inside curl --silent --unix-socket /run/mcp-proxy/control.sock http://localhost/status
type_line "curl --unix-socket /run/mcp-proxy/control.sock http://localhost/status" >/dev/null
expect mcp_proxy_build_info type_line "curl --unix-socket /run/mcp-proxy/control.sock http://localhost/metrics"

# docs/SYSTEMD.md: keys as credentials, then everything stopped for good, and back.
type_line "mkdir -p /etc/credstore.encrypted"
type_line "mcp-proxy key generate /root/token-key"
inside bash -c "mkdir -p /root/.aliyun && systemd-creds decrypt --name=aliyun-config \
    /etc/credstore.encrypted/mcp-proxy.aliyun-config /root/.aliyun/config.json"
type_line "systemd-creds encrypt --name=token-key /root/token-key /etc/credstore.encrypted/mcp-proxy.token-key"
type_line "systemd-creds encrypt --name=aliyun-config ~/.aliyun/config.json /etc/credstore.encrypted/mcp-proxy.aliyun-config"
inside systemctl restart mcp-proxy
expect "encrypted, key" inside mcp-proxy status
type_line "systemctl stop mcp-proxy.socket mcp-proxy-control.socket mcp-proxy.service"
inside bash -c '! curl --silent --max-time 2 http://127.0.0.1:8088/' || fail "somebody still listens"
inside systemctl start mcp-proxy.socket mcp-proxy.service

# docs/MIGRATION.md: the old service goes.
put /etc/systemd/system/aliyun-mcp-proxy.service 644 <<<$'[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target'
inside systemctl daemon-reload
inside systemctl --quiet enable --now aliyun-mcp-proxy
type_line "systemctl disable --now aliyun-mcp-proxy"

# docs/DIFY.md: a key for one client alone.
put /etc/mcp-proxy/conf.d/dify.toml 644 <<'TOML'
[access]
containers = false
[[client]]
name = "dify"
key = true
read_only = true
[[client]]
name = "cursor"
addresses = ["10.1.0.0/16"]
key = true
TOML
inside systemctl reload mcp-proxy
makes_keys() { inside mcp-proxy client add dify >/dev/null 2>&1; }
await 10 makes_keys
expect "dify" inside mcp-proxy client list

# docs/TEAM.md: the records of one client, and of what was refused.
inside bash -c "journalctl -u mcp-proxy CLIENT_NAME=cursor || true" >/dev/null
inside curl --silent --output /dev/null --header "Host: elsewhere.example" http://127.0.0.1:8088/
was_refused() { inside journalctl -u mcp-proxy VERDICT=refused | grep "refused: " >/dev/null; }
await 10 was_refused
no_secret_in_the_journal
