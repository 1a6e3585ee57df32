//! The scenarios, and the run that plays them.

mod calls;
mod change;
mod mixed;
mod restart;
mod start;
mod streams;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::candidate::{Candidate, Kind, Place, version};
use crate::cpus::Cpus;
use crate::figures::Figures;
use crate::load::{Answers, Call, Target};
use crate::plan::{Plan, Which};
use crate::report::Report;
use crate::tls;
use crate::upstream::Upstream;

/// How long a candidate gets to finish what it does after an answer, such as its log.
const AFTERWARDS: Duration = Duration::from_millis(50);

/// Nobody needs more descriptors.
const ENOUGH_FILES: u64 = 65_536;
/// What is open beside streams.
const OTHER_FILES: usize = 600;

/// What the scenarios work with.
struct Lab<'a> {
    plan: &'a Plan,
    place: Place,
    upstream: Upstream,
    figures: Figures,
}

/// Plays the scenarios of a plan.
///
/// # Errors
/// When a candidate cannot be started, or answers wrongly from the beginning.
pub fn run(plan: &Plan) -> anyhow::Result<Report> {
    let cpus = Cpus::choose()?;
    cpus.load()?;
    let most_streams = raise_open_files()?;
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let upstream = Upstream::start(directory.path()).await?;
        let place = Place {
            directory: directory.path().to_owned(),
            upstream: upstream.address,
            authority: upstream.authority.clone(),
            binary: plan.binary.clone(),
            relay: plan.relay.clone(),
            cpus,
            most_streams,
        };
        let mut lab = Lab { plan, place, upstream, figures: Figures::default() };
        for which in &plan.scenarios {
            eprintln!("{which:?} ...");
            lab.play(*which).await?;
        }
        let versions = plan.candidates.iter().map(|kind| (*kind, version(*kind, &lab.place))).collect();
        Ok(Report::new(lab.figures, versions, plan.rounds, plan.sizes.crowd.min(most_streams)))
    })
}

impl Lab<'_> {
    async fn play(&mut self, which: Which) -> anyhow::Result<()> {
        let sizes = self.plan.sizes;
        match which {
            Which::One => self.calls(which, Call::Small, 1, sizes.one).await,
            Which::Many => self.calls(which, Call::Small, sizes.connections, sizes.many).await,
            Which::Large => self.calls(which, Call::Large, sizes.connections.min(16), sizes.large).await,
            Which::Events => self.calls(which, Call::Events, sizes.connections, sizes.events).await,
            Which::Idle => self.streams(which, sizes.idle, self.plan.rounds.min(3)).await,
            Which::Crowd => self.streams(which, sizes.crowd.min(self.place.most_streams), 1).await,
            Which::Mixed => self.mixed(which).await,
            Which::Start => self.start(which).await,
            Which::Change => self.change(which).await,
            Which::Restart => self.restart(which).await,
        }
    }

    /// The candidates of this run that are processes, beginning with another one in each round.
    fn processes(&self, round: usize) -> Vec<Kind> {
        let is_one = |kind: &Kind| *kind != Kind::Direct && !kind.is_for_small_calls();
        let mut kinds: Vec<Kind> = self.plan.candidates.iter().copied().filter(is_one).collect();
        if !kinds.is_empty() {
            let by = round % kinds.len();
            kinds.rotate_left(by);
        }
        kinds
    }

    /// Straight to the upstream.
    fn direct(&self) -> anyhow::Result<Target> {
        Ok(Target { address: self.upstream.address, tls: Some(tls::client(&self.upstream.authority)?) })
    }

    /// Says what went wrong, once: a candidate that fails is measured all the same.
    fn complain(&self, candidate: &Candidate, answers: &Answers) {
        if let Some(why) = &answers.why {
            eprintln!("  {}: {} calls failed: {why}", candidate.kind.title(), answers.failed);
        }
    }
}

/// Takes as many descriptors as there may be; answers how many streams that is enough for: two for each, here, where
/// both ends of it are, and at a candidate, which inherits the limit.
fn raise_open_files() -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(ENOUGH_FILES).min(ENOUGH_FILES);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit })?;
    Ok(usize::try_from(most)?.saturating_sub(OTHER_FILES) / 2)
}
