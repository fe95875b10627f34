//! A runtime of one thread whose clock only moves when everybody waits: the same bytes do the same.

pub fn paused(check: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(check);
}
