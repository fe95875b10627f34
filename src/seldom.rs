//! Rate-limits log lines that a peer can cause as often as it likes, and counts those left out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The limit of lines in each [`PERIOD`]. The others are counted.
const TOLD: u32 = 10;

/// The period of the limit. The first line of a period reports how many were left out before.
const PERIOD: Duration = Duration::from_secs(60);

/// The limiter of one kind of log line.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Period>);

#[derive(Debug, Default)]
struct Period {
    began: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Seldom {
    /// Counts a line. Returns `None` if it must be left out, otherwise the number of lines left out
    /// since the last one.
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
    async fn ten_lines_a_minute_are_logged_and_others_counted() {
        let seldom = Seldom::default();
        let told = |count| (0..count).filter_map(|_| seldom.due()).collect::<Vec<_>>();
        assert_eq!(told(25), [0; 10]);
        tokio::time::advance(PERIOD / 2).await;
        assert!(told(1).is_empty());
        tokio::time::advance(PERIOD / 2).await;
        assert_eq!(told(12), [16, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
