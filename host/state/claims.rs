//! Which session has the checkpoint of its UDF node, where there are several.
//!
//! Kapacitor starts a task again before the session before has ended, and a replay runs beside its task. Whoever comes
//! first has the checkpoint first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::udf_node::UdfNode;

/// Maximum number of sessions of one UDF node that have the checkpoint, or wait for it. Kapacitor has a few at most,
/// and each looks at the ones before it.
const MOST_CLAIMANTS: usize = 128;

/// Set when a session has begun to end, so that the next session of the task can wait for its state.
pub type Ending = Arc<AtomicBool>;

/// The sessions of each UDF node, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<UdfNode, Vec<Claimant>>>>);

impl Claims {
    /// The place of this session among those of `key`: whoever comes first has the checkpoint first. `ending` is set
    /// when this session begins to end. `None` if too many come before it.
    pub(super) fn claim(&self, key: &UdfNode, ending: &Ending) -> Option<Claim> {
        let mut claimed = self.lock();
        let sessions = claimed.entry(key.clone()).or_default();
        if sessions.len() >= MOST_CLAIMANTS {
            return None;
        }
        sessions.push(Claimant { ending: Arc::clone(ending), stage: Stage::Idle });
        Some(Claim { claims: self.clone(), key: key.clone(), ending: Arc::clone(ending) })
    }

    /// Whether a session has the checkpoint of `key`, or waits for it.
    pub(super) fn has(&self, key: &UdfNode) -> bool {
        self.lock().contains_key(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UdfNode, Vec<Claimant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which sessions come before one that wants a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// None: it has the checkpoint.
    Nobody,
    /// Sessions that are all about to end.
    Ending,
    /// Sessions of which one at least goes on.
    Running,
}

/// The claim of one session to the checkpoint of its UDF node, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    key: UdfNode,
    ending: Ending,
}

/// A session that may have the checkpoint of its UDF node.
#[derive(Debug)]
struct Claimant {
    ending: Ending,
    stage: Stage,
}

/// What a session does about the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not needed its state yet.
    Idle,
    /// It waits for the checkpoint.
    Waiting,
    /// It has the checkpoint.
    Owner,
}

impl Claimant {
    /// Whether a session that came later waits for this one. It does not wait `long` for one without data that goes
    /// on: that may be a replay, which began beside the session before.
    fn comes_before(&self, long: bool) -> bool {
        self.stage != Stage::Idle || self.ending.load(Relaxed) || !long
    }
}

impl Claim {
    /// Takes the checkpoint if no other session has it or comes before this one, and says which do. `long`: this
    /// session has waited for a while.
    pub(super) fn take(&self, long: bool) -> Before {
        let mut claimed = self.claims.lock();
        let Some(sessions) = claimed.get_mut(&self.key) else { return Before::Running };
        let Some(mine) = sessions.iter().position(|session| self.is_of(session)) else {
            return Before::Running;
        };
        if sessions[mine].stage == Stage::Owner {
            return Before::Nobody;
        }
        let before = sessions.iter().enumerate().filter(|&(place, session)| {
            place != mine && (session.stage == Stage::Owner || place < mine && session.comes_before(long))
        });
        let mut endings = before.map(|(_, session)| session.ending.load(Relaxed)).peekable();
        if endings.peek().is_some() {
            return if endings.all(|ending| ending) { Before::Ending } else { Before::Running };
        }
        sessions[mine].stage = Stage::Owner;
        Before::Nobody
    }

    /// From now on, sessions that come later wait for this one.
    pub(super) fn wait(&self) {
        let mut claimed = self.claims.lock();
        let sessions = claimed.get_mut(&self.key).into_iter().flatten();
        for session in sessions.filter(|session| self.is_of(session) && session.stage == Stage::Idle) {
            session.stage = Stage::Waiting;
        }
    }

    fn is_of(&self, session: &Claimant) -> bool {
        Arc::ptr_eq(&session.ending, &self.ending)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claims.lock();
        let Some(sessions) = claimed.get_mut(&self.key) else { return };
        sessions.retain(|session| !self.is_of(session));
        if sessions.is_empty() {
            claimed.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(task: &str, node: &str) -> UdfNode {
        UdfNode { task: task.into(), node: node.into(), function: "f".into() }
    }

    #[test]
    fn few_sessions_of_a_node_wait_for_its_checkpoint() {
        let claims = Claims::default();
        let claim = |task| claims.claim(&key(task, "n"), &Ending::default());
        let mut taken: Vec<_> = (0..MOST_CLAIMANTS).map(|_| claim("t").unwrap()).collect();
        assert!(claim("t").is_none() && claim("other").is_some());
        taken.pop();
        assert!(claim("t").is_some());
    }

    #[test]
    fn one_session_at_a_time_has_the_checkpoint() {
        let claims = Claims::default();
        let claim = |ending: &Ending| claims.claim(&key("t", "n"), ending).unwrap();
        let [ends, ends_too] = [(); 2].map(|()| Ending::default());
        let first = claim(&ends);
        assert_eq!(first.take(false), Before::Nobody);
        let second = claim(&ends_too);
        second.wait();
        let third = claim(&Ending::default());
        assert_eq!((second.take(false), third.take(false)), (Before::Running, Before::Running));
        ends.store(true, Relaxed);
        assert_eq!((second.take(false), third.take(false)), (Before::Ending, Before::Running));
        ends_too.store(true, Relaxed);
        assert_eq!((second.take(false), third.take(false)), (Before::Ending, Before::Ending));
        drop(first);
        // The second came first, whoever looks first.
        assert_eq!(
            (third.take(false), second.take(false), third.take(false)),
            (Before::Ending, Before::Nobody, Before::Ending)
        );
        drop(second);
        assert_eq!(third.take(false), Before::Nobody);
        drop(third);
        assert!(!claims.has(&key("t", "n")));
    }

    #[test]
    fn session_without_data_keeps_no_later_one_from_the_checkpoint() {
        let claims = Claims::default();
        let [first, replay, again] =
            [(); 3].map(|()| claims.claim(&key("t", "n"), &Ending::default()).unwrap());
        assert_eq!((first.take(false), replay.take(false)), (Before::Nobody, Before::Running));
        drop(first);
        assert_eq!((again.take(false), again.take(true)), (Before::Running, Before::Nobody));
        replay.wait();
        assert_eq!((replay.take(false), again.take(false)), (Before::Running, Before::Nobody));
    }
}
