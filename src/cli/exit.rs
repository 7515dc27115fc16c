//! Exit codes, in one place.

use std::process::ExitCode;

use crate::error::Error;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Done,
    /// The job failed.
    Failed,
    /// The request was wrong: something to change before trying again.
    Request,
    /// No usable device.
    NoDevice,
    /// The person asked to stop.
    Interrupted,
}

impl Exit {
    /// The number a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Request => 2,
            Self::NoDevice => 3,
            // 128 and the number of the signal, as shells have it.
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&anyhow::Error> for Exit {
    fn from(error: &anyhow::Error) -> Self {
        let Some(error) = error.downcast_ref::<Error>() else {
            return Self::Failed;
        };
        match error {
            Error::Request(_)
            | Error::Memory { .. }
            | Error::Weights { .. }
            | Error::WeightShape { .. }
            | Error::Read { .. } => Self::Request,
            Error::NoDevice(_) => Self::NoDevice,
            Error::Interrupted => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}
