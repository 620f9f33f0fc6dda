//! tmp
/// tmp
#[derive(Debug, thiserror::Error)]
#[error("tmp")]
pub struct ImageError;
