//! tfrkit
#![deny(missing_docs)]
pub mod convert;
pub mod dataset;
mod error;
pub mod example;
pub mod image;
pub mod inspect;
mod job;
pub mod pipeline;
pub mod record;
mod sys;

pub use error::{Error, ErrorClass, ErrorKind, Location, Result};
pub use job::Job;
