//! What readers and the publisher promise each other.

use std::time::Duration;

use crate::model::secret::Secret;
use crate::model::time::{Clock, Mono, Now, Wall};
use crate::token::{Bearer, Unavailable, slot};

fn clock_at(seconds: i64) -> Clock {
    let now = Now { wall: Wall::from_unix_seconds(seconds), mono: Mono::from_start(Duration::from_secs(5)) };
    Clock::from_fn(move || now)
}

fn bearer(generation: u64, expires_seconds: i64) -> Bearer {
    let expires = (Wall::from_unix_seconds(expires_seconds), Mono::from_start(Duration::from_secs(1000)));
    Bearer::new(generation, &Secret::new(format!("token-{generation}")), Some(expires)).unwrap()
}

#[test]
fn an_empty_slot_is_renewing_then_says_what_it_is_told() {
    let (publisher, reader) = slot(clock_at(100));
    assert_eq!(reader.current().unwrap_err(), Unavailable::Renewing);
    publisher.withdraw(Unavailable::SignInNeeded);
    assert_eq!(reader.current().unwrap_err(), Unavailable::SignInNeeded);
}

#[test]
fn a_bearer_is_sent_as_a_sensitive_header() {
    let (publisher, reader) = slot(clock_at(100));
    publisher.publish(bearer(1, 200));
    let current = reader.current().unwrap();
    assert_eq!(current.authorization(), "Bearer token-1");
    assert!(!format!("{current:?} {publisher:?} {reader:?}").contains("token-1"));
}

#[tokio::test]
async fn an_expired_bearer_is_never_handed_out_and_is_reported() {
    let (mut publisher, reader) = slot(clock_at(200));
    publisher.publish(bearer(1, 200));
    assert_eq!(reader.current().unwrap_err(), Unavailable::Renewing);
    assert_eq!(publisher.rejected().await, Some(1));
}

#[tokio::test]
async fn a_generation_is_reported_once_however_many_reject_it() {
    let (mut publisher, reader) = slot(clock_at(100));
    for _ in 0..10 {
        reader.reject(7);
    }
    assert_eq!(publisher.rejected().await, Some(7));
    reader.reject(7);
    reader.reject(3);
    let nothing = tokio::time::timeout(Duration::from_millis(10), publisher.rejected()).await;
    assert!(nothing.is_err());
}

#[tokio::test]
async fn waiters_wake_for_a_newer_generation_only() {
    let (publisher, reader) = slot(clock_at(100));
    publisher.publish(bearer(1, 200));
    let waiting = reader.newer_than(1, Duration::from_secs(60));
    publisher.publish(bearer(2, 200));
    assert_eq!(waiting.await.unwrap().generation(), 2);
}

#[tokio::test]
async fn waiters_end_at_once_when_a_sign_in_is_needed() {
    let (publisher, reader) = slot(clock_at(100));
    publisher.publish(bearer(1, 200));
    publisher.explain(Unavailable::SignInNeeded);
    assert_eq!(reader.newer_than(1, Duration::from_secs(60)).await.unwrap_err(), Unavailable::SignInNeeded);
    assert!(reader.current().is_ok(), "the bearer still in force stays");
}

#[tokio::test]
async fn waiters_end_as_soon_as_waiting_makes_no_sense() {
    let (publisher, reader) = slot(clock_at(100));
    let waiting = reader.usable(Duration::from_secs(3600));
    let refused = async { publisher.explain(Unavailable::NotSoon) };
    let (waited, ()) = tokio::join!(waiting, refused);
    assert_eq!(waited.unwrap_err(), Unavailable::NotSoon);
    assert_eq!(reader.usable(Duration::from_secs(3600)).await.unwrap_err(), Unavailable::NotSoon);
    // A new try is under way: it is worth waiting for.
    publisher.explain(Unavailable::Renewing);
    let published = async { publisher.publish(bearer(1, 200)) };
    let (waited, ()) = tokio::join!(reader.usable(Duration::from_secs(3600)), published);
    assert_eq!(waited.unwrap().generation(), 1);
}

#[test]
fn a_token_that_cannot_be_a_header_is_refused() {
    assert!(Bearer::new(1, &Secret::new("a\nb"), None).is_err());
}
