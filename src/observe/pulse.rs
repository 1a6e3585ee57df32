//! Signs of life: who watches asks, and each part of the daemon answers when it gets round to it. What stands still
//! does not answer.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Asks all parts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The number of the last question.
    question: watch::Sender<u64>,
    parts: Mutex<Vec<Part>>,
    /// The part that is to stand still, in a test of who watches.
    fault: Option<String>,
}

#[derive(Debug)]
struct Part {
    name: String,
    answered: Arc<AtomicU64>,
}

/// What a part answers with.
#[derive(Debug)]
pub struct Beat {
    question: watch::Receiver<u64>,
    answered: Arc<AtomicU64>,
    stands_still: bool,
}

impl Pulse {
    /// A pulse in which every part whose name begins with `fault` stands still for good at the first question.
    pub fn with_fault(fault: Option<String>) -> Self {
        Self(Arc::new(Inner { fault, ..Inner::default() }))
    }

    /// Another part that has to live.
    pub fn part(&self, name: &str) -> Beat {
        let answered = Arc::new(AtomicU64::new(*self.0.question.borrow()));
        self.lock().push(Part { name: name.to_owned(), answered: answered.clone() });
        let stands_still = self.0.fault.as_ref().is_some_and(|fault| name.starts_with(fault));
        Beat { question: self.0.question.subscribe(), answered, stands_still }
    }

    /// Asks everybody once more.
    pub fn ask(&self) {
        self.0.question.send_modify(|number| *number += 1);
    }

    /// The names of those that have not answered the last question.
    pub fn silent(&self) -> Vec<String> {
        let last = *self.0.question.borrow();
        let parts = self.lock();
        let silent = parts.iter().filter(|part| part.answered.load(Ordering::Relaxed) != last);
        silent.map(|part| part.name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Part>> {
        // No code panics while it holds this lock.
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    /// Waits for the next question; for ever, if nobody asks any more. May be dropped at any moment.
    pub async fn asked(&mut self) {
        if self.question.changed().await.is_err() {
            pending::<()>().await;
        }
    }

    /// Answers it.
    pub async fn answer(&mut self) {
        if self.stands_still {
            pending::<()>().await;
        }
        self.answered.store(*self.question.borrow_and_update(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn live(beat: &mut Beat) {
        beat.asked().await;
        beat.answer().await;
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named() {
        let pulse = Pulse::default();
        let (mut a, mut b) = (pulse.part("a"), pulse.part("b"));
        assert!(pulse.silent().is_empty(), "nobody was asked");
        pulse.ask();
        live(&mut a).await;
        assert_eq!(pulse.silent(), ["b"]);
        live(&mut b).await;
        assert!(pulse.silent().is_empty());
        pulse.ask();
        pulse.ask();
        live(&mut a).await;
        drop(b);
        assert_eq!(pulse.silent(), ["b"], "one answer is enough for two questions, and none comes of who has gone");
    }

    #[tokio::test]
    async fn a_fault_makes_its_part_stand_still() {
        let pulse = Pulse::with_fault(Some("keeper".to_owned()));
        let (mut keeper, mut listener) = (pulse.part("keeper of a"), pulse.part("listener"));
        pulse.ask();
        live(&mut listener).await;
        tokio::select! {
            biased;
            () = live(&mut keeper) => panic!("it should stand still"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(pulse.silent(), ["keeper of a"]);
    }
}
