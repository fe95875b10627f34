//! What all connections share, and no one of them may use up: memory, and turns at heavy work.
//!
//! ```text
//! room.rs     memory that many share, and who loses it when it is short
//! budget.rs   memory for the bodies being read
//! answers.rs  memory for what is answered, until it is taken
//! turns.rs    heavy work, a few at a time
//! scans.rs    looking at what is kept, in turn and with an end
//! ```

pub(crate) mod answers;
pub(crate) mod budget;
pub(crate) mod room;
pub(crate) mod scans;
pub(crate) mod turns;
