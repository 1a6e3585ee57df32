//! Whatever happens in whatever order, what the machine promises holds.
//!
//! A small world around the machine: a server that answers, fails or refuses; a disk that saves or does not; two
//! clocks that move together, or jump. `PROPTEST_CASES` says how many sequences are driven.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::auth::credential::TokenAnswer;
use crate::auth::credential::{Binding, Grant};
use crate::auth::timing::LONGEST_WAIT;
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// More renewals than this within a minute are a storm: eight failures with growing waits, eleven rejections, and
/// the renewals of tokens that live ten seconds.
const MOST_IN_A_MINUTE: usize = 35;

#[derive(Debug, Clone)]
enum Step {
    /// Both clocks go on.
    Pass(u64),
    /// The wall clock alone jumps: the machine slept, or somebody set the clock.
    Jump(i64),
    /// The upstream rejects the current bearer, or an older one.
    Reject {
        older: bool,
    },
    /// The renewal under way ends.
    Renewed {
        life: Option<u64>,
        rotated: bool,
    },
    Failed {
        maybe_processed: bool,
        retry_after: Option<u64>,
        lasting: bool,
    },
    Refused,
    /// A person signs in.
    SignIn {
        life: u64,
    },
    /// Another process saved a login with a serial this much above (or below) ours.
    Found {
        ahead: i64,
        life: u64,
    },
    /// A person signs out, in this process or in another one.
    SignOut {
        here: bool,
    },
    /// From now on saving works, or does not.
    Disk {
        works: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..4000).prop_map(Step::Pass),
        6 => (0_u64..40).prop_map(Step::Pass),
        1 => (-90_000_i64..90_000).prop_map(Step::Jump),
        3 => any::<bool>().prop_map(|older| Step::Reject { older }),
        6 => (proptest::option::weighted(0.9, 10_u64..20_000), any::<bool>())
            .prop_map(|(life, rotated)| Step::Renewed { life, rotated }),
        4 => (any::<bool>(), proptest::option::weighted(0.2, 0_u64..1000), any::<bool>())
            .prop_map(|(maybe_processed, retry_after, lasting)| Step::Failed { maybe_processed, retry_after, lasting }),
        1 => Just(Step::Refused),
        1 => (10_u64..20_000).prop_map(|life| Step::SignIn { life }),
        1 => (-3_i64..4, 10_u64..20_000).prop_map(|(ahead, life)| Step::Found { ahead, life }),
        1 => any::<bool>().prop_map(|here| Step::SignOut { here }),
        1 => any::<bool>().prop_map(|works| Step::Disk { works }),
    ]
}

struct World {
    machine: Machine,
    now: Now,
    disk_works: bool,
    on_disk: Option<u64>,
    /// The serial of the grant that is being renewed.
    in_flight: Option<u64>,
    published: Option<(u64, Option<(Wall, Mono)>)>,
    /// What readers are told to do without a bearer.
    without: Unavailable,
    withdrawn: bool,
    highest_serial: u64,
    renewals: VecDeque<Mono>,
}

fn credential(serial: u64, now: Now, life: Option<u64>) -> Credential {
    Credential {
        binding: Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example".into(),
            account: None,
            client_id: "1".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        },
        grant: Grant {
            serial,
            access_token: Secret::new(format!("access-{serial}")),
            refresh_token: Some(Secret::new(format!("refresh-{serial}"))),
            obtained_at: now.wall,
            expires_at: life.map(|life| now.wall.plus(Duration::from_secs(life))),
            refresh_expires_at: None,
        },
    }
}

impl World {
    fn new(saved_life: Option<u64>) -> Self {
        let now = Now { wall: Wall::from_unix_seconds(1_800_000_000), mono: Mono::from_start(Duration::ZERO) };
        let mut world = Self {
            machine: Machine::new(Means::RefreshToken, 11, now),
            now,
            disk_works: true,
            on_disk: None,
            in_flight: None,
            published: None,
            without: Unavailable::Renewing,
            withdrawn: true,
            highest_serial: 0,
            renewals: VecDeque::new(),
        };
        let saved = saved_life.map(|life| credential(1, now, Some(life))).ok_or_else(|| "none".to_owned());
        world.happen(Event::Started { saved, cut_off: false });
        world
    }

    /// One event, and everything that follows from it.
    fn happen(&mut self, event: Event) {
        let kept = self.machine.credential().is_some() && !matches!(event, Event::Removed | Event::SignedOut);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut to_be_saved = None;
            for action in self.machine.step(event, self.now) {
                match action {
                    Action::Renew { credential, .. } => self.begin_renewal(credential.grant.serial),
                    Action::Save(credential) => {
                        to_be_saved = Some(credential.grant.serial);
                        let result = if self.disk_works { Ok(()) } else { Err("no room".to_owned()) };
                        if self.disk_works {
                            assert!(self.on_disk.is_none_or(|old| credential.grant.serial >= old), "older over newer");
                            self.on_disk = Some(credential.grant.serial);
                        }
                        events.push_back(Event::SaveEnded(result));
                    }
                    Action::Publish { generation, expires, .. } => {
                        self.publish(generation, expires, to_be_saved);
                    }
                    Action::Withdraw(without) => {
                        self.withdrawn = true;
                        self.without = without;
                    }
                    Action::Explain(without) => self.without = without,
                    Action::Raise(..) | Action::Clear(_) => {}
                }
            }
        }
        assert!(!kept || self.machine.credential().is_some(), "nothing but signing out ever deletes a login");
        let serial = self.machine.credential().map_or(0, |held| held.grant.serial);
        assert!(serial >= self.highest_serial, "an older credential replaced a newer one");
        if self.machine.renewing {
            assert_ne!(self.without, Unavailable::NotSoon, "a renewal is under way, and nobody may wait for it");
        }
        if self.without == Unavailable::NotSoon {
            assert!(self.machine.next_renewal(self.now).is_some(), "given up without a word");
        }
        self.highest_serial = serial;
    }

    fn begin_renewal(&mut self, serial: u64) {
        // A sign-in ends the renewal of the grant before it; nothing else may begin a second one.
        assert!(self.in_flight.is_none_or(|other| other < serial), "two renewals at a time");
        self.in_flight = Some(serial);
        self.renewals.push_back(self.now.mono);
        while self.renewals.front().is_some_and(|at| self.now.mono.since(*at) > Duration::from_secs(60)) {
            self.renewals.pop_front();
        }
        assert!(self.renewals.len() <= MOST_IN_A_MINUTE, "{} renewals in a minute", self.renewals.len());
    }

    fn publish(&mut self, generation: u64, expires: Option<(Wall, Mono)>, saved_first: Option<u64>) {
        assert!(self.published.is_none_or(|(before, _)| generation > before), "generations grow");
        let alive = expires.is_none_or(|(wall, mono)| self.now.wall < wall && self.now.mono < mono);
        assert!(alive, "an expired token was published as good");
        let serial = self.machine.credential().map(|held| held.grant.serial);
        assert!(saved_first.is_none() || saved_first == serial, "published before it was to be saved");
        self.published = Some((generation, expires));
        self.without = Unavailable::Renewing;
        self.withdrawn = false;
    }

    fn usable(&self) -> bool {
        let alive = |(wall, mono): (Wall, Mono)| self.now.wall < wall && self.now.mono < mono;
        !self.withdrawn && self.published.is_some_and(|(_, expires)| expires.is_none_or(alive))
    }

    fn renewal_ends(&mut self, outcome: RenewalOutcome) {
        if let Some(serial) = self.in_flight.take() {
            self.happen(Event::RenewalEnded { serial, outcome });
        }
    }

    fn succeed(&mut self, life: Option<u64>, rotated: bool) {
        let answer = TokenAnswer {
            access_token: Secret::new("new"),
            refresh_token: rotated.then(|| Secret::new("rotated")),
            expires_in: life.map(Duration::from_secs),
        };
        let asked_at = self.now.wall;
        self.renewal_ends(RenewalOutcome::Renewed { answer, asked_at });
    }

    fn pass(&mut self, duration: Duration) {
        self.now = Now { wall: self.now.wall.plus(duration), mono: self.now.mono.plus(duration) };
    }

    /// Lets time pass as the keeper does: never longer than the machine wants to sleep.
    fn live(&mut self, duration: Duration) {
        let mut left = duration;
        while !left.is_zero() {
            let nap =
                self.machine.sleep(self.now).clamp(Duration::from_millis(20), left.max(Duration::from_millis(20)));
            self.pass(nap);
            left = left.saturating_sub(nap);
            self.happen(Event::Tick);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(seconds) => self.live(Duration::from_secs(seconds)),
            Step::Jump(seconds) => {
                let jump = Duration::from_secs(seconds.unsigned_abs());
                self.now.wall = if seconds < 0 { self.now.wall.minus(jump) } else { self.now.wall.plus(jump) };
                self.happen(Event::Tick);
            }
            Step::Reject { older } => {
                let generation = self.published.map_or(0, |(generation, _)| generation);
                self.happen(Event::Rejected(if older { generation.saturating_sub(1) } else { generation }));
            }
            Step::Renewed { life, rotated } => self.succeed(life, rotated),
            Step::Failed { maybe_processed, retry_after, lasting } => {
                let retry_after = retry_after.map(Duration::from_secs);
                let failure = Failure { reason: "down".into(), retry_after, maybe_processed, lasting };
                self.renewal_ends(RenewalOutcome::Failed(failure));
            }
            Step::Refused => self.renewal_ends(RenewalOutcome::Refused("invalid_grant".into())),
            Step::SignIn { life } => {
                let serial = self.on_disk.unwrap_or(0);
                self.happen(Event::SignedIn(credential(serial, self.now, Some(life))));
            }
            Step::Found { ahead, life } => {
                let serial = self.highest_serial.saturating_add_signed(ahead);
                self.happen(Event::Found(credential(serial, self.now, Some(life))));
                self.on_disk = self.on_disk.max(Some(serial));
            }
            Step::SignOut { here } => self.sign_out(here),
            Step::Disk { works } => self.disk_works = works,
        }
    }

    fn sign_out(&mut self, here: bool) {
        let held = self.machine.credential().is_some();
        // From another process, what was never on disk cannot be removed.
        let ends = here || self.machine.is_durable();
        self.on_disk = None;
        if ends {
            self.highest_serial = 0;
        }
        self.happen(if here { Event::SignedOut } else { Event::Removed });
        if ends {
            assert!(self.withdrawn || !held, "a bearer of a removed login is still published");
            assert!(self.machine.needs_login());
            self.in_flight = None;
        } else {
            assert_eq!(self.machine.credential().is_some(), held, "what is not on disk was not removed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_keeps_the_promises(
        saved_life in proptest::option::weighted(0.8, 10_u64..20_000),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(saved_life);
        for step in steps {
            world.take(step);
        }
        // The outage ends: the server answers at once from now on.
        world.disk_works = true;
        world.succeed(Some(10_000), true);
        let longest = LONGEST_WAIT + LONGEST_RETRY_AFTER + Duration::from_secs(2);
        let mut waited = Duration::ZERO;
        while !world.usable() && !world.machine.needs_login() {
            prop_assert!(waited <= longest, "still no token {waited:?} after the outage ended");
            world.live(Duration::from_secs(1));
            waited += Duration::from_secs(1);
            world.succeed(Some(10_000), true);
        }
        // And everything is on disk again.
        world.live(LONGEST_WAIT + Duration::from_secs(1));
        prop_assert!(world.machine.unsaved.is_none(), "the newest login is not on disk");
    }
}
