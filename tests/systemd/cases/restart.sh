# Under load: restart, reload and a crash refuse no connection, and restart and reload lose no request.

set_up

start_load
for _ in 1 2 3 4 5; do
    before=$(property MainPID)
    inside systemctl restart mcp-proxy
    [[ $(property MainPID) != "$before" ]] || fail "no other process after the restart"
done
end_load "5 restarts under load"

start_load
before=$(property MainPID)
for _ in 1 2 3 4 5; do
    inside systemctl reload mcp-proxy
    sleep 0.2
done
end_load "5 reloads under load"
[[ $(property MainPID) == "$before" ]] || fail "a reload ended the daemon"

# What a crash has in hand is lost; nobody is refused, and what comes after it is served.
start_load
before=$(property MainPID)
began=$(milliseconds)
inside systemctl kill --signal SIGKILL mcp-proxy
await 10 replaced "$before"
figure "new process after SIGKILL" "$(($(milliseconds) - began)) ms"
expect '"slow":true' ask
inside touch /root/enough
await 30 no_load
refused=$(outcomes | awk '$1 == 7' | wc -l)
lost=$(outcomes | awk '$1 != 0 && $1 != 7 || $1 == 0 && $2 != 200' | wc -l)
((refused == 0)) || fail "$refused connections were refused"
((lost <= 8)) || fail "$lost requests were lost, but only 8 were in hand"
figure "SIGKILL under load" "none refused; $lost in hand were lost"
no_secret_in_the_journal
