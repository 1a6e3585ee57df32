//! Every state against every event that matters, as tables of time.

use std::time::Duration;

use super::*;
use crate::auth::credential::TokenAnswer;
use crate::auth::credential::{Binding, Grant};
use crate::model::secret::Secret;
use crate::model::time::Wall;

const T0: i64 = 1_800_000_000;

fn at(seconds: u64) -> Now {
    Now {
        wall: Wall::from_unix_seconds(T0 + i64::try_from(seconds).unwrap()),
        mono: Mono::from_start(Duration::from_secs(seconds)),
    }
}

fn credential(serial: u64, obtained: u64, life: Option<u64>) -> Credential {
    Credential {
        binding: Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example".into(),
            account: Some("12".into()),
            client_id: "40".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        },
        grant: Grant {
            serial,
            access_token: Secret::new(format!("access-{serial}")),
            refresh_token: Some(Secret::new(format!("refresh-{serial}"))),
            obtained_at: at(obtained).wall,
            expires_at: life.map(|life| at(obtained + life).wall),
            refresh_expires_at: None,
        },
    }
}

fn machine_with(credential: Credential, now: Now) -> Machine {
    let mut machine = Machine::new(Means::RefreshToken, 3, now);
    machine.step(Event::Started { saved: Ok(credential), cut_off: false }, now);
    machine
}

fn renewed(access: &str, now: Now, life: u64) -> RenewalOutcome {
    let answer = TokenAnswer {
        access_token: Secret::new(access),
        refresh_token: Some(Secret::new(format!("refresh-of-{access}"))),
        expires_in: Some(Duration::from_secs(life)),
    };
    RenewalOutcome::Renewed { answer, asked_at: now.wall }
}

fn failed() -> RenewalOutcome {
    RenewalOutcome::Failed(Failure { reason: "down".into(), retry_after: None, maybe_processed: false, lasting: false })
}

fn renewals(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Renew { .. })).count()
}

fn published(actions: &[Action]) -> Option<u64> {
    actions.iter().find_map(|action| match action {
        Action::Publish { generation, .. } => Some(*generation),
        _ => None,
    })
}

#[test]
fn without_a_login_one_is_required_and_nothing_is_tried() {
    let mut machine = Machine::new(Means::RefreshToken, 1, at(0));
    let actions = machine.step(Event::Started { saved: Err("no login is saved".into()), cut_off: false }, at(0));
    assert!(actions.contains(&Action::Withdraw(Unavailable::SignInNeeded)), "{actions:?}");
    assert!(actions.contains(&Action::Raise(Trouble::LoginRequired, "no login is saved".into())));
    assert_eq!(renewals(&machine.step(Event::Tick, at(100_000))), 0);
    assert!(machine.needs_login());
}

#[test]
fn e1_a_good_saved_login_is_published_at_once() {
    let mut machine = Machine::new(Means::RefreshToken, 1, at(0));
    let actions = machine.step(Event::Started { saved: Ok(credential(1, 0, Some(10_800))), cut_off: false }, at(60));
    assert_eq!(published(&actions), Some(1));
    assert_eq!(renewals(&actions), 0);
}

#[test]
fn an_expired_saved_login_is_renewed_and_not_published() {
    let mut machine = Machine::new(Means::RefreshToken, 1, at(0));
    let actions = machine.step(Event::Started { saved: Ok(credential(1, 0, Some(100))), cut_off: false }, at(200));
    assert_eq!((published(&actions), renewals(&actions)), (None, 1));
}

#[test]
fn the_new_token_is_saved_before_it_is_published() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    assert_eq!(renewals(&machine.step(Event::Tick, at(801))), 1);
    let outcome = renewed("new", at(801), 1000);
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome }, at(802));
    let save = actions.iter().position(|action| matches!(action, Action::Save(_))).unwrap();
    let publish = actions.iter().position(|action| matches!(action, Action::Publish { .. })).unwrap();
    assert!(save < publish, "{actions:?}");
    assert_eq!(published(&actions), Some(2));
}

#[test]
fn one_renewal_at_a_time_whatever_is_rejected() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    assert_eq!(renewals(&machine.step(Event::Rejected(1), at(1))), 1);
    for second in 2..2000 {
        assert_eq!(renewals(&machine.step(Event::Rejected(1), at(second))), 0);
        assert_eq!(renewals(&machine.step(Event::Tick, at(second))), 0);
    }
}

#[test]
fn a_rejection_of_an_old_generation_changes_nothing() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Rejected(1), at(1));
    machine.step(Event::RenewalEnded { serial: 1, outcome: renewed("new", at(1), 1000) }, at(2));
    assert_eq!(renewals(&machine.step(Event::Rejected(1), at(3))), 0);
}

#[test]
fn a8_an_upstream_that_rejects_every_token_causes_no_storm() {
    let mut machine = machine_with(credential(1, 0, Some(10_000)), at(0));
    let mut count = 0;
    for second in 1..=600 {
        let generation = machine.generation;
        let actions = machine.step(Event::Rejected(generation), at(second));
        if renewals(&actions) == 1 {
            count += 1;
            let serial = machine.credential().unwrap().grant.serial;
            machine.step(Event::RenewalEnded { serial, outcome: renewed("x", at(second), 10_000) }, at(second));
        }
    }
    assert!(count <= 5 + 60, "{count} renewals in ten minutes");
}

#[test]
fn a3_an_outage_keeps_the_token_while_it_lives_then_degrades_then_recovers() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    let mut now = 801;
    assert_eq!(renewals(&machine.step(Event::Tick, at(now))), 1);
    let (mut tries, mut withdrawn_at) = (1, None);
    while now < 3000 {
        let actions = machine.step(Event::RenewalEnded { serial: 1, outcome: failed() }, at(now));
        assert!(actions.contains(&Action::Raise(Trouble::RenewalFailing, "down".into())), "{actions:?}");
        loop {
            now += machine.sleep(at(now)).as_secs().max(1);
            let actions = machine.step(Event::Tick, at(now));
            if actions.contains(&Action::Withdraw(Unavailable::Renewing)) {
                withdrawn_at = Some(now);
            }
            if renewals(&actions) == 1 {
                tries += 1;
                break;
            }
        }
    }
    assert!((1000..=1060).contains(&withdrawn_at.unwrap()), "{withdrawn_at:?}");
    assert!((30..100).contains(&tries), "{tries} tries in 37 minutes");
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome: renewed("n", at(now), 1000) }, at(now));
    assert_eq!(published(&actions), Some(2));
    assert!(actions.contains(&Action::Clear(Trouble::RenewalFailing)));
}

#[test]
fn a_refusal_for_good_requires_a_login_and_keeps_what_still_works() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Tick, at(801));
    let outcome = RenewalOutcome::Refused("invalid_grant".into());
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome }, at(802));
    assert!(actions.contains(&Action::Raise(Trouble::LoginRequired, "invalid_grant".into())));
    assert!(actions.contains(&Action::Explain(Unavailable::SignInNeeded)), "{actions:?}");
    assert_eq!(renewals(&machine.step(Event::Tick, at(900))), 0);
    let actions = machine.step(Event::Tick, at(1000));
    assert!(actions.contains(&Action::Withdraw(Unavailable::SignInNeeded)), "{actions:?}");
    let actions = machine.step(Event::SignedIn(credential(0, 1100, Some(1000))), at(1100));
    assert_eq!(published(&actions), Some(2));
    assert_eq!(machine.credential().unwrap().grant.serial, 2);
    assert!(!machine.needs_login());
}

#[test]
fn a5_a_lost_answer_is_named_as_the_cause() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Tick, at(801));
    let lost = Failure { reason: "cut".into(), retry_after: None, maybe_processed: true, lasting: false };
    machine.step(Event::RenewalEnded { serial: 1, outcome: RenewalOutcome::Failed(lost) }, at(802));
    assert_eq!(renewals(&machine.step(Event::Tick, at(810))), 1);
    let outcome = RenewalOutcome::Refused("invalid_grant".into());
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome }, at(811));
    let named = |action: &Action| matches!(action, Action::Raise(Trouble::LoginRequired, why) if why.contains("lost"));
    assert!(actions.iter().any(named), "{actions:?}");
}

#[test]
fn a6_unknown_lives_are_not_taken_for_expired() {
    let mut machine = Machine::new(Means::RefreshToken, 1, at(0));
    let actions = machine.step(Event::Started { saved: Ok(credential(1, 0, None)), cut_off: false }, at(10));
    assert_eq!((published(&actions), renewals(&actions)), (Some(1), 0));
    assert_eq!(renewals(&machine.step(Event::Tick, at(2000))), 0);
    assert_eq!(renewals(&machine.step(Event::Tick, at(2900))), 1);
}

#[test]
fn a6_a_token_of_a_minute_is_renewed_about_once_a_minute() {
    let mut machine = machine_with(credential(1, 0, Some(60)), at(0));
    let mut count = 0;
    for second in 1..=3600 {
        if renewals(&machine.step(Event::Tick, at(second))) == 1 {
            count += 1;
            let serial = machine.credential().unwrap().grant.serial;
            machine.step(Event::RenewalEnded { serial, outcome: renewed("x", at(second), 60) }, at(second));
        }
    }
    assert!((60..=85).contains(&count), "{count} renewals in an hour");
}

#[test]
fn a7_the_machine_slept_or_the_clock_was_set() {
    let slept = |seconds: u64, wall_ahead: i64| Now {
        wall: Wall::from_unix_seconds(T0 + i64::try_from(seconds).unwrap() + wall_ahead),
        mono: Mono::from_start(Duration::from_secs(seconds)),
    };
    // Eight hours asleep: wall ahead, monotonic not. Expired, renewed once.
    let mut machine = machine_with(credential(1, 0, Some(10_800)), at(0));
    let actions = machine.step(Event::Tick, slept(30, 28_800));
    assert!(actions.contains(&Action::Withdraw(Unavailable::Renewing)));
    assert_eq!(renewals(&actions), 1);
    // An hour back: the monotonic clock still renews on time.
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    assert_eq!(renewals(&machine.step(Event::Tick, slept(700, -3600))), 0);
    assert_eq!(renewals(&machine.step(Event::Tick, slept(801, -3600))), 1);
}

#[test]
fn a11_a_failed_save_publishes_all_the_same_and_is_tried_again() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Tick, at(801));
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome: renewed("new", at(801), 1000) }, at(802));
    assert_eq!(published(&actions), Some(2));
    let actions = machine.step(Event::SaveEnded(Err("disk full".into())), at(802));
    assert!(actions.contains(&Action::Raise(Trouble::NotDurable, "disk full".into())));
    let actions = machine.step(Event::Tick, at(804));
    assert!(matches!(actions.as_slice(), [Action::Save(saved)] if saved.grant.serial == 2), "{actions:?}");
    assert!(machine.step(Event::SaveEnded(Ok(())), at(804)).contains(&Action::Clear(Trouble::NotDurable)));
    assert_eq!(machine.step(Event::Tick, at(900)), vec![]);
}

#[test]
fn an_older_credential_never_replaces_a_newer_one() {
    let mut machine = machine_with(credential(5, 0, Some(1000)), at(0));
    assert_eq!(machine.step(Event::Found(credential(4, 0, Some(1000))), at(1)), vec![]);
    assert_eq!(published(&machine.step(Event::Found(credential(6, 0, Some(1000))), at(1))), Some(2));
}

#[test]
fn a_login_during_a_renewal_wins_over_its_answer() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Tick, at(801));
    machine.step(Event::SignedIn(credential(1, 801, Some(1000))), at(801));
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome: renewed("old", at(801), 9) }, at(802));
    assert_eq!(actions, vec![]);
    assert_eq!(machine.credential().unwrap().grant.access_token, Secret::new("access-1"));
}

#[test]
fn a_login_without_a_refresh_token_ends_with_its_token() {
    let mut alone = credential(1, 0, Some(1000));
    alone.grant.refresh_token = None;
    let mut machine = machine_with(alone, at(0));
    assert_eq!(machine.step(Event::Tick, at(900)), vec![]);
    let actions = machine.step(Event::Tick, at(1000));
    assert!(actions.iter().any(|action| matches!(action, Action::Raise(Trouble::LoginRequired, _))), "{actions:?}");
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Tick, at(801));
    let busy = Failure {
        reason: "429".into(),
        retry_after: Some(Duration::from_secs(90)),
        maybe_processed: false,
        lasting: false,
    };
    machine.step(Event::RenewalEnded { serial: 1, outcome: RenewalOutcome::Failed(busy) }, at(801));
    assert_eq!(renewals(&machine.step(Event::Tick, at(880))), 0);
    assert_eq!(renewals(&machine.step(Event::Tick, at(892))), 1);
}

#[test]
fn a10_a_renewal_cut_off_by_a_crash_is_named_as_the_cause() {
    let mut machine = Machine::new(Means::RefreshToken, 3, at(0));
    machine.step(Event::Started { saved: Ok(credential(1, 0, Some(1000))), cut_off: true }, at(900));
    let outcome = RenewalOutcome::Refused("invalid_grant".into());
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome }, at(901));
    let named = |action: &Action| matches!(action, Action::Raise(Trouble::LoginRequired, why) if why.contains("lost"));
    assert!(actions.iter().any(named), "{actions:?}");
}

#[test]
fn a_source_at_will_needs_no_person_and_is_asked_at_once() {
    let mut machine = Machine::new(Means::AtWill, 3, at(0));
    let mut blank = credential(0, 0, Some(0));
    blank.grant.refresh_token = None;
    let actions = machine.step(Event::Started { saved: Ok(blank), cut_off: false }, at(0));
    assert_eq!((published(&actions), renewals(&actions)), (None, 1));
    machine.step(Event::RenewalEnded { serial: 0, outcome: failed() }, at(0));
    assert!(!machine.needs_login());
    assert_eq!(renewals(&machine.step(Event::SourceChanged, at(0))), 1, "news end the waiting");
    let actions = machine.step(Event::RenewalEnded { serial: 0, outcome: renewed("x", at(0), 60) }, at(0));
    assert_eq!(published(&actions), Some(2));
    let actions = machine.step(Event::Rejected(2), at(1));
    assert!(matches!(actions.as_slice(), [Action::Renew { rejected: true, .. }]), "{actions:?}");
}

#[test]
fn a_rejection_beyond_the_allowance_is_made_up_for() {
    let mut machine = machine_with(credential(1, 0, Some(100_000)), at(0));
    let mut count = 0;
    let mut serve = |machine: &mut Machine, actions: Vec<Action>, now: u64| {
        if renewals(&actions) == 1 {
            count += 1;
            let serial = machine.credential().unwrap().grant.serial;
            machine.step(Event::RenewalEnded { serial, outcome: renewed("x", at(now), 100_000) }, at(now));
        }
        count
    };
    for _ in 0..6 {
        let actions = machine.step(Event::Rejected(machine.generation), at(1));
        serve(&mut machine, actions, 1);
    }
    // The sixth was one too many. It is not reported again, and not forgotten.
    let wait = machine.sleep(at(1)).as_secs() + 1;
    assert!(wait <= 10, "{wait}");
    let actions = machine.step(Event::Tick, at(1 + wait));
    assert_eq!(serve(&mut machine, actions, 1 + wait), 6);
}

#[test]
fn a_removed_login_is_not_used_any_more() {
    let signed_out = |actions: &[Action]| {
        let said = |action: &Action| matches!(action, Action::Raise(Trouble::LoginRequired, why) if why.starts_with("signed out"));
        actions.contains(&Action::Withdraw(Unavailable::SignInNeeded)) && actions.iter().any(said)
    };
    // In every state that has a login: fresh, renewing, waiting for the next try, refused, expired.
    let fresh = || machine_with(credential(1, 0, Some(1000)), at(0));
    let renewing = || {
        let mut machine = fresh();
        machine.step(Event::Tick, at(801));
        machine
    };
    let ended = |outcome: RenewalOutcome| {
        let mut machine = renewing();
        machine.step(Event::RenewalEnded { serial: 1, outcome }, at(802));
        machine
    };
    for (state, mut machine) in [
        ("fresh", fresh()),
        ("renewing", renewing()),
        ("retrying", ended(failed())),
        ("refused", ended(RenewalOutcome::Refused("invalid_grant".into()))),
    ] {
        let actions = machine.step(Event::Removed, at(810));
        assert!(signed_out(&actions), "{state}: {actions:?}");
        assert_eq!((machine.credential(), machine.needs_login()), (None, true), "{state}");
        assert_eq!(machine.step(Event::Tick, at(100_000)), vec![], "{state}: nothing is tried");
        assert_eq!(machine.step(Event::Removed, at(100_000)), vec![], "{state}: it is said once");
        let generation = machine.generation;
        let actions = machine.step(Event::Found(credential(1, 100_000, Some(1000))), at(100_000));
        assert_eq!(published(&actions), Some(generation + 1), "{state}: the next login is taken, whatever its serial");
    }
    // A renewal that finds the login removed has asked nothing.
    let mut machine = renewing();
    let actions = machine.step(Event::RenewalEnded { serial: 1, outcome: RenewalOutcome::Removed }, at(802));
    assert!(signed_out(&actions) && renewals(&actions) == 0, "{actions:?}");
    // Without a login nothing changes.
    let mut machine = Machine::new(Means::RefreshToken, 1, at(0));
    machine.step(Event::Started { saved: Err("no login is saved".into()), cut_off: false }, at(0));
    assert_eq!(machine.step(Event::Removed, at(1)), vec![]);
}

#[test]
fn a_login_that_is_not_on_disk_yet_was_not_removed() {
    let mut machine = machine_with(credential(1, 0, Some(1000)), at(0));
    machine.step(Event::Tick, at(801));
    machine.step(Event::RenewalEnded { serial: 1, outcome: renewed("new", at(801), 1000) }, at(802));
    machine.step(Event::SaveEnded(Err("disk full".into())), at(802));
    assert!(!machine.is_durable());
    assert_eq!(machine.step(Event::Removed, at(802)), vec![]);
    assert_eq!(machine.credential().unwrap().grant.serial, 2);
    machine.step(Event::Tick, at(804));
    machine.step(Event::SaveEnded(Ok(())), at(804));
    assert!(machine.is_durable());
    machine.step(Event::Removed, at(805));
    assert_eq!(machine.credential(), None);
}

#[test]
fn a_login_without_a_refresh_token_that_ended_before_the_start_needs_a_person() {
    let mut alone = credential(1, 0, Some(1000));
    alone.grant.refresh_token = None;
    let mut machine = Machine::new(Means::RefreshToken, 1, at(2000));
    let actions = machine.step(Event::Started { saved: Ok(alone), cut_off: false }, at(2000));
    assert!(actions.iter().any(|action| matches!(action, Action::Raise(Trouble::LoginRequired, _))), "{actions:?}");
    assert!(actions.contains(&Action::Withdraw(Unavailable::SignInNeeded)), "{actions:?}");
    assert!(machine.needs_login());
}

#[test]
fn a_rejected_token_that_cannot_be_renewed_needs_a_person_at_once() {
    let mut alone = credential(1, 0, Some(1000));
    alone.grant.refresh_token = None;
    let mut machine = machine_with(alone, at(0));
    let actions = machine.step(Event::Rejected(1), at(1));
    assert!(actions.iter().any(|action| matches!(action, Action::Raise(Trouble::LoginRequired, _))), "{actions:?}");
    assert!(actions.contains(&Action::Withdraw(Unavailable::SignInNeeded)), "{actions:?}");
    assert_eq!(machine.credential().unwrap().grant.serial, 1, "nothing is deleted");
}
