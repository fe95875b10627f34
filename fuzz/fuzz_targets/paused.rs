//! A runtime with one thread and a paused clock, which advances only when every task is idle. So
//! the same bytes always do the same.

pub fn paused(check: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(check);
}
