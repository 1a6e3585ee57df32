//! What the daemon measures of itself, for Prometheus: `families` is the table, this file fills it in.

pub mod families;
mod process;
mod server;

pub(super) use self::server::{Metrics, open};

use crate::daemon::control::Context;
use crate::model::time::Wall;
use crate::observe::exposition::{Family, Page};
use crate::observe::health::Standing;
use crate::observe::kinds::{Breaker, Entry, Failure, RuleKind};
use crate::observe::log;
use crate::observe::trace::Tracer;
use crate::observe::usage::Usage;

/// All metrics as they are now, in the text format of Prometheus.
pub(super) fn text(context: &Context) -> String {
    let mut page = Page::default();
    state(&mut page, context);
    requests(&mut page, context);
    connections(&mut page, context);
    tokens(&mut page, context);
    let lost = context.audit.as_ref().map_or(0, |audit| audit.lost());
    page.family(&families::AUDIT_LOST).sample(&[], lost);
    page.family(&families::LOG_LOST).sample(&[], log::lost());
    let (sent, unsent) = context.traffic.tracer().map(Tracer::counts).unwrap_or_default();
    page.family(&families::TRACES_SENT).sample(&[], sent);
    page.family(&families::TRACES_LOST).sample(&[], unsent);
    process::write(&mut page, context.began());
    page.into_text()
}

fn state(page: &mut Page, context: &Context) {
    page.family(&families::BUILD_INFO).sample(&[env!("CARGO_PKG_VERSION")], 1);
    page.family(&families::READY).sample(&[], u8::from(context.is_ready()));
    let now = context.clock.now().wall;
    let mut samples = page.family(&families::UPSTREAM_SERVES);
    for (upstream, standing) in standings(context) {
        samples.sample(&[upstream], u8::from(standing.serves(now)));
    }
    let mut samples = page.family(&families::CONDITION);
    for condition in context.health.conditions() {
        samples.sample(&[condition.name, &condition.subject], 1);
    }
}

fn requests(page: &mut Page, context: &Context) {
    let traffic = &context.traffic;
    let usages = traffic.all_usages();
    let by_server: Vec<_> = usages.iter().map(|usage| (usage.upstream(), usage.by_server())).collect();
    let mut samples = page.family(&families::REQUESTS);
    for (upstream, of) in by_server.iter().flat_map(|(upstream, all)| all.iter().map(move |of| (upstream, of))) {
        for (method, class, count) in &of.requests {
            samples.sample(&[upstream, &of.server, method, class], count);
        }
    }
    page.family(&families::REQUESTS_ACTIVE).sample(&[], traffic.counts().active);
    let mut samples = page.family(&families::REQUEST_DURATION);
    for (upstream, of) in by_server.iter().flat_map(|(upstream, all)| all.iter().map(move |of| (upstream, of))) {
        samples.histogram(&[upstream, &of.server], &of.took);
    }
    // The first one stands for no upstream: nobody is waited for there.
    let upstreams = usages.get(1..).unwrap_or_default();
    let mut samples = page.family(&families::REQUEST_ADDED);
    upstreams.iter().for_each(|usage| samples.histogram(&[usage.upstream()], &usage.added()));
    let mut samples = page.family(&families::UPSTREAM_WAIT);
    upstreams.iter().for_each(|usage| samples.histogram(&[usage.upstream()], &usage.waited()));
    let mut samples = page.family(&families::UPSTREAM_FAILURES);
    for usage in upstreams {
        Failure::ALL.iter().for_each(|why| samples.sample(&[usage.upstream(), why.as_str()], usage.failures(*why)));
    }
    let mut samples = page.family(&families::ANSWERS_BROKEN);
    for usage in &usages {
        Breaker::ALL.iter().for_each(|by| samples.sample(&[usage.upstream(), by.as_str()], usage.broken(*by)));
    }
    let mut samples = page.family(&families::REFUSALS);
    RuleKind::ALL.iter().for_each(|kind| samples.sample(&[kind.as_str()], traffic.refusals(*kind)));
    of_each(page, &families::REQUEST_BYTES, upstreams, |usage| usage.bytes().0);
    of_each(page, &families::RESPONSE_BYTES, &usages, |usage| usage.bytes().1);
    of_each(page, &families::STREAMS_ACTIVE, upstreams, |usage| usage.streams().0);
    of_each(page, &families::STREAMS, upstreams, |usage| usage.streams().1);
}

fn of_each<U: AsRef<Usage>>(page: &mut Page, family: &'static Family, usages: &[U], value: impl Fn(&Usage) -> u64) {
    let mut samples = page.family(family);
    usages.iter().map(AsRef::as_ref).for_each(|usage| samples.sample(&[usage.upstream()], value(usage)));
}

fn connections(page: &mut Page, context: &Context) {
    let counted = Entry::ALL.iter().map(|entry| (entry.as_str(), context.traffic.connections(*entry)));
    let counted: Vec<(&str, (u64, u64))> = counted.collect();
    let mut samples = page.family(&families::CLIENT_CONNECTIONS);
    counted.iter().for_each(|(listener, (open, _))| samples.sample(&[listener], open));
    let mut samples = page.family(&families::CLIENT_CONNECTIONS_ACCEPTED);
    counted.iter().for_each(|(listener, (_, accepted))| samples.sample(&[listener], accepted));
    let mut samples = page.family(&families::UNREAD);
    for (why, count) in context.traffic.unread_connections() {
        samples.sample(&[why.as_str()], count);
    }
    let tallies = context.server.as_ref().map(|server| server.tallies()).unwrap_or_default();
    let read = tallies.iter().flat_map(|(name, tally)| tally.read().map(|reading| (name.as_str(), reading)));
    let read: Vec<_> = read.collect();
    let mut samples = page.family(&families::UPSTREAM_CONNECTIONS);
    read.iter().for_each(|(upstream, reading)| samples.sample(&[upstream, reading.protocol], reading.open));
    let mut samples = page.family(&families::UPSTREAM_CONNECTIONS_OPENED);
    read.iter().for_each(|(upstream, reading)| samples.sample(&[upstream, reading.protocol], reading.opened));
    let mut samples = page.family(&families::UPSTREAM_CONNECT_FAILURES);
    tallies.iter().for_each(|(name, tally)| samples.sample(&[name.as_str()], tally.attempts_failed()));
    let mut samples = page.family(&families::UPSTREAM_STREAMS);
    read.iter().for_each(|(upstream, reading)| samples.sample(&[upstream, reading.protocol], reading.streams));
}

fn tokens(page: &mut Page, context: &Context) {
    let standings = standings(context);
    points_in_time(page, &families::TOKEN_EXPIRY, &standings, |standing| standing.expires_at);
    points_in_time(page, &families::REFRESH_TOKEN_EXPIRY, &standings, |standing| standing.refresh_expires_at);
    points_in_time(page, &families::TOKEN_RENEWED, &standings, |standing| standing.last_renewal);
    let mut samples = page.family(&families::TOKEN_RENEWALS);
    for (upstream, standing) in &standings {
        samples.sample(&[upstream, "renewed"], standing.renewals);
        samples.sample(&[upstream, "failed"], standing.renewal_failures);
    }
}

fn points_in_time(
    page: &mut Page,
    family: &'static Family,
    standings: &[(&str, Standing)],
    at: impl Fn(&Standing) -> Option<Wall>,
) {
    let mut samples = page.family(family);
    for (upstream, standing) in standings {
        if let Some(at) = at(standing) {
            samples.sample(&[upstream], seconds(at));
        }
    }
}

/// How each upstream stands, in the order of the configuration.
fn standings(context: &Context) -> Vec<(&str, Standing)> {
    let mut known = context.health.standings();
    let names = context.upstreams.iter().map(|upstream| upstream.proxy.name.as_str());
    names.map(|name| (name, known.remove(name).unwrap_or_default())).collect()
}

fn seconds(at: Wall) -> f64 {
    at.unix_millis() as f64 / 1e3
}
