# How long a start takes until READY=1, and how much memory the idle daemon has.

set_up
for _ in {1..20}; do
    inside systemctl restart mcp-proxy
    ready=$(property ActiveEnterTimestampMonotonic)
    echo $(((ready - $(property ExecMainStartTimestampMonotonic)) / 1000)) >&3
    # When systemd had built the sandbox and started the program; systemd 256 and newer tell.
    handed_over=$(property ExecMainHandoffTimestampMonotonic)
    [[ -z $handed_over ]] || echo $(((ready - handed_over) / 1000)) >&4
done 3>"$machine_dir/starts.txt" 4>"$machine_dir/own-starts.txt"
most() { sort -n "$1" | tail -n 1; }
figure "start to READY, median of 20" "$(median <"$machine_dir/starts.txt") ms (most: $(most "$machine_dir/starts.txt") ms)"
if [[ -s $machine_dir/own-starts.txt ]]; then
    figure "of that, without the sandbox" \
        "$(median <"$machine_dir/own-starts.txt") ms (most: $(most "$machine_dir/own-starts.txt") ms)"
fi
pid=$(property MainPID)
figure "idle memory (RSS)" "$(inside awk '/^VmRSS/ { print $2 }' "/proc/$pid/status") KiB"
figure "tasks" "$(inside awk '/^Threads/ { print $2 }' "/proc/$pid/status")"
figure "limit of open files" "$(inside awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")"
