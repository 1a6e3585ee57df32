# The units of a person: with that person's own manager, state directory and socket.

install_package
inside useradd --create-home person
# What loginctl enable-linger leads to, on a machine that nobody logs in to.
inside systemctl start "user@$(inside id -u person).service"
person() { inside runuser -u person -- env "XDG_RUNTIME_DIR=/run/user/$(inside id -u person)" "$@"; }
person systemctl --user enable --now mcp-proxy.socket
inside curl --silent --max-time 30 --output /dev/null http://127.0.0.1:8088/health || fail "it does not serve"
# Who calls is known here too: root may go on, another user is a stranger.
asked_by() { inside runuser -u "$1" -- curl --silent --max-time 30 --output /dev/null --write-out '%{http_code}' http://127.0.0.1:8088/; }
[[ $(asked_by root) == 503 && $(asked_by person) == 503 ]] || fail "its own people are not known"
[[ $(asked_by nobody) == 403 ]] || fail "another user may use it"
[[ $(person systemctl --user is-active mcp-proxy.service) == active ]] || fail "it is not active"
[[ $(inside ps -o user= -p "$(person systemctl --user show --value --property MainPID mcp-proxy.service)") == person ]] ||
    fail "it runs as somebody else"
inside test -S "/run/user/$(inside id -u person)/mcp-proxy/control.sock" || fail "there is no control socket"
person systemctl --user stop mcp-proxy.socket mcp-proxy-control.socket mcp-proxy.service
