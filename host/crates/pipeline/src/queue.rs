//! A queue to one thread.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use pelton_delivery::clock::Clock;
use pelton_delivery::wake::Wake;
use pelton_model::sync::lock;

/// As good as for ever.
const LONG: Duration = Duration::from_secs(3600);

/// What waits for one thread, in order. Whoever puts in never waits.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Wake,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { items: VecDeque::new(), is_closed: false }), wake: Wake::default() }
    }
}

impl<T> Queue<T> {
    /// Puts one in. Dropped where the queue is closed.
    pub fn push(&self, item: T) {
        let _ = self.try_push(item, usize::MAX);
    }

    /// Puts one in, unless `most` wait already or the queue is closed; says whether it did.
    pub fn try_push(&self, item: T, most: usize) -> bool {
        let mut state = lock(&self.state);
        if state.is_closed || state.items.len() >= most {
            return false;
        }
        state.items.push_back(item);
        drop(state);
        self.wake.call();
        true
    }

    /// Takes the next one, and waits for it; nothing once the queue is closed and empty.
    pub fn pop(&self, clock: &dyn Clock) -> Option<T> {
        loop {
            if let Some(popped) = self.try_pop() {
                return popped;
            }
            clock.wait(&self.wake, LONG);
        }
    }

    /// As [`pop`](Self::pop), and nothing where none comes within `timeout` either.
    pub fn pop_within(&self, clock: &dyn Clock, timeout: Duration) -> Option<T> {
        if let Some(popped) = self.try_pop() {
            return popped;
        }
        clock.wait(&self.wake, timeout);
        self.try_pop().flatten()
    }

    /// The next one; `None` where there is none now, `Some(None)` where none will come.
    #[expect(clippy::option_option, reason = "nothing now, and nothing ever again")]
    fn try_pop(&self) -> Option<Option<T>> {
        let mut state = lock(&self.state);
        match state.items.pop_front() {
            Some(item) => Some(Some(item)),
            None => state.is_closed.then_some(None),
        }
    }

    /// Takes all that wait.
    pub fn take(&self) -> VecDeque<T> {
        std::mem::take(&mut lock(&self.state).items)
    }

    /// Whether nothing can be put in any more.
    pub fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Lets nothing in any more; what is in it can be taken yet.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.wake.call();
    }

    /// Closes it, and drops what is in it: whoever takes is gone.
    pub fn abandon(&self) {
        let left = {
            let mut state = lock(&self.state);
            state.is_closed = true;
            std::mem::take(&mut state.items)
        };
        drop(left);
        self.wake.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_delivery::clock::SystemClock;

    #[test]
    fn items_come_in_order_and_the_rest_after_the_close() {
        let queue = Queue::default();
        queue.push(1);
        assert!(queue.try_push(2, 2) && !queue.try_push(3, 2));
        assert_eq!(queue.take(), [1, 2]);
        assert!(queue.try_push(1, 1) && queue.try_push(2, 2));
        queue.close();
        queue.push(4);
        let popped = [(); 3].map(|()| queue.pop(&SystemClock));
        assert_eq!(popped, [Some(1), Some(2), None]);
        assert_eq!(queue.pop_within(&SystemClock, LONG), None);
    }

    #[test]
    fn nobody_waits_for_what_comes_or_for_what_is_abandoned() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| (queue.pop(&SystemClock), queue.pop(&SystemClock)));
            queue.push("a");
            while !lock(&queue.state).items.is_empty() {
                std::thread::yield_now();
            }
            queue.abandon();
            assert_eq!(taken.join().unwrap(), (Some("a"), None));
        });
    }
}
