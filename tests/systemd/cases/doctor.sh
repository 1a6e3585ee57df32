# doctor on the packaged service: no fault where all is well, for root and for an ordinary user; what is wrong with units,
# sockets and configuration is named, and the command that is printed mends it.

set_up
inside useradd --create-home alice

healthy() { # WHO COMMAND...
    local who=$1 said
    shift
    said=$(inside "$@" mcp-proxy doctor) || fail "doctor finds something wrong as $who: $said"
    [[ $said == *"Nothing is wrong."* ]] || fail "doctor as $who: $said"
}
is_healthy() { inside mcp-proxy doctor; }

# The first command below the fault that a check has found.
remedy() { # CHECK
    inside bash -c 'mcp-proxy doctor || true' | awk -v check="$1" '
        /^  [^ ]/ { found = $1 == "fault" && ($2 == check || $2 == check ":") }
        found && $1 == "do:" { sub(/^ *do: */, ""); print; exit }
    '
}
mend() { # CHECK
    local command
    command=$(remedy "$1")
    [[ -n $command ]] || fail "doctor does not find: $1. It says: $(inside mcp-proxy doctor)"
    inside bash -c "$command" || fail "the remedy for $1 fails: $command"
}

healthy root env
healthy alice runuser -u alice --
figure "doctor" "$(inside bash -c 'TIMEFORMAT=%R; { time mcp-proxy doctor >/dev/null; } 2>&1') s for all checks"

# What alice may not see is said, and nothing is called wrong for it.
expect "may not open /run/mcp-proxy/control.sock" inside runuser -u alice -- mcp-proxy doctor
expect "may not use 127.0.0.1:8088" inside runuser -u alice -- mcp-proxy doctor

# Nothing is started.
inside systemctl --quiet disable --now mcp-proxy.socket mcp-proxy-control.socket mcp-proxy.service
mend unit
await 20 is_healthy

# The configuration has a slip, and the service has ended over it.
put /etc/mcp-proxy/conf.d/slip.toml 644 <<<$'[limits]\ntoken_wiat = "7s"'
inside systemctl restart mcp-proxy.service || true
mend configuration
# Whoever looks connects to the sockets, and so starts it again.
await 20 is_healthy

# A change that waits for a reload, and one of the unit that systemd has not read.
put /etc/mcp-proxy/conf.d/slip.toml 644 <<<$'[limits]\ntoken_wait = "9s"'
mend configuration-in-force
await 20 is_healthy
put /etc/systemd/system/mcp-proxy.service.d/later.conf 644 <<<$'[Service]\nRestartSec=2s'
mend unit-changes
await 20 is_healthy
expect "changed by /etc/systemd/system/mcp-proxy.service.d/later.conf" inside mcp-proxy doctor

# The control socket is gone while the service runs.
inside systemctl stop mcp-proxy-control.socket
mend unit-sockets
await 20 is_healthy

# Files that others can write to, in the place of what only root should.
inside chmod 666 /etc/mcp-proxy/conf.d/sandbox.toml
mend configuration-files
inside chmod 777 /etc/mcp-proxy
mend configuration-files
await 20 is_healthy
