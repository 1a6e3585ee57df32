# A throw-away Debian machine with a real systemd as PID 1, for tests/systemd/run, which sources this file.
#
# The root file system is made once per release by mmdebstrap, from the archives that apt uses on this host. Each start
# puts an empty layer over it, so a test begins with a machine on which nothing was ever installed. systemd-nspawn
# starts its systemd with name spaces of its own; the host's init, its D-Bus and its machined are not needed.
#
# It has no network but its loopback device. It lives in a control group of its own: ending that ends everything in it.
#
#   machine_of SUITE   the release that the others are about
#   machine_host       install on this host what is needed, unless it is there
#   machine_prepare    make the root file system, unless it is there
#   machine_start      start a new machine and wait until it is up
#   machine_restart    shut it down in order, and start it again with its disk
#   machine_stop       end it at once
#   inside COMMAND...  run a command in it, as root

# Everything of a release has places of its own, so that machines of several can run beside each other.
machine_of() { # SUITE
    machine_suite=$1
    machine_dir=$PWD/target/systemd/$1
    machine_group=mcp-proxy-test-$$-$1
}
machine_of bookworm
machine_patience=60 # seconds, to start or to shut down
machine_packages=systemd,systemd-sysv,dbus,libnss-systemd,ca-certificates,curl,sudo,procps,iproute2,rpm,libpam-systemd,dbus-user-session
# Raise it when a root file system has to be made anew.
machine_recipe=1

# nspawn's own process. In a file: a subshell that restarts the machine is not the only one who wants to know.
machine_pid() { cat "$machine_dir/pid" 2>/dev/null; }
machine_runs() { kill -0 "$(machine_pid)" 2>/dev/null; }

machine_base() { echo "$machine_dir/base-$machine_recipe"; }

# Installs the Debian packages whose command is missing on this host.
machine_tools() { # COMMAND PACKAGE [COMMAND PACKAGE]...
    local packages=()
    while (($#)); do
        command -v "$1" >/dev/null || packages+=("$2")
        shift 2
    done
    ((${#packages[@]})) || return 0
    echo "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update && apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null
}

# This host's Debian archives, in the one-line form, for the wanted release.
machine_archives() {
    local here
    here=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
        awk -v here="$here" -v there="$machine_suite" '
            $3 == "main" && $2 ~ "^" here "(-updates|-security)?$" { sub(here, there, $2); print "deb", $1, $2, $3 }
        ' | sort -u
}

# Once, before machines of several releases are prepared at the same time.
machine_host() {
    machine_tools mmdebstrap mmdebstrap systemd-nspawn systemd-container
    [[ -n $(machine_archives) ]] || apt-get -qq update
}

machine_prepare() {
    local base archives proxy options=() log=$machine_dir/base.log
    base=$(machine_base)
    [[ ! -d $base ]] || return 0
    mkdir -p "$machine_dir"
    archives=$(machine_archives)
    [[ -n $archives ]] || { echo "apt knows no Debian archive on this host" >&2; return 1; }
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [[ -z ${proxy:-} ]] || options+=(--aptopt="Acquire::http::Proxy \"$proxy\"")
    echo "making the root file system of $machine_suite"
    rm -rf "$base.new"
    if ! mmdebstrap --mode=root --variant=minbase --include="$machine_packages" "${options[@]}" \
        --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
        "$machine_suite" "$base.new" - <<<"$archives" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
    # An id means that this is no first boot, at which systemd would go by the presets.
    tr -d - </proc/sys/kernel/random/uuid >"$base.new/etc/machine-id"
    # Nothing but the test does something.
    local unit
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
        ln -s -f /dev/null "$base.new/etc/systemd/system/$unit"
    done
    # The journal outlives a restart, and has every line.
    mkdir -p "$base.new/var/log/journal" "$base.new/etc/systemd/journald.conf.d"
    printf '[Journal]\nRateLimitIntervalSec=0\n' >"$base.new/etc/systemd/journald.conf.d/all.conf"
    echo machine >"$base.new/etc/hostname"
    printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$base.new/etc/hosts"
    # No archive is reachable from inside: what a package needs is there.
    rm -rf "$base.new"/etc/apt/sources.list* "$base.new"/etc/apt/apt.conf.d/99mmdebstrap "$base.new"/var/lib/apt/lists/*
    mkdir -p "$base.new/var/lib/apt/lists/partial"
    mv "$base.new" "$base"
}

machine_start() {
    machine_stop
    rm -rf "$machine_dir/disk"
    machine_power_on
}

machine_restart() {
    local deadline=$((SECONDS + machine_patience))
    kill -TERM "$(machine_pid)"
    while machine_runs; do
        ((SECONDS < deadline)) || { echo "the machine does not shut down" >&2; return 1; }
        sleep 0.05
    done
    machine_stop
    machine_power_on
}

machine_power_on() {
    local deadline=$((SECONDS + machine_patience)) state
    mkdir -p "$machine_dir"/{disk,work,root}
    # shellcheck disable=SC2016 # the inner shell's own variables
    setsid unshare --mount --propagation private bash -euc '
        base=$1 group=$2 dir=$3 bind=$4
        # One tree of control groups, whatever this host mounts, or the filters by BPF have no effect.
        mount -t cgroup2 none /sys/fs/cgroup
        mkdir -p "/sys/fs/cgroup/$group/host"
        echo 0 >"/sys/fs/cgroup/$group/host/cgroup.procs"
        mkdir -p /run/systemd/nspawn
        mount -t tmpfs none /run/systemd/nspawn
        mount -t overlay none -o "lowerdir=$base,upperdir=$dir/disk,workdir=$dir/work" "$dir/root"
        # nspawn filters system calls as well; without that, only what the units say is tested.
        exec env -i PATH="$PATH" SYSTEMD_SECCOMP=0 systemd-nspawn --quiet --boot --settings=no --register=no --keep-unit \
            --directory="$dir/root" --machine=machine --private-network --resolv-conf=off --timezone=off --link-journal=no \
            --console=pipe --capability=CAP_BPF,CAP_PERFMON --bind-ro="$bind:/opt/sandbox"
    ' machine "$(machine_base)" "$machine_group" "$machine_dir" "$PWD/target/debug/mcp-proxy-sandbox" \
        </dev/null >"$machine_dir/console.log" 2>&1 &
    echo $! >"$machine_dir/pid"
    disown
    until state=$(inside systemctl is-system-running 2>/dev/null) || [[ $state == degraded ]]; do
        if ! machine_runs || ((SECONDS >= deadline)); then
            echo "the machine did not start (${state:-no answer}):" >&2
            tail -n 20 "$machine_dir/console.log" >&2
            return 1
        fi
        sleep 0.05
    done
}

machine_stop() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    unshare --mount --propagation private bash -euc '
        mount -t cgroup2 none /sys/fs/cgroup
        cd /sys/fs/cgroup
        [[ -d $1 ]] || exit 0
        echo 1 >"$1/cgroup.kill"
        while grep -q "populated 1" "$1/cgroup.events"; do sleep 0.02; done
        find "$1" -depth -type d -exec rmdir {} \;
    ' machine "$machine_group"
    rm -rf "$machine_dir/work" "$machine_dir/pid"
}

# The machine's PID 1, as this host counts: the child of nspawn that is number 1 somewhere else.
machine_init() {
    local pid child children=()
    pid=$(machine_pid) || return 1
    read -r -a children <"/proc/$pid/task/$pid/children" || true
    for child in "${children[@]}"; do
        if grep -q -E $'^NSpid:\t[0-9]+\t1$' "/proc/$child/status"; then
            echo "$child"
            return 0
        fi
    done
    return 1
}

inside() { # COMMAND...
    local init
    init=$(machine_init) || return 1
    nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup -- env -i -C /root HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_PAGER='' SYSTEMD_COLORS=0 "$@"
}
