# What the cases of tests/systemd have in common: they run on the host and look into the machine from outside.

# The case has failed; the reason is its last line.
fail() { # WHY...
    echo "failed: $*" >&2
    exit 1
}

# A measured value, for the table at the end.
figure() { # WHAT VALUE...
    local what=$1
    shift
    printf '%s\t%s\n' "$what" "$*" >>"$figures"
}

# Waits until a command succeeds.
await() { # SECONDS COMMAND...
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "in vain waited for: $*"
        sleep 0.05
    done
}

# The command must say the text.
expect() { # TEXT COMMAND...
    local text=$1 said
    shift
    said=$("$@" 2>&1) || true
    [[ $said == *"$text"* ]] || fail "$* does not say \"$text\" but: $said"
}

# Each unit must be in that state: active, inactive, failed; or enabled, disabled.
expect_state() { # STATE UNIT...
    local state=$1 question=is-active unit found
    shift
    [[ $state != *abled ]] || question=is-enabled
    for unit in "$@"; do
        found=$(inside systemctl "$question" "$unit") || true
        [[ $found == "$state" ]] || fail "$unit is $found, not $state"
    done
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# The middle of numbers, one a line.
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

put() { # FILE MODE; the text comes on standard input
    inside bash -euc 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1"' put "$1" "$2"
}

property() { inside systemctl show --value --property "$1" "${2:-mcp-proxy.service}"; }

# True once the daemon is another process than that one.
replaced() { # PID
    local now
    now=$(property MainPID)
    [[ $now != 0 && $now != "$1" && $(property ActiveState) == active ]]
}

# --- the stand-in for the cloud ---

field() { inside sed -n "s/^  \"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" /root/sandbox.json; }

admin() { # PATH [JSON]
    inside curl --silent --show-error --fail ${2:+--json "$2"} "http://127.0.0.1:9080/admin/$1"
}

start_sandbox() {
    inside systemd-run --quiet --unit=sandbox --property=LimitNOFILE=20000 /opt/sandbox --consent allow --tls-port 9443 \
        --http-port 9080 --ca-file /etc/sandbox-ca.pem --ready-file /root/sandbox.json
    await 20 inside test -e /root/sandbox.json
}

# --- the package ---

install_package() { # [FILE]
    local file=${1:-$package}
    put "/root/${file##*/}" 644 <"$file"
    inside env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y -o Dpkg::Use-Pty=0 "/root/${file##*/}"
}

# What the administrator says: where the cloud is, and with which API key, which is an encrypted credential.
configure() {
    put /etc/mcp-proxy/conf.d/sandbox.toml 644 <<TOML
[network]
extra_ca_file = "/etc/sandbox-ca.pem"
[alibaba]
aliyun_config_file = "/run/credentials/mcp-proxy.service/aliyun-config"
[alibaba.endpoints]
signin = "$(field page_url)"
oauth = "$(field token_url)"
ims = "$(field cloud_url)"
[[upstream]]
name = "alibaba"
mount = "/"
url = "$(field cloud_url)"
TOML
    inside mkdir -p /etc/credstore.encrypted
    inside systemd-creds encrypt --with-key=host --name=aliyun-config - /etc/credstore.encrypted/mcp-proxy.aliyun-config <<JSON
{"current": "default", "profiles": [{"name": "default", "mode": "AK",
 "access_key_id": "$(field access_key_id)", "access_key_secret": "$(field access_key_secret)"}]}
JSON
}

# A person at a terminal, who opens the address elsewhere and pastes back where the browser ended.
sign_in() {
    inside bash -euc '
        rm -f /root/keyboard /root/terminal && mkfifo /root/keyboard
        script -qefc "sudo mcp-proxy login --no-browser" /root/terminal </root/keyboard >/dev/null 2>&1 &
        exec 3>/root/keyboard
        for _ in {1..200}; do
            address=$(sed -n "s/^  \(http.*\)\r$/\1/p" /root/terminal 2>/dev/null || true)
            [[ -z $address ]] || break
            kill -0 $! || break
            sleep 0.05
        done
        ended=$(curl -s -o /dev/null -w "%{redirect_url}" "$address")
        echo "$ended" >&3
        wait $!
    ' || fail "mcp-proxy login: $(inside cat /root/terminal)"
    expect "OAuth login successful!" inside cat /root/terminal
}

# Everything up to a daemon that serves with a login.
set_up() {
    start_sandbox
    install_package >/dev/null 2>&1
    configure
    inside systemctl --quiet enable --now mcp-proxy.socket
    sign_in
    expect '"slow":true' ask
}

# One request through the proxy.
ask() { inside curl --silent --show-error --max-time 30 "http://127.0.0.1:8088/lab/slow?ms=0"; }

# Eight clients that never stop, half of them with a new connection for each request; every outcome is a line.
start_load() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    inside systemd-run --quiet --unit=load bash -c 'for client in {1..8}; do
        until [[ -e /root/enough ]]; do
            curl --silent --header "Connection: $( ((client % 2)) && echo close || echo keep-alive)" --output /dev/null \
                --write-out "%{exitcode} %{http_code} %{time_total}\n" "http://127.0.0.1:8088/lab/slow?ms=20&n=[1-100]"
        done >>"/root/load-$client.txt" &
    done
    wait'
    await 10 inside test -s /root/load-8.txt
}

outcomes() { inside bash -c 'cat /root/load-*.txt'; }

no_load() { [[ $(property ActiveState load.service) == inactive ]]; }

# Ends them, and says how it went; no request may have failed.
end_load() { # WHAT
    local all bad slowest
    inside touch /root/enough
    await 30 no_load
    read -r all bad slowest < <(outcomes | awk '
        $1 != 0 || $2 != 200 { bad++ }
        $3 > slowest { slowest = $3 }
        END { print NR, bad + 0, slowest }
    ')
    [[ $bad == 0 ]] || fail "$bad of $all requests failed: $(outcomes | awk '{ print $1, $2 }' | sort | uniq -c | tr '\n' ';')"
    figure "$1" "$all requests, none refused, none lost; slowest $slowest s"
    inside bash -c 'rm /root/enough /root/load-*'
}

# Nothing that the cloud issued, and no key for it, stands in the journal.
no_secret_in_the_journal() {
    local secrets
    secrets=$(admin secrets | tr ',' '\n' | sed -n 's/.*"\([^"]\{8,\}\)"[]}]*$/\1/p')
    secrets+=$'\n'$(field access_key_secret)
    [[ $(wc -l <<<"$secrets") -ge 4 ]] || fail "the sandbox issued no secrets: $secrets"
    if inside bash -c 'journalctl --quiet --output=export --unit "mcp-proxy*" | grep --text --fixed-strings --file=<(cat)' <<<"$secrets"; then
        fail "a secret is in the journal"
    fi
    figure "secrets looked for in the journal" "$(wc -l <<<"$secrets"), none found"
}
