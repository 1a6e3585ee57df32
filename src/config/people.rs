//! Users and groups by name, from the user database of this host: passwd(5) and group(5). Users of a directory service
//! are not in there; they are written as numbers.

use std::collections::BTreeSet;
use std::fs;

use crate::config::problem::Fault;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// The user that stands for all whom the kernel cannot name (user_namespaces(7)).
const UNKNOWN: u32 = 65_534;

/// The user database of this host.
#[derive(Debug, Clone, Default)]
pub(crate) struct People {
    passwd: String,
    group: String,
}

impl People {
    /// Reads it. A file that is not there knows nobody.
    pub(crate) fn read() -> Self {
        let text =
            |path: &str| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
        Self { passwd: text(PASSWD), group: text(GROUP) }
    }

    /// The user of that name or number.
    pub(crate) fn user(&self, text: &str) -> Result<u32, Fault> {
        let uid = match text.parse() {
            Ok(uid) => uid,
            Err(_) => self.named(text).ok_or_else(|| unknown("user", text, PASSWD))?,
        };
        match uid {
            UNKNOWN | u32::MAX => {
                let what = format!(
                    "the user {text} cannot be told from others: the kernel says {UNKNOWN} for every user that it cannot name"
                );
                Err(Fault::new(what).hint("give what shall be known a user of its own"))
            }
            uid => Ok(uid),
        }
    }

    /// All members of the group of that name or number: those for whom it is the main group, too.
    pub(crate) fn members(&self, text: &str) -> Result<BTreeSet<u32>, Fault> {
        let wanted = text.parse::<u32>().ok();
        let is_it = |fields: &[&str]| match wanted {
            Some(gid) => fields.get(2).and_then(|field| field.parse().ok()) == Some(gid),
            None => fields.first() == Some(&text),
        };
        let found = entries(&self.group).find(|fields| is_it(fields)).ok_or_else(|| unknown("group", text, GROUP))?;
        let gid = found.get(2).copied().unwrap_or_default();
        let listed = found.get(3).copied().unwrap_or_default().split(',').filter_map(|name| self.named(name));
        let main =
            entries(&self.passwd).filter(|fields| fields.get(3) == Some(&gid)).filter_map(|fields| uid_of(&fields));
        Ok(listed.chain(main).filter(|uid| *uid != UNKNOWN).collect())
    }

    fn named(&self, name: &str) -> Option<u32> {
        entries(&self.passwd)
            .find(|fields| !name.is_empty() && fields.first() == Some(&name))
            .and_then(|fields| uid_of(&fields))
    }
}

fn uid_of(fields: &[&str]) -> Option<u32> {
    fields.get(2)?.parse().ok()
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn unknown(what: &str, name: &str, file: &str) -> Fault {
    let hint =
        format!("see {file}; a {what} of a directory service, or one that is yet to come, can be written as a number");
    Fault::new(format!("there is no {what} {name:?} on this host")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> People {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:27::/:\nnobody:x:65534:65534::/:\nbad\n";
        let group = "root:x:0:\nsudo:x:27:alice,gone,root\nempty:x:50:\n";
        People { passwd: passwd.to_owned(), group: group.to_owned() }
    }

    #[test]
    fn users_are_known_by_name_and_by_number() {
        for (text, uid) in [("root", 0), ("alice", 1000), ("1001", 1001), ("4242", 4242)] {
            assert_eq!(people().user(text).ok(), Some(uid), "{text}");
        }
        for text in ["", "gone", "bad", "-1", "nobody", "65534", "4294967295", "1000:"] {
            assert!(people().user(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_group_is_its_members_and_those_whose_main_group_it_is() {
        for (text, members) in
            [("sudo", vec![0, 1000, 1001]), ("27", vec![0, 1000, 1001]), ("empty", vec![]), ("0", vec![0])]
        {
            assert_eq!(people().members(text).ok(), Some(members.into_iter().collect()), "{text}");
        }
        assert!(people().members("gone").is_err() && people().members("").is_err());
    }
}
