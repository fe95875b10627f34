//! Lines of the log that somebody else can cause as often as they like: no more of them than
//! somebody reads, and how many there would have been.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many are told in each [`PERIOD`]; the others are counted.
const TOLD: u32 = 10;

/// The time after which they are told again, with how many were not.
const PERIOD: Duration = Duration::from_secs(60);

/// One kind of line.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Period>);

#[derive(Debug, Default)]
struct Period {
    began: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Seldom {
    /// Counts one. `None` when it is not to be told, else how many were not told before it.
    pub(crate) fn due(&self) -> Option<u64> {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut untold = 0;
        if period.began.is_none_or(|began| began.elapsed() >= PERIOD) {
            untold = period.untold;
            *period = Period { began: Some(Instant::now()), told: 0, untold: 0 };
        }
        if period.told >= TOLD {
            period.untold += 1;
            return None;
        }
        period.told += 1;
        Some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_a_minute_are_told_and_the_rest_is_counted() {
        let seldom = Seldom::default();
        let told = |count| (0..count).filter_map(|_| seldom.due()).collect::<Vec<_>>();
        assert_eq!(told(25), [0; 10]);
        tokio::time::advance(PERIOD / 2).await;
        assert!(told(1).is_empty());
        tokio::time::advance(PERIOD / 2).await;
        assert_eq!(told(12), [16, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
