//! tfrkit
#![deny(missing_docs)]
pub mod dataset;
mod error;
pub mod example;
pub mod image;
pub mod record;
mod sys;

pub use error::{Error, ErrorClass, ErrorKind, Location, Result};
