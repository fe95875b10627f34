//! The rate limit of posts for each client.
//!
//! 1. Each address has a bucket of one second's posts, refilled evenly (GCRA, by governor). For
//!    IPv6 it is each /64 network, which is what one machine gets.
//! 2. If there are more than [`MOST`] addresses, those with full buckets are removed once a second.
//!    While all of them are busy, further addresses share one bucket.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::DefaultClock, state::keyed::HashMapStateStore};

/// The maximum number of buckets: about ten times the nodes of a large cluster.
const MOST: usize = 65_536;

/// The key of the shared bucket.
const REST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The time between two removals. Each takes about a millisecond.
const SWEEP: Duration = Duration::from_secs(1);

/// The buckets of the clients.
#[derive(Debug)]
pub(crate) struct Rate {
    buckets: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    swept: Mutex<Option<Instant>>,
}

impl Rate {
    pub(crate) fn new(posts_per_second: NonZeroU32) -> Self {
        let buckets = RateLimiter::hashmap(Quota::per_second(posts_per_second));
        Self { buckets, swept: Mutex::default() }
    }

    /// Counts a post. Returns false if it exceeds the limit.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.allows_among(client, MOST)
    }

    fn allows_among(&self, client: IpAddr, most: usize) -> bool {
        if self.buckets.len() >= most {
            self.sweep();
        }
        let key = if self.buckets.len() >= most { REST } else { network(client) };
        self.buckets.check_key(&key).is_ok()
    }

    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            *swept = Some(Instant::now());
            self.buckets.retain_recent();
        }
    }
}

/// Returns the key of an address's bucket.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_and_the_rest_share_one() {
        let rate = Rate::new(NonZeroU32::new(2).unwrap());
        let client = |number: u8| IpAddr::from([10, 0, 0, number]);
        let taken =
            |number, most| (0..4).filter(|_| rate.allows_among(client(number), most)).count();
        assert_eq!([taken(1, 9), taken(2, 9), taken(3, 9)], [2, 2, 2]);
        assert_eq!([taken(4, 3), taken(5, 3)], [2, 0], "the fourth and the fifth share a bucket");
        assert_eq!(rate.buckets.len(), 4);
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert!(!rate.allows(mapped), "it is the first one's address");
        let near = |text: &str| network(text.parse().unwrap());
        assert_eq!(near("2001:db8::1"), near("2001:db8::ffff:1"));
        assert_ne!(near("2001:db8::1"), near("2001:db8:0:1::1"));
    }
}
