//! Every state against every event: what the machine does, as one table.
//!
//! A cell holds the actions in their order. `wait`, `not-soon` and `login` say what readers are told to do meanwhile:
//! wait for the renewal, not wait, or have a person sign in. A `renew!` follows a token that the upstream refused.

use std::time::Duration;

use super::*;
use crate::auth::credential::{Binding, Grant, TokenAnswer};
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// Where the machine is. Each state has a moment of its own, at which the event happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody signed in.
    NoLogin,
    /// The token lives, and its renewal is not due.
    Fresh,
    /// The token lives and is being renewed.
    Renewing,
    /// The token lives, a renewal failed, and the next try is not due.
    Waiting,
    /// The token lives, and the server refuses to renew it.
    RefusedAlive,
    /// The same, after its end.
    RefusedExpired,
    /// The token has ended while it was being renewed.
    ExpiredRenewing,
    /// The token lives, and could not be saved.
    NotDurable,
    /// A source was asked for its first token.
    AtWillAsked,
    /// A source gave none, and the next try is not due.
    AtWillWaiting,
    /// The same, and only a person can end it.
    AtWillStuck,
}

const STATES: [State; 11] = [
    State::NoLogin,
    State::Fresh,
    State::Renewing,
    State::Waiting,
    State::RefusedAlive,
    State::RefusedExpired,
    State::ExpiredRenewing,
    State::NotDurable,
    State::AtWillAsked,
    State::AtWillWaiting,
    State::AtWillStuck,
];

/// What happens: every event, those with two faces twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StartedWithNewer,
    StartedWithout,
    Tick,
    TickMuchLater,
    Rejected,
    RejectedOlder,
    Renewed,
    AdoptedNewer,
    AdoptedOlder,
    Failed,
    FailedForLong,
    Refused,
    RenewalFoundNone,
    SignedIn,
    FoundNewer,
    FoundOlder,
    Removed,
    SignedOut,
    Saved,
    NotSaved,
    SourceChanged,
}

const KINDS: [Kind; 21] = [
    Kind::StartedWithNewer,
    Kind::StartedWithout,
    Kind::Tick,
    Kind::TickMuchLater,
    Kind::Rejected,
    Kind::RejectedOlder,
    Kind::Renewed,
    Kind::AdoptedNewer,
    Kind::AdoptedOlder,
    Kind::Failed,
    Kind::FailedForLong,
    Kind::Refused,
    Kind::RenewalFoundNone,
    Kind::SignedIn,
    Kind::FoundNewer,
    Kind::FoundOlder,
    Kind::Removed,
    Kind::SignedOut,
    Kind::Saved,
    Kind::NotSaved,
    Kind::SourceChanged,
];

/// The cells of one state, in the order of [`KINDS`].
type Row = [&'static str; KINDS.len()];

#[rustfmt::skip]
fn expected(state: State) -> Row {
    // A state or an event without its cells does not compile.
    match state {
        State::NoLogin => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login withdraw:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "publish clear:login clear:renewal",
            /* Removed          */ "",
            /* SignedOut        */ "",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "",
            /* SourceChanged    */ "",
        ],
        State::Fresh => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login explain:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "withdraw:wait renew",
            /* Rejected         */ "renew!",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "renew",
        ],
        State::Renewing => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login explain:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "withdraw:wait",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "save publish clear:login clear:renewal",
            /* AdoptedNewer     */ "publish clear:login clear:renewal",
            /* AdoptedOlder     */ "raise:renewal",
            /* Failed           */ "raise:renewal",
            /* FailedForLong    */ "raise:renewal explain:not-soon",
            /* Refused          */ "clear:renewal raise:login explain:login",
            /* RenewalFoundNone */ "clear:renewal raise:login withdraw:login",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "",
        ],
        State::Waiting => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login explain:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "withdraw:wait renew",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "renew",
        ],
        State::RefusedAlive => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login explain:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "withdraw:login",
            /* Rejected         */ "withdraw:login",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "",
        ],
        State::RefusedExpired => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login withdraw:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "",
            /* Rejected         */ "withdraw:login",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "",
        ],
        State::ExpiredRenewing => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login withdraw:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "save publish clear:login clear:renewal",
            /* AdoptedNewer     */ "publish clear:login clear:renewal",
            /* AdoptedOlder     */ "raise:renewal",
            /* Failed           */ "raise:renewal",
            /* FailedForLong    */ "raise:renewal explain:not-soon",
            /* Refused          */ "clear:renewal raise:login withdraw:login",
            /* RenewalFoundNone */ "clear:renewal raise:login withdraw:login",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "",
        ],
        State::NotDurable => [
            /* StartedWithNewer */ "publish clear:login clear:renewal clear:disk",
            /* StartedWithout   */ "raise:login explain:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "withdraw:wait save renew",
            /* Rejected         */ "renew!",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal clear:disk",
            /* FoundOlder       */ "",
            /* Removed          */ "",
            /* SignedOut        */ "clear:disk clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "renew",
        ],
        State::AtWillAsked => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login withdraw:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "save publish clear:login clear:renewal",
            /* AdoptedNewer     */ "publish clear:login clear:renewal",
            /* AdoptedOlder     */ "raise:renewal",
            /* Failed           */ "raise:renewal",
            /* FailedForLong    */ "raise:renewal explain:not-soon",
            /* Refused          */ "clear:renewal raise:login withdraw:login",
            /* RenewalFoundNone */ "clear:renewal raise:login withdraw:login",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "",
        ],
        State::AtWillWaiting => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login withdraw:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "renew",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "renew",
        ],
        State::AtWillStuck => [
            /* StartedWithNewer */ "publish clear:login clear:renewal",
            /* StartedWithout   */ "raise:login withdraw:login",
            /* Tick             */ "",
            /* TickMuchLater    */ "renew explain:wait",
            /* Rejected         */ "",
            /* RejectedOlder    */ "",
            /* Renewed          */ "",
            /* AdoptedNewer     */ "",
            /* AdoptedOlder     */ "",
            /* Failed           */ "",
            /* FailedForLong    */ "",
            /* Refused          */ "",
            /* RenewalFoundNone */ "",
            /* SignedIn         */ "save publish clear:login clear:renewal",
            /* FoundNewer       */ "publish clear:login clear:renewal",
            /* FoundOlder       */ "",
            /* Removed          */ "clear:renewal raise:login withdraw:login",
            /* SignedOut        */ "clear:renewal raise:login withdraw:login",
            /* Saved            */ "clear:disk",
            /* NotSaved         */ "raise:disk",
            /* SourceChanged    */ "renew explain:wait",
        ],
    }
}

/// A new event does not compile until it has a kind, and with it a column.
fn kind_of(event: &Event, held: u64, later: bool) -> Kind {
    match event {
        Event::Started { saved: Ok(_), cut_off: _ } => Kind::StartedWithNewer,
        Event::Started { saved: Err(_), cut_off: _ } => Kind::StartedWithout,
        Event::Tick if later => Kind::TickMuchLater,
        Event::Tick => Kind::Tick,
        Event::Rejected(0) => Kind::RejectedOlder,
        Event::Rejected(_) => Kind::Rejected,
        Event::RenewalEnded { serial: _, outcome } => match outcome {
            RenewalOutcome::Renewed { .. } => Kind::Renewed,
            RenewalOutcome::Adopted(credential) if credential.grant.serial > held => Kind::AdoptedNewer,
            RenewalOutcome::Adopted(_) => Kind::AdoptedOlder,
            RenewalOutcome::Failed(failure) if failure.lasting => Kind::FailedForLong,
            RenewalOutcome::Failed(_) => Kind::Failed,
            RenewalOutcome::Refused(_) => Kind::Refused,
            RenewalOutcome::Removed => Kind::RenewalFoundNone,
        },
        Event::SignedIn(_) => Kind::SignedIn,
        Event::Found(credential) if credential.grant.serial > held => Kind::FoundNewer,
        Event::Found(_) => Kind::FoundOlder,
        Event::Removed => Kind::Removed,
        Event::SignedOut => Kind::SignedOut,
        Event::SaveEnded(Ok(())) => Kind::Saved,
        Event::SaveEnded(Err(_)) => Kind::NotSaved,
        Event::SourceChanged => Kind::SourceChanged,
    }
}

fn at(seconds: u64) -> Now {
    let wall = Wall::from_unix_seconds(1_800_000_000).plus(Duration::from_secs(seconds));
    Now { wall, mono: Mono::from_start(Duration::from_secs(seconds)) }
}

/// A login that lives 1000 s; by the seed of these machines its renewal is due between 750 s and 800 s.
fn credential(serial: u64, now: Now) -> Credential {
    Credential {
        binding: Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example".into(),
            account: None,
            client_id: "40".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        },
        grant: Grant {
            serial,
            access_token: Secret::new(format!("access-{serial}")),
            refresh_token: Some(Secret::new(format!("refresh-{serial}"))),
            obtained_at: now.wall,
            expires_at: Some(now.wall.plus(Duration::from_secs(1000))),
            refresh_expires_at: None,
        },
    }
}

fn renewed(now: Now) -> RenewalOutcome {
    let answer = TokenAnswer {
        access_token: Secret::new("new"),
        refresh_token: Some(Secret::new("rotated")),
        expires_in: Some(Duration::from_secs(1000)),
    };
    RenewalOutcome::Renewed { answer, asked_at: now.wall }
}

fn failed(lasting: bool) -> RenewalOutcome {
    RenewalOutcome::Failed(Failure { reason: "down".into(), retry_after: None, maybe_processed: false, lasting })
}

/// The machine in a state, and the moment.
fn reach(state: State) -> (Machine, Now) {
    let begun = |means, saved| {
        let mut machine = Machine::new(means, 3, at(0));
        machine.step(Event::Started { saved, cut_off: false }, at(0));
        machine
    };
    let login = || begun(Means::RefreshToken, Ok(credential(1, at(0))));
    let renewing = || {
        let mut machine = login();
        machine.step(Event::Tick, at(800));
        assert!(machine.renewing);
        machine
    };
    let ended = |outcome| {
        let mut machine = renewing();
        machine.step(Event::RenewalEnded { serial: 1, outcome }, at(800));
        machine
    };
    let refused = || ended(RenewalOutcome::Refused("invalid_grant".into()));
    let expired = |mut machine: Machine| {
        machine.step(Event::Tick, at(1000));
        machine
    };
    let source = || {
        let mut nothing_yet = credential(0, at(0));
        nothing_yet.grant.refresh_token = None;
        nothing_yet.grant.expires_at = Some(at(0).wall);
        begun(Means::AtWill, Ok(nothing_yet))
    };
    match state {
        State::NoLogin => (begun(Means::RefreshToken, Err("none".into())), at(10)),
        State::Fresh => (login(), at(10)),
        State::Renewing => (renewing(), at(801)),
        State::Waiting => (ended(failed(false)), at(800)),
        State::RefusedAlive => (refused(), at(801)),
        State::RefusedExpired => (expired(refused()), at(1001)),
        State::ExpiredRenewing => (expired(renewing()), at(1001)),
        State::NotDurable => {
            let mut machine = ended(renewed(at(800)));
            machine.step(Event::SaveEnded(Err("disk full".into())), at(800));
            (machine, at(800))
        }
        State::AtWillAsked => (source(), at(0)),
        State::AtWillWaiting | State::AtWillStuck => {
            let mut machine = source();
            let outcome = failed(state == State::AtWillStuck);
            machine.step(Event::RenewalEnded { serial: 0, outcome }, at(0));
            (machine, at(0))
        }
    }
}

/// The event of a kind, and when it happens.
fn event(kind: Kind, machine: &Machine, now: Now) -> (Event, Now) {
    let serial = machine.credential().map_or(0, |held| held.grant.serial);
    let newer = || credential(serial + 1, now);
    let older = || credential(serial, now);
    let ended = |outcome| Event::RenewalEnded { serial, outcome };
    let much_later =
        Now { wall: now.wall.plus(Duration::from_secs(5000)), mono: now.mono.plus(Duration::from_secs(5000)) };
    let event = match kind {
        Kind::StartedWithNewer => Event::Started { saved: Ok(newer()), cut_off: false },
        Kind::StartedWithout => Event::Started { saved: Err("none".into()), cut_off: false },
        Kind::Tick => Event::Tick,
        Kind::TickMuchLater => return (Event::Tick, much_later),
        Kind::Rejected => Event::Rejected(machine.generation.max(1)),
        Kind::RejectedOlder => Event::Rejected(0),
        Kind::Renewed => ended(renewed(now)),
        Kind::AdoptedNewer => ended(RenewalOutcome::Adopted(newer())),
        Kind::AdoptedOlder => ended(RenewalOutcome::Adopted(older())),
        Kind::Failed => ended(failed(false)),
        Kind::FailedForLong => ended(failed(true)),
        Kind::Refused => ended(RenewalOutcome::Refused("invalid_grant".into())),
        Kind::RenewalFoundNone => ended(RenewalOutcome::Removed),
        Kind::SignedIn => Event::SignedIn(credential(0, now)),
        Kind::FoundNewer => Event::Found(newer()),
        Kind::FoundOlder => Event::Found(older()),
        Kind::Removed => Event::Removed,
        Kind::SignedOut => Event::SignedOut,
        Kind::Saved => Event::SaveEnded(Ok(())),
        Kind::NotSaved => Event::SaveEnded(Err("disk full".into())),
        Kind::SourceChanged => Event::SourceChanged,
    };
    (event, now)
}

/// Actions in the notation of the table.
fn words(actions: &[Action]) -> String {
    let trouble = |trouble: &Trouble| match trouble {
        Trouble::LoginRequired => "login",
        Trouble::RenewalFailing => "renewal",
        Trouble::NotDurable => "disk",
    };
    let readers = |without: &Unavailable| match without {
        Unavailable::Renewing => "wait",
        Unavailable::NotSoon => "not-soon",
        Unavailable::SignInNeeded => "login",
    };
    let word = |action: &Action| match action {
        Action::Renew { rejected: false, .. } => "renew".to_owned(),
        Action::Renew { rejected: true, .. } => "renew!".to_owned(),
        Action::Save(_) => "save".to_owned(),
        Action::Publish { .. } => "publish".to_owned(),
        Action::Explain(without) => format!("explain:{}", readers(without)),
        Action::Withdraw(without) => format!("withdraw:{}", readers(without)),
        Action::Raise(which, _) => format!("raise:{}", trouble(which)),
        Action::Clear(which) => format!("clear:{}", trouble(which)),
    };
    actions.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_state_meets_every_event() {
    assert!(STATES.iter().enumerate().all(|(place, state)| *state as usize == place), "a state is missing");
    assert!(KINDS.iter().enumerate().all(|(place, kind)| *kind as usize == place), "an event is missing");
    let mut wrong = String::new();
    for state in STATES {
        for (kind, expected) in KINDS.into_iter().zip(expected(state)) {
            let (mut machine, now) = reach(state);
            let held = machine.credential().map_or(0, |held| held.grant.serial);
            let (event, when) = event(kind, &machine, now);
            assert_eq!(kind_of(&event, held, when != now), kind, "the column of another event");
            let found = words(&machine.step(event, when));
            if found != expected {
                wrong.push_str(&format!("{state:?} x {kind:?}: \"{found}\" instead of \"{expected}\"\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What holds in every cell, whatever the table says.
#[test]
fn no_pair_breaks_a_promise() {
    for state in STATES {
        for kind in KINDS {
            let (mut machine, now) = reach(state);
            let had_login = machine.credential().is_some();
            let (event, when) = event(kind, &machine, now);
            let actions = machine.step(event, when);
            let position = |wanted: fn(&Action) -> bool| actions.iter().position(wanted);
            let saved = position(|action| matches!(action, Action::Save(_)));
            if let (Some(save), Some(publish)) = (saved, position(|action| matches!(action, Action::Publish { .. }))) {
                assert!(save < publish, "{state:?} x {kind:?}: published before it is saved");
            }
            for action in &actions {
                if let Action::Publish { expires: Some((wall, mono)), .. } = action {
                    assert!(when.wall < *wall && when.mono < *mono, "{state:?} x {kind:?}: published after its end");
                }
            }
            let signed_out = matches!(kind, Kind::Removed | Kind::SignedOut | Kind::RenewalFoundNone);
            assert!(
                signed_out || machine.credential().is_some() == had_login || !had_login,
                "{state:?} x {kind:?}: lost"
            );
            // Whoever sleeps as long as the machine says comes to rest, on a disk that is full too.
            let rests = (0..3).any(|_| {
                let rests = !machine.sleep(when).is_zero();
                let saves = machine.step(Event::Tick, when).into_iter().any(|action| matches!(action, Action::Save(_)));
                if saves {
                    machine.step(Event::SaveEnded(Err("disk full".into())), when);
                }
                rests
            });
            assert!(rests, "{state:?} x {kind:?}: it never rests");
        }
    }
}
