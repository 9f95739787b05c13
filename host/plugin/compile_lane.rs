//! The order in which plugins are compiled: one at a time, small ones first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

/// A lane that one plugin at a time may enter. Of those that wait, the smallest file is next.
#[derive(Debug)]
pub(super) struct Lane {
    queue: Mutex<Queue>,
    /// Whether somebody is in the lane.
    busy: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    taken: bool,
    /// Those who wait, by the size of their file and then by the order of their arrival.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<Turn>>,
    arrivals: u64,
}

/// The right to be in a lane. The next one enters when this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Lane>);

impl Lane {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), busy: watch::Sender::new(false) })
    }

    /// Waits for a turn for a file of `size` bytes.
    pub(super) async fn enter(self: &Arc<Self>, size: u64) -> Turn {
        let turn = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if !queue.taken {
                queue.taken = true;
                self.busy.send_replace(true);
                return Turn(Arc::clone(self));
            }
            let (sender, turn) = oneshot::channel();
            queue.arrivals += 1;
            let key = (size, queue.arrivals);
            queue.waiting.insert(key, sender);
            turn
        };
        match turn.await {
            Ok(turn) => turn,
            Err(_) => unreachable!("who waits in the queue gets a turn, or goes away first"),
        }
    }

    /// Whether somebody is in the lane.
    pub(super) fn busy(&self) -> watch::Receiver<bool> {
        self.busy.subscribe()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let lane = Arc::clone(&self.0);
        loop {
            let mut queue = lane.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((_, next)) = queue.waiting.pop_first() else {
                queue.taken = false;
                lane.busy.send_replace(false);
                return;
            };
            drop(queue);
            if next.is_closed() {
                continue;
            }
            // Where the receiver has gone away meanwhile, the turn comes back and its drop looks for the next one.
            drop(next.send(Turn(Arc::clone(&lane))));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn smallest_file_is_next() {
        let lane = Lane::new();
        let first = lane.enter(5).await;
        assert!(*lane.busy().borrow());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for size in [30, 10, 20, 10] {
            let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _turn = lane.enter(size).await;
                order.lock().unwrap().push(size);
            }));
            tokio::task::yield_now().await;
        }
        // One that no longer waits holds up nobody.
        waiting.swap_remove(1).abort();
        tokio::task::yield_now().await;
        drop(first);
        for done in waiting {
            done.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [10, 20, 30]);
        assert!(!*lane.busy().borrow());
        drop(lane.enter(1).await);
    }
}
