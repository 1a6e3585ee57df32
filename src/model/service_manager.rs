//! What the service manager says to the daemon alone, in variables of the environment.

/// Variables that no program gets which the daemon starts: with them it could speak in the daemon's name (sd_notify(3)),
/// or take sockets for its own (sd_listen_fds(3)).
pub const VARIABLES: [&str; 7] =
    ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];
