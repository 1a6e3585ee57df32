//! The units of systemd, as `systemctl show` describes them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::daemon::Environment;
use crate::process;

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) const SERVICE: &str = "mcp-proxy.service";
pub(super) const SOCKET: &str = "mcp-proxy.socket";
pub(super) const CONTROL: &str = "mcp-proxy-control.socket";
pub(super) const DIAG: &str = "mcp-proxy-diag.socket";

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,Result,FragmentPath,DropInPaths,\
                          NeedDaemonReload,NRestarts,MainPID";

/// The units of one manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Units {
    /// True for the manager of the user who asks.
    pub(super) of_user: bool,
    by_id: BTreeMap<String, Unit>,
}

/// The properties of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit(BTreeMap<String, String>);

/// Asks the manager of the user, if it has the service, and else that of the system.
///
/// # Errors
/// Why neither answers.
pub(super) async fn look(uid: u32, environment: &Environment) -> Result<Units, String> {
    if uid != 0 && environment.contains_key("XDG_RUNTIME_DIR") {
        let own = ask(true).await.unwrap_or_default();
        if own.any_is_started() || own.service().is_some_and(|unit| unit.get("UnitFileState") == "enabled") {
            return Ok(own);
        }
    }
    ask(false).await
}

async fn ask(of_user: bool) -> Result<Units, String> {
    let mut line = vec!["systemctl", "show", "--property", PROPERTIES];
    if of_user {
        line.push("--user");
    }
    line.extend([SERVICE, SOCKET, CONTROL, DIAG]);
    let line: Vec<String> = line.into_iter().map(str::to_owned).collect();
    let text = process::output("command", &line, PATIENCE).await?;
    Ok(Units { of_user, by_id: parse(&text) })
}

/// Blocks of `Name=value`, with an empty line between two units.
fn parse(text: &str) -> BTreeMap<String, Unit> {
    let unit = |block: &str| {
        let fields = block.lines().filter_map(|line| line.split_once('='));
        Unit(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    };
    text.split("\n\n")
        .map(unit)
        .filter(|unit| !unit.get("Id").is_empty())
        .map(|unit| (unit.get("Id").to_owned(), unit))
        .collect()
}

impl Units {
    pub(super) fn service(&self) -> Option<&Unit> {
        self.get(SERVICE)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Unit> {
        self.by_id.get(id)
    }

    /// Those that are there.
    pub(super) fn loaded(&self) -> impl Iterator<Item = (&str, &Unit)> {
        self.by_id.iter().filter(|(_, unit)| unit.is_loaded()).map(|(id, unit)| (id.as_str(), unit))
    }

    /// True if the service or its port is started.
    pub(super) fn any_is_started(&self) -> bool {
        [SERVICE, SOCKET].iter().filter_map(|id| self.get(id)).any(Unit::is_active)
    }

    /// The process of the service.
    pub(super) fn main_pid(&self) -> Option<u32> {
        self.service()?.get("MainPID").parse().ok().filter(|pid| *pid != 0)
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self { of_user: false, by_id: parse(text) }
    }
}

impl Unit {
    /// A property; empty if it is not known.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.get("LoadState") == "loaded"
    }

    pub(super) fn is_active(&self) -> bool {
        matches!(self.get("ActiveState"), "active" | "reloading")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_units() {
        let units = Units::of(
            "Id=mcp-proxy.service\nLoadState=loaded\nActiveState=active\nMainPID=7\nDropInPaths=/a /b\n\n\
             Id=mcp-proxy.socket\nLoadState=not-found\nActiveState=inactive\n\n",
        );
        assert_eq!((units.main_pid(), units.any_is_started()), (Some(7), true));
        assert_eq!(units.loaded().map(|(id, _)| id).collect::<Vec<_>>(), [SERVICE]);
        assert_eq!(units.service().unwrap().get("DropInPaths"), "/a /b");
        assert_eq!(Units::of("nonsense"), Units::default());
    }
}
