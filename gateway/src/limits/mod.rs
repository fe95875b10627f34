//! Resources that all connections share, so that none can use them up: memory, and turns at
//! expensive work.
//!
//! ```text
//! room.rs     shared memory, and who loses it if it is short
//! budget.rs   memory for the bodies that are being read
//! answers.rs  memory for answers, until the client has read them
//! turns.rs    expensive work, a few at a time
//! scans.rs    scans of the retained alerts, with turns and a time limit
//! ```

pub(crate) mod answers;
pub(crate) mod budget;
pub(crate) mod room;
pub(crate) mod scans;
pub(crate) mod turns;
