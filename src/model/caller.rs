//! What is known about who calls: where the caller is, whose process it is, and in which unit of systemd.

use std::fmt;

/// Where a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At a Unix socket, whose mode let it in.
    UnixSocket,
    /// On this host, over TCP.
    ThisHost,
    /// In a container of this host: on a bridge that leads nowhere else, calling the address of such a bridge.
    Container,
    /// Anywhere else.
    Elsewhere,
}

/// A process on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The user who made its socket.
    pub uid: u32,
    /// The unit that it belongs to, if that was asked for and is known.
    pub unit: Option<Unit>,
}

/// A unit of systemd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// The user whose manager runs it; `None` for the system's.
    pub manager: Option<u32>,
    /// Its name, such as `dify.service`.
    pub name: String,
}

impl Unit {
    /// The unit that a control group belongs to.
    ///
    /// It is the outermost one: whoever a unit's inner groups are delegated to can give them any name. In the group of a
    /// user's manager, it is the outermost one of that manager, whose names are that user's choice.
    pub fn of_control_group(path: &str) -> Option<Self> {
        let mut inner = path.split('/').filter(|segment| !segment.is_empty());
        let mut outermost = || inner.find(|segment| !segment.ends_with(".slice")).filter(|segment| is_unit(segment));
        let unit = outermost()?;
        let manager = unit.strip_prefix("user@").and_then(|rest| rest.strip_suffix(".service"));
        let Some(uid) = manager.and_then(|uid| uid.parse().ok()) else {
            return Some(Self { manager: None, name: unit.to_owned() });
        };
        let name = outermost()?.to_owned();
        Some(Self { manager: Some(uid), name })
    }
}

fn is_unit(segment: &str) -> bool {
    [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|ending| segment.ends_with(ending))
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.manager {
            Some(uid) => write!(f, "{} of the user {uid}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_the_outermost_one_so_that_nobody_inside_can_claim_another_name() {
        let of = |path: &str| Unit::of_control_group(path).map(|unit| (unit.manager, unit.name));
        let system = |name: &str| Some((None, name.to_owned()));
        assert_eq!(of("/system.slice/ollama.service"), system("ollama.service"));
        assert_eq!(of("/system.slice/a-b.slice/docker-12ab.scope/init"), system("docker-12ab.scope"));
        assert_eq!(of("/user.slice/user-1000.slice/session-3.scope"), system("session-3.scope"));
        let user = "/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(of(&format!("{user}/app.slice/dify.service")), Some((Some(1000), "dify.service".to_owned())));
        assert_eq!(of(&format!("{user}/app.slice/x.service/y.service")), Some((Some(1000), "x.service".to_owned())));
        assert_eq!(of("/system.slice/evil.service/ollama.service"), system("evil.service"));
        for none in ["", "/", "/system.slice", "/group/ollama.service", user, "/user.slice/x"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
